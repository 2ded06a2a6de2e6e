"""Reads a run's folder bit by bit while it grows: each reading goes on where the last one stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from reskeras.files import size_of
from reskeras.runs import Run, RunError, RunSettings, ScriptSettings, control, results, shortage
from reskeras.runs.control import Command
from reskeras.runs.folder import BROKEN_OFF, LIVE_STATES
from reskeras.verdicts import Verdict

from . import judging
from .courses import Courses, Rates, Shown, View
from .curves import CurveReader, Metric, Validation, metrics, validation
from .kept import Profile
from .lacking import level_of, why_lacking
from .log_reader import LogReader
from .rows import Row

JUDGE_SECONDS, JUDGE_SHARE = 5.0, 0.01
"""Between two verdicts on a run at least, and the part of the time that they may take."""

ENDS = ("stopping", "tested", "answers", "exported", "end")
"""Events that no longer hold once a worker goes on with a run."""

SPEED_SECONDS = 10.0
"""The speed is that of the last so many seconds."""


@dataclass(frozen=True)
class Snapshot:
    """What a run's folder holds at one moment.

    Attributes:
        run: the run.
        state: one of `words.STATES`.
        events: kind of event -> the last such event, in the order of these; of a run that goes on, no former end.
        curve: the training curve, with the fields of `series.CURVE`.
        validation: results of the epochs.
        metrics: metrics other than loss and accuracy, in the order of their names in the log.
        settings: what the run trains; None where that cannot be read.
        view: what of the layers was asked for.
        by: what a row of the heat map is: `"layer"` or `"block"`.
        rows: the rows of the map and of the table, shallow first.
        steps, norms: the view's quantity, (T,) and (T, rows).
        log: the last lines of the log, and how many there were before them.
        trouble: why the folder cannot be read as a whole, or nothing.
        suspicion: of a worker that ended without a word, that memory ran out, and what to do; None where nothing
            speaks for it.
        profile: the view's quantity over depth.
        columns: the same of all that the profile is of, (T, N).
        sheet: the last value of each quantity that was measured, (rows,) each, where the view asks for it.
        lacking: why there is nothing of the quantity, and how to get it; nothing where there is, or may come.
        verdicts: what is said of the run; None before it was looked at.
        waiting: commands that the worker has not taken up yet, oldest first.
        level: the level of telemetry in force; None where nobody has said it.
        rates: learning rates over the training.
        history: all events, in the order in which they were written.
    """

    run: Run
    state: str
    events: dict[str, dict[str, Any]]
    curve: np.ndarray
    validation: Validation
    metrics: tuple[Metric, ...]
    settings: RunSettings | ScriptSettings | None
    view: View
    by: str
    rows: tuple[Row, ...]
    steps: np.ndarray
    norms: np.ndarray
    log: tuple[str, ...] = ()
    log_before: int = 0
    trouble: str = ""
    suspicion: str | None = None
    profile: Profile | None = None
    columns: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    sheet: dict[str, np.ndarray] | None = None
    lacking: str = ""
    verdicts: tuple[Verdict, ...] | None = None
    waiting: tuple[Command, ...] = ()
    level: str | None = None
    rates: Rates = Rates()  # noqa: RUF009
    history: Sequence[dict[str, Any]] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the rows are called."""
        return tuple(row.name for row in self.rows)

    @property
    def is_live(self) -> bool:
        """Whether a worker is at the run."""
        return self.state in LIVE_STATES

    @property
    def by_script(self) -> bool:
        """Whether a script of the user's own trains: it exports nothing and takes no commands."""
        return isinstance(self.settings, ScriptSettings)

    @property
    def has_accuracy(self) -> bool:
        """Whether there is, or may still come, an accuracy."""
        return not self.by_script or bool(
            np.isfinite(self.curve["accuracy"]).any() or np.isfinite(self.validation.accuracy).any()
        )

    @property
    def stop_requested(self) -> bool:
        """Whether a stop waits to be taken up by the worker."""
        return self.state == "stopping" and "stopping" not in self.events

    def fact(self, name: str) -> Any:
        """Return the newest fact of this name about the training, or None."""
        return self.facts.get(name)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The newest of each fact about the training."""
        return results.facts(self.events.values())

    @property
    def step(self) -> int:
        """Steps done."""
        last_curve = int(self.curve["step"][-1]) if len(self.curve) else 0
        return max(last_curve, int(self.steps[-1]) if len(self.steps) else 0)

    @property
    def learning_rate(self) -> float | None:
        """Of the last step; None where it was not measured."""
        known = self.rates.rate[np.isfinite(self.rates.rate)]
        return float(known[-1]) if len(known) else None

    @property
    def speed(self) -> float | None:
        """Steps in a second, of late; None before two points of the curve."""
        if len(self.curve) < 2:
            return None
        seconds, steps = self.curve["seconds"], self.curve["step"]
        first = min(int(np.searchsorted(seconds, seconds[-1] - SPEED_SECONDS)), len(seconds) - 2)
        passed = float(seconds[-1] - seconds[first])
        return (int(steps[-1]) - int(steps[first])) / passed if passed > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at this speed."""
        total = self.fact("steps")
        return max(int(total) - self.step, 0) / self.speed if total and self.speed else None


class RunReader:
    """Reads one run; can be asked from any thread, one at a time.

    Args:
        run: the run to read.
        view: what of its layers is read; may be changed between readings.
    """

    def __init__(self, run: Run, view: View = View()) -> None:  # noqa: B008
        self.run, self.view = run, view
        self._lock, self._judging = threading.Lock(), threading.Lock()
        self._courses, self._curve, self._log = Courses(run), CurveReader(run), LogReader(run)
        self._events: list[dict[str, Any]] = []
        self._events_size = -1
        self._verdicts: tuple[Verdict, ...] | None = None
        self._judged: tuple[int, float] = (-1, 0.0)

    def read(self) -> Snapshot:
        """Return what the folder holds now; what cannot be read is said in the snapshot's `trouble`."""
        with self._lock:
            trouble, view, shown = "", self.view, Shown("layer")
            # The state comes first: what is read after it belongs to it at least.
            state = self.run.state()
            self._read_events()
            settings = self._read_settings()
            try:
                shown = self._courses.read(view)
            except (RunError, OSError, ValueError) as error:
                trouble = str(error)
            self._log.read()
            level = level_of(self._events, settings)
            return Snapshot(
                run=self.run,
                state=state,
                events=last_of_each(self._events),
                curve=self._curve.read(),
                validation=validation(self._events),
                metrics=metrics(self._events),
                settings=settings,
                view=view,
                by=shown.by,
                rows=shown.rows,
                steps=shown.steps,
                norms=shown.values,
                log=tuple(self._log.lines),
                log_before=self._log.seen - len(self._log.lines),
                trouble=trouble,
                suspicion=shortage.suspicion(self.run.log_path, self._events) if state in BROKEN_OFF else None,
                profile=shown.profile,
                columns=shown.columns,
                sheet=shown.sheet,
                lacking="" if trouble or len(shown.steps) else why_lacking(view.quantity, level, settings, state),
                verdicts=self._verdicts,
                waiting=tuple(control.waiting(self.run.commands_path)),
                level=level,
                rates=self._rates(),
                history=self._events,
            )

    def judge(self, snapshot: Snapshot) -> Snapshot | None:
        """Return the snapshot with new verdicts; None where it is too early for them while the run goes on, or nothing
        has been added.

        Another thread may read meanwhile.
        """
        size = size_of(self.run.folder / "weights.rows")
        if size == self._judged[0] or (snapshot.is_live and time.monotonic() < self._judged[1]):
            return None
        if not self._judging.acquire(blocking=False):
            return None
        try:
            began = time.monotonic()
            try:
                found = judging.judged(self.run)
            except (RunError, OSError, ValueError):
                # The reading says what is wrong with the folder.
                found = ()
            took = time.monotonic() - began
            self._judged = size, began + took + max(JUDGE_SECONDS, took / JUDGE_SHARE)
            self._verdicts = found
            return replace(snapshot, verdicts=found)
        finally:
            self._judging.release()

    def _rates(self) -> Rates:
        try:
            return self._courses.rates()
        except (RunError, OSError, ValueError):
            return Rates()

    def _read_settings(self) -> RunSettings | ScriptSettings | None:
        try:
            return self.run.settings
        except RunError:
            return None

    def _read_events(self) -> None:
        size = size_of(self.run.events_path)
        if size != self._events_size:
            self._events, self._events_size = self.run.events(), size
            # Where memory ran out, the training begins anew with other settings.
            self.run.__dict__.pop("settings", None)


def last_of_each(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the last event of each kind, in the order in which they were written; clocks may go backwards."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        over = ENDS if event["event"] == "starting" else ()
        for kind in (event["event"], *over):
            found.pop(kind, None)
        found[event["event"]] = event
    return found
