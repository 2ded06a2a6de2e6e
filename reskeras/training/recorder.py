"""The callback that writes curve and epochs, takes checkpoints, and ends the training when asked to."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future

import keras

from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.telemetry.curve import Curve
from reskeras.training.checkpointing import Progress, Resumption, Saver
from reskeras.training.controls import Controls
from reskeras.training.pace import Pace

PERIOD = 0.1
"""Seconds between two points of the curve, unless a step takes longer."""

NAMES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "output_accuracy": "accuracy",
    "val_loss": "validation_loss",
    "val_accuracy": "validation_accuracy",
    "val_output_accuracy": "validation_accuracy",
}
"""What Keras calls the results of an epoch, of a network with several outputs too -> what its event calls them."""


class Recorder(keras.callbacks.Callback):
    """Writes loss and accuracy as means over all samples since the point before, and stops the training when asked to.

    Args:
        run: the run's folder.
        events: its event log.
        steps: end after this many steps.
        steps_per_epoch: batches of a whole epoch.
        pace: told of every step.
        controls: takes up commands.
        saver: takes checkpoints; None where none are to be taken.
        resumption: where the training goes on, if it has begun before.
        patience: end after so many epochs that were no better; None goes on.

    Attributes:
        stopped: whether the training ended because somebody asked for it.
    """

    def __init__(
        self,
        run: Run,
        events: EventWriter,
        steps: int,
        steps_per_epoch: int,
        pace: Pace,
        controls: Controls,
        saver: Saver | None = None,
        resumption: Resumption | None = None,
        patience: int | None = None,
    ):
        super().__init__()
        self._run, self._events, self._steps, self._steps_per_epoch = run, events, steps, steps_per_epoch
        self._pace, self._controls, self._saver, self._resumption = pace, controls, saver, resumption
        at = resumption.progress if resumption else Progress()
        self._begun, self._epoch, self._position, self._score = at.step, at.epoch, at.position, at.score
        self._best, self._waited, self._patience = at.best, at.waited, patience
        self._before = at.seconds
        self._curve: Curve | None = None
        self._lost_at: int | None = None
        self._read_at_step, self._read_at_time = at.step, 0.0
        self._first = True
        self.stopped = False

    @property
    def lost_at(self) -> int | None:
        """The step by which the loss was no finite number any more, which ends the training; None while it is."""
        return self._lost_at if self._curve is None else self._curve.lost_at

    @property
    def stop_requested(self) -> bool:
        """Whether the training is to end after the step at hand."""
        return self._controls.stop_requested

    @stop_requested.setter
    def stop_requested(self, requested: bool) -> None:
        self._controls.stop_requested = requested

    def on_train_begin(self, logs=None):
        self._started = time.perf_counter() - self._before
        self._curve = Curve(self._model, self._run.curve_path)
        if self._saver is not None:
            self._saver.start_at(self._progress(begun=False))

    def on_epoch_begin(self, epoch, logs=None):
        self._curve.begin_epoch(epoch + 1)
        self._epoch, self._position = epoch, 0
        if self._first and self._resumption:
            self._position = self._resumption.progress.position
            if self._resumption.progress.begun:
                self._resumption.restore_metrics(self._model)
                self._curve.go_on()
            else:
                self._resumption.restore_generators()
        self._pace.go_on(self._begun)

    def on_train_batch_begin(self, batch, logs=None):
        now = time.perf_counter()
        if self._first and self._resumption:
            if self._resumption.progress.begun:
                # Here, for whoever reads the data has drawn from them since the epoch began.
                self._resumption.restore_generators()
            self._take_commands(self._checkpoint)
        elif batch and now - self._read_at_time >= PERIOD:
            self._read(now)
            self._take_commands(self._checkpoint)
            self._pace.reach(self._begun)
            if self._saver is not None:
                self._saver.catch_up()
        self._first = False
        if batch and self._saver is not None and self._saver.is_due(self._begun):
            self._checkpoint()
        self._begun += 1
        self._position += 1
        if self.stop_requested and self._begun < self._steps:
            self._controls.tell_stop(self._begun)
            self.stopped = True
        # An epoch whose last batch this is ends by itself, and on PyTorch draws a random number as it does.
        if self._ends and not self._is_whole():
            self._model.stop_training = True

    @property
    def _ends(self) -> bool:
        return self._begun >= self._steps or self.stopped or self.lost_at is not None or self._has_waited

    @property
    def _has_waited(self) -> bool:
        return self._patience is not None and self._waited >= self._patience

    @property
    def ended_early(self) -> bool:
        """Whether the training ended since its epochs had not become better for long enough."""
        return self._has_waited and not self.stopped and self._begun < self._steps

    @property
    def best(self) -> float | None:
        """The smallest score of an epoch so far."""
        return self._best

    def _read(self, now: float) -> None:
        slow = now - self._read_at_time >= PERIOD * (self._begun - self._read_at_step)
        self._read_at_step, self._read_at_time = self._begun, now
        self._curve.add(self._begun, now - self._started)
        if slow:
            # As the first step always counts: its loss is the first that anyone sees of the run.
            self._curve.write_pending()

    def _take_commands(self, checkpoint: Callable[[], Future] | None) -> None:
        paused = self._controls.take_up(lambda: self.model, self._begun, self._saver and checkpoint)
        if paused:
            self._started += paused
            self._pace.go_on(self._begun)

    # Validation clears the running means, so the last point of an epoch is read before it begins.
    def on_test_begin(self, logs=None):
        self._finish_epoch()

    def on_epoch_end(self, epoch, logs=None):
        self._finish_epoch()
        logs = logs or {}
        facts = {ours: float(logs[theirs]) for theirs, ours in NAMES.items() if theirs in logs}
        self._events.write("epoch", epoch=epoch + 1, step=self._begun, **facts)
        if self._is_whole():
            score = facts.get("validation_loss", facts.get("loss"))
            self._score = score if score is not None and math.isfinite(score) else None
            self._epoch, self._position = epoch + 1, 0
            better = self._score is not None and (self._best is None or self._score < self._best)
            self._best, self._waited = (self._score, 0) if better else (self._best, self._waited + 1)
            self._keep_whole_epoch()
        if self._ends:
            self._model.stop_training = True
        self._take_commands(None if self._ends else self._checkpoint_between_epochs)

    def _keep_whole_epoch(self) -> None:
        if self._saver is None or self.lost_at is not None:
            return
        best = self._score is not None and self._saver.is_best(self._score)
        if self._ends or self._saver.is_due(self._begun):
            self._checkpoint_between_epochs()
        elif best:
            self._saver.take_best(self._model, self._progress(begun=False), self._curve.flush)

    def _is_whole(self) -> bool:
        """Return whether all batches of the epoch are done, or begun."""
        return self._position >= self._steps_per_epoch

    def _finish_epoch(self):
        if not self._curve.end_epoch(self._begun, time.perf_counter() - self._started):
            return
        # After the numbers were read, for which the device must have ended the step.
        self._pace.reach(self._begun)
        if self._saver is not None and self.lost_at is None and not self._is_whole():
            self._checkpoint()

    def _checkpoint(self) -> Future:
        """Take a checkpoint inside an epoch, which goes on at its next batch."""
        self._curve.add(self._begun, time.perf_counter() - self._started)
        self._curve.write_pending()
        return self._saver.take(self._model, self._progress(begun=True), self._curve.flush)

    def _checkpoint_between_epochs(self) -> Future:
        return self._saver.take(self._model, self._progress(begun=False), self._curve.flush)

    def _progress(self, begun: bool) -> Progress:
        seconds = time.perf_counter() - self._started
        facts = {"step": self._begun, "epoch": self._epoch, "position": self._position, "score": self._score}
        return Progress(**facts, best=self._best, waited=self._waited, begun=begun, seconds=seconds)

    def on_train_end(self, logs=None):
        if self._saver is not None:
            self._saver.finish()
        self._curve.flush()
        self.close()

    def close(self) -> None:
        """End writing; may be called at any time, and more than once."""
        if self._saver is not None:
            self._saver.finish()
            self._saver = None
        if self._curve is not None:
            self._lost_at = self._curve.lost_at
            self._curve.close()
            self._curve = None
