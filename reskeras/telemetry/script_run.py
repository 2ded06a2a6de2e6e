"""The run of a training that somebody's own script does: its folder, what happens in it, and its curve."""

from __future__ import annotations

import os
import time
import weakref
from pathlib import Path

import keras

from reskeras import backend, runs
from reskeras.runs import liveness, summaries
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.runs.results import RESERVED
from reskeras.runs.settings import ScriptSettings
from reskeras.telemetry.curve import Curve

PERIOD = 0.1
"""Seconds between two points of the curve, unless a step takes longer."""


class ScriptRun:
    """Keeps a run's folder while a `fit` goes on that reskeras has not started.

    Args:
        folder: where the run is to be; where there is something already, the next free number is added to the name.
        model: compiled.
        facts: what Keras tells callbacks of the `fit`: `epochs` and `steps`.
        done: steps that the optimizer has done before.

    Attributes:
        run: the run.
    """

    def __init__(self, folder: Path, model: keras.Model, facts: dict, done: int):
        optimizer = model.optimizer
        trained = getattr(model, "watched", model)
        settings = ScriptSettings(model=trained.name, kind=type(trained).__name__, optimizer=type(optimizer).__name__)
        self.run: Run = runs.create_watched(settings, folder)
        self._model, self._started = model, time.perf_counter()
        # As long as it is held, another `fit` may come into this folder, whatever the run's state is in between.
        weakref.finalize(self, os.close, liveness.hold(self.run.settings_path))
        built = {"parameters": model.count_params(), "layers": len(list(model._flatten_layers())) - 1}
        self._open(facts, done, **built)

    def go_on(self, facts: dict, done: int) -> None:
        """Begin another `fit` in the same folder."""
        self._open(facts, done)

    def _open(self, facts: dict, done: int, **built) -> None:
        self._lock = liveness.hold(self.run.lock_path)
        self._events = EventWriter(self.run.events_path)
        self._events.write("starting", backend=backend.name(), pid=os.getpid())
        if built:
            self._events.write("built", **built)
        self._curve = Curve(self._model, self.run.curve_path)
        self._read_at = time.perf_counter()
        self._facts, self._done = facts, done
        self._begins = True
        self._note_training(first=1)

    def _note_training(self, first: int) -> None:
        each, epochs = self._facts.get("steps"), self._facts.get("epochs")
        total = {}
        if each and epochs:
            total = {"steps": self._done + each * (epochs - first + 1), "steps_per_epoch": each}
        self._events.write("training", epochs=epochs, **total, **backend.place())

    def begin_epoch(self, epoch: int) -> None:
        """Note that an epoch begins, counted from 1."""
        if self._begins and epoch > 1:
            # Keras tells no callback beforehand at which epoch a `fit` begins.
            self._note_training(first=epoch)
        self._begins = False
        self._curve.begin_epoch(epoch)

    def begin_step(self, done: int) -> None:
        """Note that a step begins after so many of them."""
        now = time.perf_counter()
        if now - self._read_at >= PERIOD:
            self._read_at = now
            self._curve.add(done, now - self._started)

    def end_epoch(self, done: int) -> None:
        """Write the epoch's last point, before a validation sets the running means to 0."""
        self._curve.end_epoch(done, time.perf_counter() - self._started)

    def note_epoch(self, epoch: int, done: int, logs: dict) -> None:
        """Write the results of an epoch, counted from 1, by the names that runs have for them."""
        facts = {}
        for name, value in logs.items():
            try:
                facts[name.replace("val_", "validation_", 1) if name.startswith("val_") else name] = float(value)
            except (TypeError, ValueError):
                continue
        self._events.write("epoch", epoch=epoch, step=done, **{k: v for k, v in facts.items() if k not in RESERVED})

    def note(self, event: str, **facts) -> None:
        """Write an event."""
        self._events.write(event, **facts)

    def end(self, status: str) -> None:
        """End the run, as `"finished"`, `"stopped"` or `"failed"`."""
        self._events.write("end", status=status, code=0 if status != "failed" else 1)
        self._events.flush()
        summaries.leave(self.run)
        self.close()

    def close(self) -> None:
        """Let go of everything, without a word on how it ended."""
        if self._lock is not None:
            self._curve.close()
            self._events.close()
            os.close(self._lock)
            self._lock = None
