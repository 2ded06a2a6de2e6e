"""What a worker does with commands: it takes them up between two steps, answers each, and sleeps while it is paused."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import keras

from reskeras.runs import control
from reskeras.runs.errors import FolderVanished
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.runs.statistics import reaches
from reskeras.telemetry import GradientMonitor
from reskeras.telemetry.watched import Watched

NAP = 0.2
"""Seconds between two looks at the commands while a training is paused."""


class Refused(Exception):
    """A command cannot be followed, and why."""


class Controls:
    """Takes up the commands to a training.

    Args:
        run: its folder.
        events: its event log.
        monitor: measures it.

    Attributes:
        stop_requested: whether it is to end after the step at hand.
    """

    def __init__(self, run: Run, events: EventWriter, monitor: GradientMonitor):
        self._run, self._events, self._monitor = run, events, monitor
        self.stop_requested = False
        self._stop_told = self._paused = False
        self._answered: set[str] = set()

    def take_up(self, synced: Callable[[], keras.Model], step: int, checkpoint: Callable[[], Future] | None) -> float:
        """Follow what was asked, and return how many seconds the training was paused.

        Args:
            synced: gives what is trained, its variables up to date, which takes time on JAX.
            step: how many are done.
            checkpoint: takes a checkpoint; None where none can be taken now.

        Raises:
            FolderVanished: where the run's folder is gone.
        """
        began = time.perf_counter()
        self._take(synced, step, checkpoint)
        if not self._paused:
            return 0.0
        if checkpoint is not None:
            checkpoint()
        self._events.write("paused", step=step)
        while self._paused and not self.stop_requested:
            time.sleep(NAP)
            self._take(synced, step, checkpoint)
        self._paused = False
        self._events.write("continued", step=step)
        return time.perf_counter() - began

    def _take(self, synced, step, checkpoint) -> None:
        if not self._run.folder.is_dir():
            raise FolderVanished(self._run.folder)
        for command in control.waiting(self._run.commands_path):
            if command.identifier in self._answered:
                continue
            facts = {"command": command.identifier, "asked": command.name, "step": step}
            if command.value is not None:
                facts["value"] = command.value
            try:
                value = control.checked(command.name, command.value)
                told = getattr(self, f"_{command.name}")(synced, step, checkpoint, value, command.identifier) or {}
            except (Refused, ValueError) as error:
                self._events.write("answer", done=False, **facts, refusal=str(error))
            else:
                self._events.write("answer", done=True, **facts, **told)
            self._answered.add(command.identifier)
            with contextlib.suppress(OSError):
                # In a folder that is read-only now, an answered command stays, and is not followed twice.
                control.take(self._run.commands_path, command.identifier)

    def _stop(self, synced, step, checkpoint, value, identifier):
        self.stop_requested = True
        self.tell_stop(step, command=identifier)

    def _pause(self, synced, step, checkpoint, value, identifier):
        if checkpoint is None:
            raise Refused("The training is at its end.")
        if self._paused:
            raise Refused("The run is paused already.")
        self._paused = True

    def _resume(self, synced, step, checkpoint, value, identifier):
        if not self._paused:
            raise Refused("The run is not paused.")
        self._paused = False

    def _checkpoint(self, synced, step, checkpoint, value, identifier):
        if checkpoint is None:
            raise Refused("The training is at its end, where a checkpoint is taken anyway.")
        path: Path | None = checkpoint().result()
        if path is None:
            raise Refused("The checkpoint could not be written: the warning before this says why.")
        return {"file": path.name}

    def _learning_rate(self, synced, step, checkpoint, value, identifier):
        model = synced()
        if isinstance(model.optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            raise Refused("The learning rate follows a schedule, which was chosen when the run was started.")
        before = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        model.optimizer.learning_rate = value
        return {"before": before}

    def _telemetry(self, synced, step, checkpoint, value, identifier):
        if reaches(value, "probes") and not isinstance(synced(), Watched):
            raise Refused(
                f"{value} measures outputs of blocks, and this run was built without probes: off and norms can be set. "
                "Start a run with --telemetry probes to have them."
            )
        before, self._monitor.level = self._monitor.level, value
        return {"before": before}

    def tell_stop(self, step: int, **facts) -> None:
        """Write that the training ends after the step at hand, once: also where a signal asked for it."""
        if not self._stop_told:
            self._events.write("stopping", step=step, **facts)
            self._stop_told = True
