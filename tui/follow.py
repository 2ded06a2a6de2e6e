"""Reads a run's folder bit by bit while it grows: each reading goes on where the last one stopped."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from reskeras.files import read_at, size_of
from reskeras.printable import printable
from reskeras.runs import Run, RunError, RunSettings, ScriptSettings, results, shortage
from reskeras.runs.folder import BROKEN_OFF, LIVE_STATES
from reskeras.runs.series import CURVE

MOST_ROWS = 2000
"""Rows of gradient norms kept for the heat map; above it neighbours are joined, largest value first."""

MOST_POINTS = 4000
"""Points of a curve handed to a plot; above it each stretch keeps its lowest and its highest."""

LOG_LINES = 1000
"""Lines of the log kept."""

LOG_TAIL_BYTES = 256 * 1024
"""A log that is longer when it is first read is read from so far before its end."""

LONGEST_LINE = 16 * 1024
"""Bytes of a line of the log; of a longer one the end is shown."""

ENDS = ("stopping", "tested", "exported", "end")
"""Events that no longer hold once a worker goes on with a run."""

SPEED_SECONDS = 10.0
"""The speed is that of the last so many seconds."""


@dataclass(frozen=True)
class Validation:
    """Results of the epochs so far: the step at the end of each, loss and accuracy on validation samples."""

    step: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray


@dataclass(frozen=True)
class Metric:
    """A metric of the user's own: the step at the end of each epoch, and the results on training and on validation
    samples, NaN where there is none."""

    name: str
    step: np.ndarray
    training: np.ndarray
    validation: np.ndarray


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
        by: what a row of the heat map is: `"layer"` or `"block"`.
        names: the rows, shallow first.
        steps, norms: gradient norms, (T,) and (T, names).
        log: the last lines of the log, and how many there were before them.
        trouble: why the folder cannot be read as a whole, or nothing.
        suspicion: of a worker that ended without a word, that memory ran out, and what to do; None where nothing
            speaks for it.
    """

    run: Run
    state: str
    events: dict[str, dict[str, Any]]
    curve: np.ndarray
    validation: Validation
    metrics: tuple[Metric, ...]
    settings: RunSettings | ScriptSettings | None
    by: str
    names: tuple[str, ...]
    steps: np.ndarray
    norms: np.ndarray
    log: tuple[str, ...] = ()
    log_before: int = 0
    trouble: str = ""
    suspicion: str | None = None

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


@dataclass
class Norms:
    """Gradient norms of a growing run in at most `MOST_ROWS` rows: the largest of 1, 2, 4 ... windows each.

    The last window of a run may still grow, and is kept apart in `open_step` and `open_values`.
    """

    read: int = 0
    width: int = 1
    steps: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    values: np.ndarray | None = None
    rest_steps: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    rest_values: np.ndarray | None = None
    open_step: int | None = None
    open_values: np.ndarray | None = None

    def follow(self, steps: np.ndarray, values: np.ndarray) -> None:
        """Take up the rows from `read` on, (T,) and (T, names), the last of which may change."""
        self.open_step, self.open_values = int(steps[-1]), values[-1:]
        if len(steps) > 1:
            self.add(steps[:-1], values[:-1])

    def add(self, steps: np.ndarray, values: np.ndarray) -> None:
        """Append newly read rows: steps (T,), and values (T, names)."""
        self.read += len(steps)
        if self.values is None:
            self.values = self.rest_values = np.empty((0, values.shape[1]))
        steps, values = np.concatenate([self.rest_steps, steps]), np.concatenate([self.rest_values, values])
        while len(self.steps) + len(steps) // self.width >= MOST_ROWS:
            self._join_pairs()
        whole = len(steps) // self.width * self.width
        self.steps = np.concatenate([self.steps, steps[self.width - 1 : whole : self.width]])
        self.values = np.concatenate([self.values, largest(values[:whole], self.width)])
        self.rest_steps, self.rest_values = steps[whole:], values[whole:]

    def _join_pairs(self) -> None:
        # An odd last row stays as it is: it stands for fewer steps than the others, and nothing is lost.
        self.width *= 2
        pairs = len(self.steps) // 2 * 2
        odd = slice(pairs, None)
        self.steps = np.concatenate([self.steps[1:pairs:2], self.steps[odd]])
        self.values = np.concatenate([largest(self.values[:pairs], 2), self.values[odd]])

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return steps and values, the last row of as many steps as there are."""
        steps, parts = self.steps, [] if self.values is None else [self.values]
        if len(self.rest_steps):
            steps, parts = np.append(steps, self.rest_steps[-1]), [*parts, self.rest_values.max(0, keepdims=True)]
        if self.open_step is not None:
            steps, parts = np.append(steps, self.open_step), [*parts, self.open_values]
        return steps, np.concatenate(parts) if parts else np.empty((0, 0))


def largest(values: np.ndarray, width: int) -> np.ndarray:
    """Return the largest of each `width` rows that follow one another; not-a-number wins over any number."""
    if width == 1 or not len(values):
        return values
    return np.maximum.reduceat(values, np.arange(0, len(values), width), axis=0)


class RunReader:
    """Reads one run; can be asked from any thread, one at a time.

    Args:
        run: the run to read.
        by: what a row of the heat map is: `"layer"` or `"block"`; may be changed between readings.
    """

    def __init__(self, run: Run, by: str = "layer") -> None:
        self.run, self.by = run, by
        self._lock = threading.Lock()
        self._norms = {"layer": Norms(), "block": Norms()}
        self._names: dict[str, tuple[str, ...]] = {}
        self._norms_seen: dict[str, tuple] = {}
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._log_seen, self._log_offset, self._log_torn = 0, -1, b""
        self._events: list[dict[str, Any]] = []
        self._events_size = -1

    def read(self) -> Snapshot:
        """Return what the folder holds now; what cannot be read is said in the snapshot's `trouble`."""
        with self._lock:
            trouble, by = "", self.by
            # The state comes first: what is read after it belongs to it at least.
            state = self.run.state()
            self._read_events()
            try:
                self._read_norms(by)
            except (RunError, OSError, ValueError) as error:
                trouble = str(error)
            self._read_log()
            steps, norms = self._norms[by].rows()
            return Snapshot(
                run=self.run,
                state=state,
                events=last_of_each(self._events),
                curve=self._read_curve(),
                validation=validation(self._events),
                metrics=metrics(self._events),
                settings=self._read_settings(),
                by=by,
                names=self._names.get(by, ()),
                steps=steps,
                norms=norms,
                log=tuple(self._log),
                log_before=self._log_seen - len(self._log),
                trouble=trouble,
                suspicion=shortage.suspicion(self.run.log_path, self._events) if state in BROKEN_OFF else None,
            )

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

    def _read_norms(self, by: str) -> None:
        kept, seen, known = self._norms[by], _version(self.run.folder / "weights.rows"), self._norms_seen.get(by)
        if known == (seen, True):
            return
        if known and known[0] and seen and known[0][0] != seen[0]:
            # Another file: a run that goes on has been cut back to where it does.
            kept = self._norms[by] = Norms()
        found = self.run.series("gradient_norm", by, start=kept.read)
        self._names[by] = found.names
        if len(found.last):
            # A file from anywhere may hold not-a-numbers of the kind that computing complains of.
            with np.errstate(invalid="ignore"):
                kept.follow(found.last, found.largest.astype(float))
        # Read once more where nothing has changed: two writes may bear the same time, and this be between them.
        self._norms_seen[by] = seen, known is not None and known[0] == seen

    def _read_curve(self) -> np.ndarray:
        try:
            return thinned(self.run.curve())
        except RunError:
            return np.empty(0, CURVE)

    def _read_log(self) -> None:
        """Take up what the log gained; a last line without its end waits for the rest."""
        size = size_of(self.run.log_path)
        if self._log_offset < 0:
            self._log_offset = max(size - LOG_TAIL_BYTES, 0)
        if size <= self._log_offset:
            return
        try:
            content = read_at(self.run.log_path, self._log_offset, LOG_TAIL_BYTES)
        except OSError:
            return
        self._log_offset += len(content)
        *whole, self._log_torn = (self._log_torn[-LONGEST_LINE:] + content).split(b"\n")
        self._log.extend(plain_line(line) for line in whole)
        self._log_seen += len(whole)


def plain_line(line: bytes) -> str:
    """Return a line of a log as a person saw it in the end, without escape sequences and overwritten text."""
    text = printable(line[-LONGEST_LINE:].decode("utf-8", "replace"), keep="\r\t\x08")
    return text.rstrip("\r").rsplit("\r", 1)[-1].replace("\t", "    ").replace("\x08", "")


def last_of_each(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the last event of each kind, in the order in which they were written; clocks may go backwards."""
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        over = ENDS if event["event"] == "starting" else ()
        for kind in (event["event"], *over):
            found.pop(kind, None)
        found[event["event"]] = event
    return found


def validation(events: list[dict[str, Any]]) -> Validation:
    """Return the results of the epochs that were validated."""
    epochs = [event for event in results.epochs(events) if event.get("validation_loss") is not None]
    rows = [(event.get("step"), event["validation_loss"], results.accuracy(event, "validation_")) for event in epochs]
    return Validation(*np.array([[_number(each) for each in row] for row in rows], float).reshape(-1, 3).T)


def metrics(events: list[dict[str, Any]]) -> tuple[Metric, ...]:
    """Return the metrics of the epochs other than loss, accuracy and learning rate."""
    epochs = results.epochs(events)
    found = dict.fromkeys(name for event in epochs for name in results.metrics(event))
    known = {"loss", "learning_rate"}
    if any(results.accuracy(event) is not None for event in epochs):
        known |= {name for name in found if name in ("accuracy", "acc") or name.endswith(("_accuracy", "_acc"))}
    steps = np.array([_number(event.get("step")) for event in epochs], float)

    def column(name: str) -> np.ndarray:
        return np.array([_number(event.get(name)) for event in epochs], float)

    names = [name for name in found if name not in known and not name.startswith("validation_")]
    return tuple(Metric(name, steps, column(name), column(f"validation_{name}")) for name in names)


def thinned(curve: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """Return about `most` points of a curve at most: those of lowest and of highest loss in each stretch."""
    if len(curve) <= most:
        return np.array(curve)
    width = -(-2 * len(curve) // most)
    whole = len(curve) // width * width
    loss = np.nan_to_num(curve["loss"][:whole].reshape(-1, width), nan=np.inf)
    starts = np.arange(0, whole, width)
    kept = np.concatenate([starts + loss.argmin(1), starts + loss.argmax(1), np.arange(whole, len(curve))])
    return np.array(curve[np.unique(kept)])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _version(path) -> tuple[int, int, int] | None:
    """Return which file it is, and what a write to it changes: its size, and its time, for an open window is written in
    place."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
