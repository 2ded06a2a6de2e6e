"""The folder of a run that somebody's own script trains, written bit by bit with numbers that a test wants."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from norms import weights_header, write_norms

from reskeras.runs import Run, ScriptSettings, create_watched, liveness
from reskeras.runs.events import EventWriter
from reskeras.runs.series import CURVE, RowWriter
from reskeras.runs.tables import TableWriter


class ScriptRun:
    """A run that grows when it is told to; it looks alive until `close`.

    Args:
        folder: the run's.
        facts: of the event `training`, such as `steps` where their number is known.
    """

    def __init__(self, folder: Path, layers: int = 4, **facts) -> None:
        settings = ScriptSettings(model="my_model", kind="Functional", optimizer="Lion")
        self.run: Run = create_watched(settings, folder)
        self.lock = liveness.hold(self.run.lock_path)
        self.events = EventWriter(self.run.events_path)
        self.events.write("starting", backend="torch", pid=os.getpid())
        self.events.write("built", parameters=1234, layers=layers)
        self.events.write("training", backend="torch", device="cpu", device_name="cpu", **facts)
        names = [(f"dense_{layer}/kernel", f"dense_{layer}") for layer in range(layers)]
        self.weights = TableWriter(self.run.folder / "weights", weights_header(names))
        self.curve = RowWriter(self.run.curve_path, CURVE)
        self.step = 0

    def grow(self, norms, loss: float = 1.0, accuracy: float = float("nan")) -> ScriptRun:
        """Write a step with a norm for each layer, and a point of the curve."""
        self.step += 1
        write_norms(self.weights, [self.step], np.array([norms]))
        self.curve.write(np.array([(self.step, 1, self.step / 10, loss, accuracy)], CURVE))
        return self

    def grow_many(self, norms) -> ScriptRun:
        """Write many steps at once, (steps, layers), and one point of the curve at their end."""
        steps = np.arange(self.step + 1, self.step + len(norms) + 1)
        self.step += len(norms)
        write_norms(self.weights, steps, norms)
        self.curve.write(np.array([(self.step, 1, self.step / 10, 1.0, np.nan)], CURVE))
        return self

    def epoch(self, number: int = 1, **metrics) -> ScriptRun:
        """Write the results of an epoch."""
        self.events.write("epoch", epoch=number, step=self.step, **metrics)
        return self

    def finish(self) -> ScriptRun:
        """Write the end, and let go of the lock."""
        self.events.write("telemetry", level="norms", steps=3, callback_seconds=0.01)
        self.events.write("end", status="finished", code=0)
        return self.close()

    def close(self) -> ScriptRun:
        """Let go of the lock, as the system does when the script dies."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None
        return self
