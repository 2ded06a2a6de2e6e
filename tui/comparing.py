"""Reads several runs to be compared, on scales that all of them share."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from reskeras.runs import Run, RunError, RunSettings, ScriptSettings
from reskeras.verdicts import Slope, Verdict, slope_over_depth

from . import judging
from .follow import RunReader, Snapshot
from .kept import Norms
from .plots.scale import Range, log10_norms, robust_range
from .replaying import cut

LETTERS = "ABCDEFGH"
"""What each run is called on plots; so many runs can be compared at most."""

VERDICT_SECONDS = 5.0
"""A run that goes on is judged anew no more often than this."""

PROFILE_ROWS = 20
"""What a profile shows is a median over so many last windows, for one batch differs from the next."""


class Quantity(NamedTuple):
    """Something measured over depth: its name in the tables, of what, and its title."""

    statistic: str
    by: str
    title: str


QUANTITIES = (
    Quantity("backward_norm", "block", "dE/dx of each block"),
    Quantity("gradient_norm", "block", "gradient norm of each block"),
    Quantity("gradient_norm", "layer", "gradient norm of each layer"),
    Quantity("update_ratio", "block", "update over weight of each block"),
    Quantity("forward_rms", "block", "RMS of each block's output"),
)
"""What profiles and maps can show; the first that all runs have measured is shown first."""


@dataclass(frozen=True)
class Compared:
    """A run among others.

    Attributes:
        letter: what it is called on plots.
        snapshot: what its folder holds.
        names: of what the compared quantity was measured, shallow first.
        steps, values: the quantity, (T,) and (T, names).
        verdicts: what its numbers say, worst first.
        trouble: why the folder cannot be read as a whole, or nothing.
    """

    letter: str
    snapshot: Snapshot
    names: tuple[str, ...]
    steps: np.ndarray
    values: np.ndarray
    verdicts: tuple[Verdict, ...] = ()
    trouble: str = ""

    @property
    def profile(self) -> np.ndarray:
        """The quantity over depth as it is now, shallow first, (N,); NaN where nothing finite was measured."""
        last = self.values[-PROFILE_ROWS:].astype(float)
        if not len(last):
            return np.empty(0)
        known, found = np.isfinite(last).any(0), np.full(last.shape[1], np.nan)
        found[known] = np.nanmedian(np.where(np.isfinite(last), last, np.nan)[:, known], axis=0)
        return found

    @property
    def slope(self) -> Slope:
        """How the profile changes over depth."""
        return slope_over_depth(self.profile)

    @property
    def results(self) -> dict[str, float | None]:
        """What the run came to so far: losses and accuracies by name, None where there is none."""
        curve, validation, tested = self.snapshot.curve, self.snapshot.validation, self.snapshot.events.get("tested")
        return {
            "loss": float(curve["loss"][-1]) if len(curve) else None,
            "accuracy": float(curve["accuracy"][-1]) if len(curve) else None,
            "validation": float(validation.accuracy[-1]) if len(validation.step) else None,
            "test": (tested or {}).get("test_accuracy"),
        }

    def at(self, step: int) -> Compared:
        """Return the run as it stood after so many steps; verdicts are on the whole of it."""
        rows = int(np.searchsorted(self.steps, step, "right"))
        said = self.verdicts if step >= self.snapshot.step else ()
        earlier = cut(self.snapshot, step)
        return replace(self, snapshot=earlier, steps=self.steps[:rows], values=self.values[:rows], verdicts=said)


@dataclass(frozen=True)
class Comparison:
    """Several runs at one moment.

    Attributes:
        runs: in the order in which they were chosen.
        quantity: what profiles and maps show.
        available: all that they could show.
    """

    runs: tuple[Compared, ...]
    quantity: Quantity
    available: tuple[Quantity, ...]

    @property
    def is_live(self) -> bool:
        """Whether any of the runs may still change."""
        return any(each.snapshot.is_live or each.snapshot.state == "queued" for each in self.runs)


def shared_range(runs: Sequence[Compared]) -> Range:
    """Return the decimal logarithms of the ends of one colour scale for the maps of all runs."""
    known = [log10_norms(each.values).ravel() for each in runs if each.values.size]
    return (robust_range(np.concatenate(known)) if known else None) or (-6.0, 0.0)


def choices(settings: RunSettings | ScriptSettings | None) -> dict[str, Any]:
    """Return everything that was chosen about a run, by name."""
    if settings is None:
        return {}
    if isinstance(settings, ScriptSettings):
        return settings.model_dump(exclude={"format"})
    return {"architecture": settings.architecture, **settings.options, **settings.training.model_dump()}


def differences(runs: Sequence[Compared]) -> dict[str, list[Any]]:
    """Return the settings in which runs differ: name -> the value of each run, None where it has no such setting."""
    chosen = [choices(each.snapshot.settings) for each in runs]
    names = dict.fromkeys(name for each in chosen for name in each)
    columns = {name: [each.get(name) for each in chosen] for name in names}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}


def common(runs: Sequence[Compared]) -> dict[str, Any]:
    """Return the settings that all runs share."""
    differing, first = differences(runs), choices(runs[0].snapshot.settings) if runs else {}
    return {name: value for name, value in first.items() if name not in differing}


MOST_NAMED = 2
"""A run is called by the settings in which it differs, if they are so few."""


def labels(runs: Sequence[Compared]) -> list[str]:
    """Return what each run is called beside its letter: the settings in which it differs, such as `"skip none"`; its
    name where these are many, or tell no two runs apart."""
    differing = differences(runs)
    if not 0 < len(differing) <= MOST_NAMED:
        return [each.snapshot.run.name for each in runs]
    found = [
        ", ".join(f"{name.replace('_', ' ')} {values[place]}" for name, values in differing.items())
        for place in range(len(runs))
    ]
    return found if len(set(found)) == len(found) else [each.snapshot.run.name for each in runs]


def headline(runs: Sequence[Compared]) -> str:
    """Return in a sentence which run came farthest, and which stayed behind; nothing while none can be told apart."""
    for name in ("test", "validation"):
        known = [(each.results[name], place) for place, each in enumerate(runs)]
        if len(runs) < 2 or any(value is None or value != value for value, _ in known):
            continue
        if len({value for value, _ in known}) == 1:
            return ""
        called, (least, last), (most, first) = labels(runs), min(known), max(known)
        return (
            f"{runs[first].letter} ({called[first]}) is ahead with {name} accuracy {100 * most:.1f} %; "
            f"{runs[last].letter} ({called[last]}) has {100 * least:.1f} %"
        )
    return ""


def loss_then_and_now(snapshot: Snapshot) -> tuple[float, float] | None:
    """Return the loss as a run began and as it is, each a mean over a twentieth of the curve; None without a curve."""
    loss = snapshot.curve["loss"] if len(snapshot.curve) else np.empty(0)
    loss = loss[np.isfinite(loss)]
    if len(loss) < 2:
        return None
    part = max(len(loss) // 20, 1)
    return float(loss[:part].mean()), float(loss[-part:].mean())


@dataclass
class _Growing:
    """One quantity of one run, read as far as it had come."""

    norms: Norms = field(default_factory=Norms)
    names: tuple[str, ...] = ()
    file: int | None = None

    def read(self, run: Run, quantity: Quantity) -> None:
        """Go on reading; a table that was replaced is read anew."""
        table = "blocks" if quantity.statistic in ("backward_norm", "forward_rms") else "weights"
        try:
            file = (run.folder / f"{table}.rows").stat().st_ino
        except OSError:
            return
        if file != self.file:
            self.norms, self.file = Norms(), file
        found = run.series(quantity.statistic, quantity.by, start=self.norms.read)
        self.names = found.names
        if len(found.last):
            # A file from anywhere may hold not-a-numbers of the kind that computing complains of.
            with np.errstate(invalid="ignore"):
                values = found.largest.astype(float)
            # The last window may still grow.
            if len(values) > 1:
                self.norms.add(found.last[:-1], values[:-1])
            self.norms.open_step, self.norms.open_values = int(found.last[-1]), values[-1:]


class _One:
    """What is known of one of the runs."""

    def __init__(self, letter: str, run: Run):
        self.letter, self.run = letter, run
        self._reader = RunReader(run)
        self._growing: dict[Quantity, _Growing] = {}
        self._verdicts: tuple[Verdict, ...] = ()
        self._judged, self._judged_state = -np.inf, ""
        self._ended: Snapshot | None = None

    def measured(self) -> set[Quantity]:
        """Return what the run has numbers of."""
        return {each for each in QUANTITIES if self._is_measured(each)}

    def _is_measured(self, quantity: Quantity) -> bool:
        try:
            found = self.run.series(quantity.statistic, quantity.by, start=-PROFILE_ROWS)
        except (RunError, OSError, ValueError):
            return False
        return bool(np.isfinite(found.largest).any())

    def read(self, quantity: Quantity) -> Compared:
        """Return how the run stands; what has ended is not read again."""
        snapshot = self._ended or self._reader.read()
        if not (snapshot.is_live or snapshot.state == "queued"):
            self._ended = snapshot
        growing = self._growing.setdefault(quantity, _Growing())
        trouble = snapshot.trouble
        try:
            growing.read(self.run, quantity)
            self._judge(snapshot.state)
        except (RunError, OSError, ValueError) as error:
            trouble = str(error)
        return Compared(self.letter, snapshot, growing.names, *growing.norms.rows(), self._verdicts, trouble)

    def _judge(self, state: str) -> None:
        now = time.monotonic()
        if state == self._judged_state and (self._ended or now - self._judged < VERDICT_SECONDS):
            return
        self._judged, self._judged_state = now, state
        self._verdicts = judging.judged(self.run)


class CompareReader:
    """Reads runs that are compared; can be asked from any thread, one at a time.

    Args:
        runs: two to eight.

    Attributes:
        quantity: what profiles and maps are to show; None takes the first that all runs have measured.
    """

    def __init__(self, runs: Sequence[Run]):
        self.quantity: Quantity | None = None
        self._lock = threading.Lock()
        self._all = [_One(letter, run) for letter, run in zip(LETTERS, runs, strict=False)]
        self._available: tuple[Quantity, ...] = ()
        self._shared: tuple[Quantity, ...] = ()

    def read(self) -> Comparison:
        """Return how the runs stand."""
        with self._lock:
            if len(self._shared) < len(QUANTITIES):
                self._look()
            quantity = self.quantity or next(iter(self._shared or self._available), QUANTITIES[1])
            return Comparison(tuple(each.read(quantity) for each in self._all), quantity, self._available)

    def _look(self) -> None:
        """See what has been measured by now."""
        measured = [each.measured() for each in self._all]
        self._available = tuple(each for each in QUANTITIES if any(each in those for those in measured))
        self._shared = tuple(each for each in self._available if all(each in those for those in measured))
