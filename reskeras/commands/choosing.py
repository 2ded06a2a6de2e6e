"""The backend of a training on the command line: measured once where the run is long enough, and told in a line."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from reskeras import speeds
from reskeras.request import Request
from reskeras.runs import create, launch

PATIENCE = 60
"""Seconds that a backend has, imports included, to show how fast it is."""

STEPS = 100_000
"""Steps of a training that ends itself much earlier."""


def choose_backend(request: Request, console: Console, patience: int = PATIENCE) -> Request:
    """Return the request with the name of the backend that it is trained on.

    Where `auto` has a choice and the run is long, the backends of which nothing is known are measured first; an
    interruption ends that, and the choice is made of what is known by then.
    """
    choice, source = speeds.choose(request), "measured before, on this network or one like it"
    if choice.unknown and speeds.is_long(request):
        fresh = _measure_all(request, choice.unknown, console, patience)
        kept = all([speeds.keep(each) for each in fresh])
        choice, source = speeds.choose(request, fresh), "kept" if kept else "the cache folder cannot be written"
        if not choice.reason():
            _say(console, f"Nothing is known of the backends' speed: training goes on with {choice.backend}.")
    if reason := choice.reason():
        _say(console, f"backend {reason}; {source}; --backend NAME overrides")
    return speeds.on_backend(request, choice.backend)


def _measure_all(
    request: Request, backends: tuple[str, ...], console: Console, patience: int
) -> list[speeds.Measurement]:
    """Return what could be measured before an interruption."""
    found: list[speeds.Measurement] = []
    named = ", ".join(backends)
    _say(console, f"Measuring {named} on this network, once, at most {patience} s each; Ctrl-C goes on without.")
    try:
        for backend in backends:
            with console.status(f"measuring {backend} ..."):
                outcome = measure(request, backend, patience)
            if isinstance(outcome, str):
                _say(console, f"{backend} cannot be measured: {outcome}")
            else:
                found.append(outcome)
    except KeyboardInterrupt:
        _say(console, "Measuring was ended.")
    return found


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def measure(request: Request, backend: str, patience: int = PATIENCE) -> speeds.Measurement | str:
    """Return how fast a request would train on a backend, measured in a process of its own, or why it cannot be told.

    Args:
        request: what is to be trained.
        backend: on what, by name.
        patience: seconds after which the process is ended; one that was so slow is measured as that.
    """
    settings = speeds.on_backend(request, backend).settings
    training = settings.training.model_copy(update={"steps": STEPS, "validation_split": 0.0})
    with tempfile.TemporaryDirectory(prefix="reskeras-measured-") as parent:
        run = create(settings.model_copy(update={"training": training}), Path(parent))
        process = subprocess.Popen(
            [sys.executable, "-m", "reskeras.training.measure", str(run.folder), str(patience)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # So that Ctrl-C reaches this process alone, which says what becomes of the other.
            start_new_session=True,
            # What JAX compiles for made-up samples is of no use to a training.
            env={**launch.environment(), "JAX_ENABLE_COMPILATION_CACHE": "0", "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        with process:
            try:
                out, err = process.communicate()
            except BaseException:
                process.kill()
                process.wait()
                raise
    if process.returncode == -signal.SIGALRM:
        workload = speeds.Workload.of(request.settings, request.plan)
        place = speeds.place(backend)
        return speeds.Measurement(backend=backend, place=place, workload=workload, first_step=patience, step=None)
    try:
        return speeds.Measurement.model_validate_json(out.strip().splitlines()[-1])
    except (IndexError, ValidationError):
        return (err.strip().splitlines() or [f"it ended with code {process.returncode}"])[-1]
