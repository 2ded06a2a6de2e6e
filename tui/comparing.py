"""Reads several runs to be compared, on scales that all of them share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from reskeras.runs import Run, RunError, RunSettings, ScriptSettings
from reskeras.verdicts import Slope, Verdict

from .courses import View
from .follow import RunReader, Snapshot
from .plots.scale import Range, log10_norms, robust_range
from .replaying import cut

LETTERS = "ABCDEFGH"
"""What each run is called on plots; so many runs can be compared at most."""

LAST_ROWS = 20
"""What has no number in so many last windows counts as not measured."""


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
        snapshot: what its folder holds, with the quantity that is compared.
    """

    letter: str
    snapshot: Snapshot

    @property
    def names(self) -> tuple[str, ...]:
        """Of what the quantity was measured, shallow first."""
        return self.snapshot.profile.names if self.snapshot.profile else ()

    @property
    def steps(self) -> np.ndarray:
        """Steps at which the quantity was measured, (T,)."""
        return self.snapshot.steps

    @property
    def values(self) -> np.ndarray:
        """The quantity, (T, names)."""
        return self.snapshot.columns

    @property
    def profile(self) -> np.ndarray:
        """The quantity over depth as it is now, shallow first, (N,); NaN where nothing finite was measured."""
        return self.snapshot.profile.now if self.snapshot.profile else np.empty(0)

    @property
    def slope(self) -> Slope:
        """How the profile changes over depth."""
        return self.snapshot.profile.slope if self.snapshot.profile else Slope(np.nan, np.nan)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What its numbers say, worst first."""
        return self.snapshot.verdicts or ()

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
        return replace(self, snapshot=cut(self.snapshot, step))


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


class _One:
    """One of the runs."""

    def __init__(self, letter: str, run: Run):
        self.letter, self.run = letter, run
        self._reader = RunReader(run)
        self._ended: dict[Quantity, Snapshot] = {}

    def measured(self) -> set[Quantity]:
        """Return what the run has numbers of."""
        return {each for each in QUANTITIES if self._is_measured(each)}

    def _is_measured(self, quantity: Quantity) -> bool:
        try:
            found = self.run.series(quantity.statistic, quantity.by, start=-LAST_ROWS)
        except (RunError, OSError, ValueError):
            return False
        return bool(np.isfinite(found.largest).any())

    def read(self, quantity: Quantity) -> Compared:
        """Return how the run stands; what has ended is not read again."""
        snapshot = self._ended.get(quantity)
        if snapshot is None:
            self._reader.view = View(quantity.statistic, quantity.by)
            snapshot = self._reader.read()
            snapshot = self._reader.judge(snapshot) or snapshot
            if not (snapshot.is_live or snapshot.state == "queued"):
                self._ended[quantity] = snapshot
        return Compared(self.letter, snapshot)


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
