"""Which backends are installed and how to get one that is not, told without importing any."""

from __future__ import annotations

import importlib.util
import os

EXTRAS = {
    "text": ("keras_hub", "keras-hub"),
    "subwords": ("tokenizers", "tokenizers"),
    "tensorboard": ("tensorboardX", "tensorboardX"),
}
"""Extras that are no backends: the module by which they are known, and the package that it comes in."""

BACKENDS = ("jax", "tensorflow", "torch")
"""The backends of Keras 3 that train, in the order in which `auto` prefers them."""


class BackendMissing(ModuleNotFoundError):
    """The backend asked for, or any at all, is not installed."""


class ExtraMissing(ModuleNotFoundError):
    """What an optional part of the package needs is not installed."""


def how_to_install(extra: str) -> str:
    """Return the command that installs a backend, or another extra, into the environment that runs this."""
    return f'python -m pip install "reskeras[{extra}]"'


def has_extra(extra: str) -> bool:
    """Return whether an extra of `EXTRAS` is installed."""
    return importlib.util.find_spec(EXTRAS[extra][0]) is not None


def installed_backends() -> list[str]:
    """Return the installed backends, preferred first."""
    return [backend for backend in BACKENDS if importlib.util.find_spec(backend) is not None]


def auto_candidates() -> list[str]:
    """Return the backends that `auto` chooses among, the usual one first.

    The one of `BACKENDS` that `KERAS_BACKEND` names is the only one; else they are all that are installed.

    Raises:
        BackendMissing: where that one, or any at all, is not installed, with a command that installs one.
    """
    installed = installed_backends()
    if not installed:
        raise BackendMissing(_none_installed())
    preferred = os.environ.get("KERAS_BACKEND", "")
    if preferred in BACKENDS and preferred not in installed:
        raise BackendMissing(
            f"KERAS_BACKEND is {preferred}, which is not installed (installed: {', '.join(installed)}). Set it to one "
            f"that is, or install {preferred} with {how_to_install(preferred)}"
        )
    return [preferred] if preferred in installed else installed


def resolve_backend(wanted: str) -> str:
    """Return the backend to run on.

    Args:
        wanted: a backend's name, or `"auto"`: the usual one. `speeds.choose` knows better what a network is fastest on.

    Raises:
        BackendMissing: with the command that installs it.
    """
    if wanted == "auto":
        return auto_candidates()[0]
    installed = installed_backends()
    if not installed:
        raise BackendMissing(_none_installed())
    if wanted not in installed:
        raise BackendMissing(
            f"The backend {wanted} is not installed (installed: {', '.join(installed)}). Install it with "
            f"{how_to_install(wanted)}"
        )
    return wanted


def explain_missing_backend(error: ModuleNotFoundError) -> ModuleNotFoundError:
    """Return the error that tells what to do where Keras could not import its backend; another error as it is."""
    wanted, installed = error.name, installed_backends()
    if wanted not in BACKENDS or wanted in installed:
        return error
    if not installed:
        return BackendMissing(_none_installed(), name=wanted)
    return BackendMissing(
        f"Keras is set to the backend {wanted}, which is not installed (installed: {', '.join(installed)}). Set "
        f"KERAS_BACKEND={installed[0]} before Keras is imported, or install {wanted}: {how_to_install(wanted)}",
        name=wanted,
    )


def _none_installed() -> str:
    return (
        "No backend is installed: Keras computes on TensorFlow, JAX or PyTorch, and one of them is needed. "
        f"Install one with, for example, {how_to_install('tensorflow')}"
    )
