"""What this machine has for training: backends, versions, devices, and what is missing with the way to get it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reskeras import speeds
from reskeras.installed import BACKENDS, EXTRAS, has_extra, how_to_install

GPU_EXTRAS = {"tensorflow": "tensorflow-cuda", "jax": "jax-cuda", "torch": None}
"""The extra that brings a backend's GPU form; PyTorch's usual package is it already."""


def examine(runs: Path, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Return what is there and what is missing, as plain JSON values.

    Args:
        runs: the folder of runs, examined for whether it can be written.
        tell: called with what is being examined; a backend takes seconds to import.
    """
    backends = {}
    for backend in BACKENDS:
        tell(backend)
        backends[backend] = _examine_backend(backend)
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in ("reskeras", "keras", "numpy", "textual")},
        "backends": backends,
        **{extra: _examine_extra(extra) for extra in EXTRAS},
        "runs": _examine_folder(runs),
        "speeds": _examine_speeds(),
    }


def _examine_backend(backend: str) -> dict[str, Any]:
    if importlib.util.find_spec(backend) is None:
        return {"installed": False, "install": how_to_install(backend)}
    # Each in a process of its own: Keras serves one backend a process, and a broken installation may end it.
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "reskeras.backend"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"installed": True, "works": False, "reason": "it did not answer within 120 seconds"}
    except (IndexError, ValueError):
        reason = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
        return {"installed": True, "works": False, "reason": reason, "install": how_to_install(backend)}
    answer = {"installed": True, "works": True, "version": found["version"], "devices": found["devices"]}
    if not any(device["kind"] == "gpu" for device in found["devices"]) and GPU_EXTRAS[backend]:
        answer["gpu"] = _extra(GPU_EXTRAS[backend])
    return answer


def _examine_extra(extra: str) -> dict[str, Any]:
    return {"installed": has_extra(extra), "install": _extra(extra)}


def _examine_folder(runs: Path) -> dict[str, Any]:
    # The folder need not exist before the first run: what counts is the nearest one that does.
    there = runs.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    return {"folder": str(runs), "writable": there.is_dir() and os.access(there, os.W_OK), "free": free}


def _examine_speeds() -> dict[str, Any]:
    """Return what is kept of how fast networks train, and of each architecture the network measured on the most
    backends: backend -> seconds a step."""
    folder, kept = speeds.folder(), speeds.kept()
    shown: dict[str, dict[str, speeds.Measurement]] = {}
    for group in speeds.grouped(kept):
        architecture = next(iter(group.values())).workload.architecture
        shown[architecture] = max(shown.get(architecture, {}), group, key=len)
    return {
        "folder": folder and str(folder),
        "kept": len(kept),
        "steps": {
            architecture: {backend: each.step for backend, each in group.items()}
            for architecture, group in sorted(shown.items())
        },
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _extra(name: str) -> str:
    return f'python -m pip install "reskeras[{name}]"'
