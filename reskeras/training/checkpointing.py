"""What a checkpoint of a training holds: taken between two steps, written by a thread, and put back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reskeras import backend
from reskeras.runs import checkpoints
from reskeras.runs.checkpoints import Checkpoint
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import TABLES, Run, RunError
from reskeras.runs.series import cut_curve
from reskeras.runs.settings import TrainingOptions
from reskeras.runs.tables import cut_table
from reskeras.telemetry import GradientMonitor
from reskeras.telemetry.drain import Drain
from reskeras.telemetry.ring import squares, variables_without_rings

LEAST_SECONDS = 10.0
"""Between a checkpoint and that of the best epoch so far, which is kept in memory until then: of epochs that are
shorter, and better one after another, only the last is written."""


class Progress(BaseModel):
    """How far a training is, between two steps.

    Attributes:
        step: steps done.
        epoch: the epoch it is in, counted from 0.
        position: batches of that epoch done.
        begun: whether the epoch has begun, its running means set to 0 and its data being read.
        seconds: how long it has taken so far, pauses left out.
        score: the loss of the last epoch that has ended, on validation samples where there are any; None before one.
        best: the smallest score of an epoch so far; None before one.
        waited: how many epochs have ended since that of the best score.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    step: int = Field(0, ge=0)
    epoch: int = Field(0, ge=0)
    position: int = Field(0, ge=0)
    begun: bool = False
    seconds: float = Field(0.0, ge=0, allow_inf_nan=False)
    score: float | None = None
    best: float | None = None
    waited: int = Field(0, ge=0)

    def has_waited(self, patience: int | None) -> bool:
        """Return whether as many epochs were no better as a training is to wait for."""
        return patience is not None and self.waited >= patience


class Facts(Progress):
    """What a checkpoint says of its training besides the progress.

    Attributes:
        backend: by name.
        telemetry: the level in force.
        rows: of each table, how many rows were whole.
    """

    backend: str
    telemetry: Literal["off", "norms", "probes", "deep"]
    rows: dict[Literal["weights", "blocks", "run"], int]


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    groups = {
        "model": model.variables,
        "optimizer": variables_without_rings(model.optimizer),
        "metrics": model.metrics_variables,
        "squares": squares(model.optimizer),
    }
    return {f"{group}/{place}": each for group, found in groups.items() for place, each in enumerate(found)}


class Saver:
    """Takes checkpoints of a training, which waits for the copy to the host alone.

    Args:
        run: its folder.
        events: its event log.
        monitor: measures it.
        training: how often, and how many are kept.
    """

    def __init__(self, run: Run, events: EventWriter, monitor: GradientMonitor, training: TrainingOptions):
        self._run, self._events, self._monitor, self._training = run, events, monitor, training
        self._variables: dict[str, keras.Variable] | None = None
        self._taken_at_step, self._taken_at_time, self._best = 0, time.monotonic(), float("inf")
        self._written_at = self._taken_at_time
        self._waiting: Future | None = None
        self._held: Callable[[], Any] | None = None
        self._drain = Drain(lambda write: write())

    def start_at(self, progress: Progress) -> None:
        """Count from a checkpoint that there is already."""
        self._taken_at_step = progress.step
        if found := checkpoints.best(self._run.checkpoints_path):
            self._best = found[1]

    def is_due(self, step: int) -> bool:
        """Return whether the options ask for a checkpoint after so many steps, and the one before is written."""
        asked, since = self._training, time.monotonic() - self._taken_at_time
        steps, seconds = asked.checkpoint_steps, asked.checkpoint_seconds
        due = (steps and step - self._taken_at_step >= steps) or (seconds and since >= seconds)
        return bool(due) and (self._waiting is None or self._waiting.done())

    def is_best(self, score: float) -> bool:
        """Return whether an epoch that has ended is the best so far."""
        better, self._best = score < self._best, min(score, self._best)
        return better

    def take(self, model: keras.Model, progress: Progress, flush_curve: Callable[[], None]) -> Future:
        """Copy what a training is now, and have it written; what comes is the file, or None where there is none.

        Args:
            model: what is trained, between two steps.
            progress: how far it is.
            flush_curve: waits until the curve is on the disk.
        """
        self._write_held()
        self._taken_at_step, self._taken_at_time = progress.step, time.monotonic()
        return self._ask(self._copied(model, progress, flush_curve))

    def take_best(self, model: keras.Model, progress: Progress, flush_curve: Callable[[], None]) -> None:
        """Copy what a training is now, at the end of the best epoch so far, and have it written soon: by `catch_up`,
        before the next checkpoint or at the end, unless a better epoch comes first. Arguments are as in `take`."""
        self._held = self._copied(model, progress, flush_curve)
        self.catch_up()

    def catch_up(self) -> None:
        """Have the best epoch written, where it waits and its time has come."""
        idle = self._waiting is None or self._waiting.done()
        if idle and time.monotonic() - self._written_at >= LEAST_SECONDS:
            self._write_held()

    def _write_held(self) -> None:
        if self._held is not None:
            write, self._held = self._held, None
            self._ask(write)

    def _ask(self, write: Callable[[], Any]) -> Future:
        self._written_at = time.monotonic()
        self._waiting = self._drain.ask(write)
        return self._waiting

    def _copied(self, model, progress: Progress, flush_curve) -> Callable[[], Any]:
        """Return what writes a training as it is now."""
        if self._variables is None:
            self._variables = _variables(model)
            self._reader = backend.StateReader(model, list(self._variables.values()))
        places = self._monitor.places()
        arrays = dict(zip(self._variables, self._reader.on_host(), strict=True))
        arrays |= {f"generator/{name}": state for name, state in backend.generator_states().items()}
        facts = {**progress.model_dump(), "backend": backend.name(), "telemetry": self._monitor.level}
        return lambda: self._write(facts, arrays, places, flush_curve)

    def _write(self, facts, arrays, places: Future, flush_curve):
        began, step = time.perf_counter(), facts["step"]
        try:
            if not all(np.isfinite(each).all() for each in arrays.values() if each.dtype.kind == "f"):
                return self._warn(f"There is no checkpoint of step {step}: some weights are not finite.")
            tables, noise = places.result()
            # What a checkpoint speaks of must not be lost where the machine fails.
            flush_curve()
            self._events.flush()
            rows = {name: count for name, (count, _) in tables.items()}
            arrays |= {f"table/{name}": last for name, (_, last) in tables.items()} | {"noise": noise}
            path = checkpoints.write(self._run.checkpoints_path, step, {**facts, "rows": rows}, arrays)
            size = path.stat().st_size
            checkpoints.rotate(self._run.checkpoints_path, self._training.keep)
        except OSError as error:
            return self._warn(
                f"No checkpoint of step {step} could be written ({error.strerror or error}): the training goes on, the "
                f"checkpoints before are kept, and the next is tried when it is due. Make room for it in "
                f"{self._run.checkpoints_path}, and see that this user may write there."
            )
        took = round(time.perf_counter() - began, 4)
        self._events.write("checkpoint", step=step, file=path.name, bytes=size, writing_seconds=took)
        return path

    def _warn(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._events.write("warning", text=text)

    def finish(self) -> None:
        """Wait until everything taken is written."""
        with contextlib.suppress(Exception):
            # It raises what the thread has failed with, and is called after every other error too.
            self._write_held()
        self._drain.abandon()


@dataclass(frozen=True)
class Resumption:
    """A training that goes on where a checkpoint was taken, or from the beginning where there is none.

    Attributes:
        checkpoint: what there is; None to begin anew in a folder where a training had begun.
        wrong: what is wrong with newer checkpoints.
    """

    checkpoint: Checkpoint | None
    wrong: tuple[str, ...] = ()

    @cached_property
    def facts(self) -> Facts | None:
        """What the checkpoint says; None where there is none.

        Raises:
            RunError: where it does not say everything.
        """
        try:
            return self.checkpoint and Facts(**self.checkpoint.facts)
        except ValidationError:
            raise RunError(f"{self.checkpoint.path} does not say all of its training.") from None

    @property
    def progress(self) -> Progress:
        """Where the training goes on."""
        return self.facts or Progress()

    def restore(self, model: keras.Model) -> None:
        """Give a model that has been through a step, its optimizer and its metrics the values of the checkpoint.

        What is measured of it too, where it is still being measured.

        Raises:
            RunError: where these are of another network or optimizer; nothing has been changed then.
        """
        if self.checkpoint is None:
            return
        variables = _variables(model)
        groups = ("model/", "optimizer/", "metrics/")
        ours = {name: tuple(each.shape) for name, each in variables.items() if name.startswith(groups)}
        theirs = {name: shape for name, shape in self.checkpoint.arrays.shapes.items() if name.startswith(groups)}
        if ours != theirs:
            raise RunError(
                f"{self.checkpoint.path} is of another network or optimizer than the run's settings say, or of another "
                "version of them."
            )
        for name, variable in variables.items():
            if name in self.checkpoint.arrays:
                variable.assign(self.checkpoint.arrays[name])

    @property
    def noise(self) -> np.ndarray:
        """The estimates behind the noise scale."""
        known = self.checkpoint is not None and "noise" in self.checkpoint.arrays
        return self.checkpoint.arrays["noise"] if known else np.zeros(2)

    def restore_metrics(self, model: keras.Model) -> None:
        """Give the running means of an epoch that has begun their values, which Keras sets to 0 when a `fit` begins."""
        if self.checkpoint is not None and self.progress.begun:
            for name, variable in _variables(model).items():
                if name.startswith("metrics/"):
                    variable.assign(self.checkpoint.arrays[name])

    def restore_generators(self) -> None:
        """Bring the backend's own generators to where they were."""
        if self.checkpoint is not None:
            states = {n.split("/")[1]: s for n, s in self.checkpoint.arrays.items() if n.startswith("generator/")}
            backend.set_generator_states(states)

    def cut_back(self, run: Run) -> None:
        """Take from a run's tables and curve what was measured after the checkpoint, and will be once more.

        Raises:
            OSError: where these cannot be written.
        """
        checkpoints.clear_after(run.checkpoints_path, self.progress.step)
        rows = self.facts.rows if self.facts else {}
        for name in TABLES:
            last = self.checkpoint.arrays[f"table/{name}"] if name in rows else np.empty(0, np.uint8)
            cut_table(run.folder / name, max(rows.get(name, 0), 0), last)
        cut_curve(run.curve_path, self.progress.step)
