"""One statistic of a growing run, kept small: its whole course for a map, its beginning and its last steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from reskeras.runs.extremes import extremes
from reskeras.runs.tables import Series
from reskeras.verdicts import Slope, slope_over_depth
from reskeras.verdicts.recorded import LEAST_STEPS, RECENT_STEPS

MOST_ROWS = 2000
"""Rows kept for a map; above it neighbours are joined, largest value first."""


@dataclass
class Norms:
    """Values of a growing run in at most `MOST_ROWS` rows: the largest of 1, 2, 4 ... windows each.

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

    def add(self, steps: np.ndarray, values: np.ndarray) -> None:
        """Append newly read rows: steps (T,), and values (T, names)."""
        self.read += len(steps)
        if self.values is None:
            self.values = self.rest_values = np.empty((0, values.shape[1]), values.dtype)
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


class Profile(NamedTuple):
    """A statistic over depth, now and when the run began.

    Attributes:
        names: of layers or blocks, shallow first.
        now: medians over the last `RECENT_STEPS` steps, (N,); NaN where there is no number.
        start: medians over the first `LEAST_STEPS` windows, (N,).
        slope, start_slope: how log10 of each changes over depth.
    """

    names: tuple[str, ...]
    now: np.ndarray
    start: np.ndarray
    slope: Slope
    start_slope: Slope


class Course:
    """One statistic of one group of a growing run: all of it in few rows, and what a profile is made of.

    The last window may still grow, and is taken up anew with every reading.
    """

    def __init__(self) -> None:
        self.norms = Norms()
        self.names: tuple[str, ...] = ()
        self._start: np.ndarray | None = None
        self._last, self._recent = np.empty(0, np.int64), np.empty((0, 0), np.float32)
        self._open: np.ndarray | None = None
        self._profile: Profile | None = None

    @property
    def read(self) -> int:
        """Rows of the table that need not be read again."""
        return self.norms.read

    def follow(self, found: Series, measured: np.ndarray) -> None:
        """Take up the rows from `read` on.

        Args:
            found: these rows.
            measured: whether anything was measured in each, (T,); others are passed over.
        """
        self.names = found.names
        if not len(found.last):
            return
        closed = np.flatnonzero(measured[:-1])
        if len(closed):
            self.norms.add(found.last[closed], found.largest[closed])
            self._keep(found.last[closed], found.median[closed])
        self.norms.read += len(measured) - 1 - len(closed)
        self.norms.open_step = self.norms.open_values = self._open = None
        if measured[-1]:
            self.norms.open_step, self.norms.open_values = int(found.last[-1]), found.largest[-1:]
            self._open = found.median[-1:]
        self._profile = None

    def _keep(self, last: np.ndarray, medians: np.ndarray) -> None:
        """Keep the medians of the beginning and of the last steps."""
        if self._start is None:
            self._start = self._recent = np.empty((0, len(self.names)), np.float32)
        lacking = max(LEAST_STEPS - len(self._start), 0)
        self._start = np.concatenate([self._start, medians[:lacking]])
        self._last = np.concatenate([self._last, last])
        since = int(np.searchsorted(self._last, self._last[-1] - RECENT_STEPS, side="right"))
        self._last, self._recent = self._last[since:], np.concatenate([self._recent, medians])[since:]

    def profile(self) -> Profile | None:
        """Return the statistic over depth; None before anything was measured."""
        if self._profile is None and (self._open is not None or len(self._last)):
            newest = self.norms.open_step if self._open is not None else self._last[-1]
            parts = [self._recent[self._last > newest - RECENT_STEPS]] if len(self._last) else []
            now = _middle(np.concatenate([*parts, *([] if self._open is None else [self._open])]))
            start = _middle(self._start if self._start is not None else self._open)
            self._profile = Profile(self.names, now, start, slope_over_depth(now), slope_over_depth(start))
        return self._profile


def _middle(values: np.ndarray) -> np.ndarray:
    """Return the median over windows of what is finite, (T, N) to (N,)."""
    return extremes(np.where(np.isfinite(values), values, np.nan))[1].astype(np.float64)
