"""The callback that writes the training curve and the epochs, and takes up commands."""

from __future__ import annotations

import time

import keras

from reskeras.runs import control
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.telemetry.curve import Curve
from reskeras.training.pace import Pace

PERIOD = 0.1
"""Seconds between two points of the curve, unless a step takes longer."""


class Recorder(keras.callbacks.Callback):
    """Writes loss and accuracy as means over all samples since the point before, and stops the training when asked to.

    Args:
        run: the run's folder.
        events: its event log.
        batch_size: samples in a training step.
        steps: end after this many steps.
        pace: told of every step.
    """

    def __init__(self, run: Run, events: EventWriter, batch_size: int, steps: int, pace: Pace):
        super().__init__()
        self._pace = pace
        self._run, self._events, self._batch_size, self._steps = run, events, batch_size, steps
        self._curve: Curve | None = None
        self._begun = 0
        self._read_at_step = 0
        self._read_at_time = 0.0
        self.stop_requested = False
        self.stopped = False
        self._stop_told = False

    def on_train_begin(self, logs=None):
        self._started = time.perf_counter()
        self._curve = Curve(self._model, self._run.curve_path)

    def on_epoch_begin(self, epoch, logs=None):
        self._curve.begin_epoch(epoch + 1)
        self._pace.go_on(self._begun)

    def on_train_batch_begin(self, batch, logs=None):
        now = time.perf_counter()
        if batch and now - self._read_at_time >= PERIOD:
            slow = now - self._read_at_time >= PERIOD * (self._begun - self._read_at_step)
            self._read_at_step, self._read_at_time = self._begun, now
            self._curve.add(self._begun, now - self._started)
            if slow:
                # As the first step always counts: its loss is the first that anyone sees of the run.
                self._curve.write_pending()
            self._take_commands()
            self._pace.reach(self._begun)
        self._begun += 1
        if self._begun >= self._steps:
            self._model.stop_training = True
        elif self.stop_requested:
            if not self._stop_told:
                self._tell_stop()
            self.stopped = True
            self._model.stop_training = True

    # Validation clears the running means, so the last point of an epoch is read before it begins.
    def on_test_begin(self, logs=None):
        self._finish_epoch()

    def on_epoch_end(self, epoch, logs=None):
        self._finish_epoch()
        logs = logs or {}
        names = {
            "loss": "loss",
            "accuracy": "accuracy",
            "val_loss": "validation_loss",
            "val_accuracy": "validation_accuracy",
        }
        facts = {ours: float(logs[theirs]) for theirs, ours in names.items() if theirs in logs}
        self._events.write("epoch", epoch=epoch + 1, step=self._begun, **facts)
        self._take_commands()

    def on_train_end(self, logs=None):
        self._curve.flush()
        self.close()

    def close(self) -> None:
        """End writing; may be called at any time, and more than once."""
        if self._curve is not None:
            self._curve.close()
            self._curve = None

    def _finish_epoch(self):
        if self._curve.end_epoch(self._begun, time.perf_counter() - self._started):
            # After the numbers were read, for which the device must have ended the step.
            self._pace.reach(self._begun)

    def _take_commands(self) -> None:
        for identifier, command in control.waiting(self._run.commands_path):
            if command == "stop":
                self.stop_requested = True
                self._tell_stop(command=identifier)
            control.take(self._run.commands_path, identifier)

    def _tell_stop(self, **facts) -> None:
        # Told also where a signal asked for it, which leaves no command to acknowledge.
        self._events.write("stopping", step=self._begun, **facts)
        self._stop_told = True
