"""Residual, dense, highway and Transformer networks for Keras 3, and the means to see their gradients."""

from importlib import import_module
from importlib.metadata import version

from reskeras.installed import explain_missing_backend

__version__ = version("reskeras")

_HOMES = {
    "GradientMonitor": "reskeras.telemetry",
    "build": "reskeras.builder",
    "build_plan": "reskeras.builder",
    "load": "reskeras.loading",
    "portable": "reskeras.transforms.portable",
    "roll": "reskeras.transforms.stacking",
    "save_portable": "reskeras.transforms.portable",
    "unroll": "reskeras.transforms.stacking",
    "watch": "reskeras.telemetry",
}
_MODULES = ("catalogue", "datasets", "layers", "runs", "telemetry", "transforms", "verdicts", "weights")

__all__ = [*_HOMES, *_MODULES, "__version__"]


def __getattr__(name):
    # Resolved on first use, so that importing the package imports neither Keras nor a backend.
    if name not in __all__:
        raise AttributeError(f"module 'reskeras' has no attribute {name!r}")
    try:
        module = import_module(_HOMES.get(name, f"reskeras.{name}"))
    except ModuleNotFoundError as error:
        raise explain_missing_backend(error) from error
    return getattr(module, name) if name in _HOMES else module


def __dir__():
    return sorted([*globals(), *__all__])
