"""Numbers to screen positions: ranges, ticks, and the reduction of long series to columns and rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..words import number

HUGE = 1e300
"""Finite values are clipped to this magnitude, so that a span of two of them is still finite."""

Range = tuple[float, float]


def log10_norms(norms: np.ndarray) -> np.ndarray:
    """The decimal logarithm of norms, silent about what has none.

    Zero becomes -inf; NaN, infinity and negative numbers become NaN, which is drawn as "not finite".
    """
    norms = np.asarray(norms)
    if norms.dtype not in (np.float32, np.float64):
        norms = norms.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(norms)
    logs[logs == np.inf] = np.nan
    return logs


# Ranges and ticks


def robust_range(values: np.ndarray) -> Range | None:
    """The 2nd to 98th percentile of the finite values, in whole half decades and at least one decade wide.

    Args:
        values: Decimal logarithms, any shape.

    Returns:
        (low, high) as logarithms, or None if nothing is finite.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low_value, high_value = np.percentile(finite, [2, 98])
    low, high = math.floor(low_value * 2) / 2, math.ceil(high_value * 2) / 2
    while high - low < 1:
        if low_value - low <= high - high_value:
            low -= 0.5
        else:
            high += 0.5
    return low, high


class SteadyRange:
    """A robust range that holds still for some seconds, so that colours keep their meaning.

    Args:
        hold: Seconds between two looks at the data.
        share: The part of the finite values, 0 to 1, that must leave the range to widen it at once.
        clock: A function that gives seconds; tests hand in their own.
    """

    def __init__(self, hold: float = 5.0, share: float = 0.1, clock: Callable[[], float] = time.monotonic) -> None:
        self.hold, self.share, self.clock = hold, share, clock
        self._range: Range | None = None
        self._since = 0.0

    def reset(self) -> None:
        """Forget the range; the next data set it anew."""
        self._range = None

    def update(self, values: np.ndarray) -> Range:
        """The range to draw these values (decimal logarithms) with; (-6, 0) if none was ever finite."""
        now = self.clock()
        if self._range is None or now - self._since >= self.hold:
            self._range, self._since = robust_range(values) or self._range, now
        elif self._share_outside(values, self._range) > self.share:
            low, high = robust_range(values) or self._range
            self._range, self._since = (min(low, self._range[0]), max(high, self._range[1])), now
        return self._range or (-6.0, 0.0)

    @staticmethod
    def _share_outside(values: np.ndarray, within: Range) -> float:
        finite = np.count_nonzero(np.isfinite(values))
        outside = np.count_nonzero((values > within[1]) & np.isfinite(values))
        outside += np.count_nonzero((values < within[0]) & np.isfinite(values))
        return outside / max(finite, 1)


def decade_label(log_value: float) -> str:
    """A power of ten in the short form "1e-6"; half decades read "3e-6"."""
    exponent = math.floor(log_value + 1e-9)
    mantissa = min(round(10 ** (log_value - exponent)), 9)
    return f"{mantissa}e{exponent:+d}"


def nice_step(span: float, steps: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that covers `span` in at most `steps` steps."""
    rough = span / max(steps, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    return next((power * factor for factor in (1, 2, 5) if power * factor >= rough * (1 - 1e-9)), power * 10)


def nice_range(low: float, high: float, steps: int) -> tuple[float, float, float]:
    """Widen a range to whole steps.

    Returns:
        (low, high, step) with low and high multiples of a step of 1, 2 or 5 times a power of ten, so that a
        range that grows a little mostly stays the same.
    """
    low, high = max(low, -HUGE), min(high, HUGE)
    if low == high == 0:
        low, high = -0.5, 0.5
    # A span below the resolution of its labels, or of the float type, has no ticks.
    least = max(abs(low), abs(high), 1e-280) * 1e-9
    if high - low < least:
        margin = max(abs(low) * 0.1 if low == high else 0, least)
        low, high = low - margin, high + margin
    step = nice_step(high - low, steps)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def linear_ticks(low: float, high: float, step: float) -> list[tuple[float, str]]:
    """(value, label) at each multiple of `step` inside a range, all labels with the same decimals."""
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    largest = max(abs(low), abs(high))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    plain = largest < 1e6 and decimals <= 5
    values = [multiple * step for multiple in range(first, min(last, first + 1000) + 1)]
    if plain:
        return [(value, f"{value:,.{decimals}f}") for value in values]
    for digits in range(2, 12):
        labels = [number(value, digits) for value in values]
        if len(set(labels)) == len(values):
            break
    return list(zip(values, labels, strict=True))


def even_ticks(low: float, high: float, steps: int) -> list[tuple[float, str]]:
    """Linear ticks in at most `steps` steps, or in as few more as it takes to have two labels."""
    for more in range(4):
        ticks = linear_ticks(low, high, nice_step(high - low, steps + more))
        if len(ticks) > 1:
            break
    return ticks


def log_range(low: float, high: float) -> Range:
    """Widen a range of decimal logarithms to 1, 2 or 5 times a power of ten at both ends."""
    marks = [mark for mark, _ in _log_marks(math.floor(low) - 1, math.ceil(high) + 1)]
    below = max(mark for mark in marks if mark <= low + 1e-9)
    above = min(mark for mark in marks if mark >= high - 1e-9)
    if above - below < 1e-6:
        below = max(mark for mark in marks if mark < low - 1e-6)
        above = min(mark for mark in marks if mark > high + 1e-6)
    return below, above


def log_ticks(low: float, high: float, steps: int) -> list[tuple[float, str]]:
    """(logarithm, label) of ticks inside a range of decimal logarithms: 1, 2, 5 or decades, what fits."""
    inside = [
        (mark, label)
        for mark, label in _log_marks(math.floor(low), math.ceil(high))
        if low - 1e-9 <= mark <= high + 1e-9
    ]
    if len(inside) <= steps + 1:
        return inside
    decades = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    stride = max(1, math.ceil(len(decades) / (steps + 1)))
    ticks = [(float(power), _log_label(power, 1)) for power in decades if power % stride == 0]
    return ticks or inside[:: max(1, len(inside) - 1)]


def _log_marks(low_power: int, high_power: int) -> list[tuple[float, str]]:
    return [
        (power + math.log10(factor), _log_label(power, factor))
        for power in range(low_power, high_power + 1)
        for factor in (1, 2, 5)
    ]


def _log_label(power: int, factor: int) -> str:
    return f"{factor * 10.0**power:g}" if -4 < power < 4 else f"{factor}e{power:+d}"


# Long series to pixel columns


@dataclass(frozen=True)
class ColumnExtents:
    """What is left of a series in each pixel column that holds a finite value; every array has that length.

    Attributes:
        column: Pixel columns, rising.
        first, lowest, highest, last: Values in the column.
        joined: True if no gap lies between this column's first value and the previous one's last.
    """

    column: np.ndarray
    first: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray
    last: np.ndarray
    joined: np.ndarray


def to_columns(x: np.ndarray, x_range: Range, columns: int) -> np.ndarray:
    """The pixel column, 0 to `columns - 1`, of each x; the range is cut into columns of equal width."""
    low, high = x_range
    position = (x - low) / (high - low) * columns
    return np.clip(position, 0, columns - 1).astype(np.intp)


def to_rows(values: np.ndarray, y_range: Range, rows: int) -> np.ndarray:
    """The pixel row of each value as a float, 0 at the top; values outside the range lie on its edge."""
    low, high = y_range
    return (rows - 1) * (1 - np.clip((values - low) / (high - low), 0, 1))


def reduce_to_columns(x: np.ndarray, y: np.ndarray, x_range: Range, columns: int) -> ColumnExtents:
    """Keep the first, lowest, highest and last value of each pixel column, so that no spike is lost.

    Args:
        x: Positions, rising, shape (T,).
        y: Values, shape (T,); NaN and infinity are gaps.
        x_range: The x of the left and right edge.
        columns: Number of pixel columns.
    """
    finite = np.isfinite(x) & np.isfinite(y)
    gaps_before = np.cumsum(~finite)[finite]
    column, values = to_columns(x[finite], x_range, columns), y[finite]
    starts = np.flatnonzero(np.r_[True, np.diff(column) != 0])[: values.size]
    ends = np.r_[starts[1:], values.size][: starts.size] - 1
    joined = np.zeros(starts.size, bool)
    joined[1:] = gaps_before[starts[1:]] == gaps_before[ends[:-1]]
    if not values.size:
        return ColumnExtents(column, values, values, values, values, joined)
    return ColumnExtents(
        column[starts],
        values[starts],
        np.minimum.reduceat(values, starts),
        np.maximum.reduceat(values, starts),
        values[ends],
        joined,
    )


# A (time, row) matrix to columns and rows of the screen


def representative(low: np.ndarray, high: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """The extreme that lies farther from the mean, so that a spike and a collapse both stay visible.

    The mean stands in for the median because it can be merged from parts; at equal distance the higher wins.
    """
    return np.where(mean - low > high - mean + 1e-6, low, high)


class TimeBins:
    """A growing (T, rows) series of logarithms, kept as at most `capacity` bins of 1, 2, 4 ... steps each.

    Lowest, highest, sum and number of the finite values of a bin can be merged in pairs, so a series costs
    the same to draw at any length.

    Args:
        rows: Values in a step.
        capacity: Bins to keep; more than the columns of a wide screen.
    """

    def __init__(self, rows: int, capacity: int = 1024) -> None:
        self.rows, self.capacity = rows, capacity
        self.steps_per_bin, self.length = 1, 0
        self._low = np.empty((capacity, rows))
        self._high = np.empty((capacity, rows))
        self._total = np.empty((capacity, rows))
        self._count = np.empty((capacity, rows))
        self._broken = np.empty((capacity, rows), bool)

    @property
    def bins(self) -> int:
        """Bins in use; the last one may be incomplete."""
        return -(-self.length // self.steps_per_bin)

    def update(self, values: np.ndarray, trusted: int = 0) -> None:
        """Take in a series.

        Args:
            values: Linear norms since the first step, shape (T, rows).
            trusted: So many leading steps are as they were in the last call and are not read again.
        """
        trusted = min(trusted, self.length, len(values))
        self.length = len(values)
        if not trusted:
            self.steps_per_bin = 1
        while self.length > self.steps_per_bin * self.capacity:
            self._merge_pairs(trusted // self.steps_per_bin)
        size = self.steps_per_bin
        bins_at_once = max(1, 8192 // size)
        for first in range(trusted // size, self.bins, bins_at_once):
            last = min(first + bins_at_once, self.bins)
            self._fill(first, last, log10_norms(values[first * size : last * size]))

    def shown(self, columns: int) -> tuple[np.ndarray, int]:
        """The series for a screen of so many columns.

        Returns:
            The values of each bin, shape (bins, rows): NaN if any value was not finite, -inf if all were
            zero, else the `representative`; and the number of steps each stands for. A zero beside other
            values is left out: a layer that is skipped now and then would otherwise hide its other steps.
        """
        merged = 1
        while -(-self.bins // merged) > max(columns, 1):
            merged *= 2
        low, high, total, count, broken = (
            self._merged(array, merged, operation)
            for array, operation in (
                (self._low, np.minimum),
                (self._high, np.maximum),
                (self._total, np.add),
                (self._count, np.add),
                (self._broken, np.logical_or),
            )
        )
        with np.errstate(invalid="ignore"):
            values = representative(low, high, total / np.maximum(count, 1))
        values[count == 0] = -np.inf
        values[broken] = np.nan
        return values, self.steps_per_bin * merged

    def _merged(self, array: np.ndarray, merged: int, operation: np.ufunc) -> np.ndarray:
        used = array[: self.bins]
        if merged == 1:
            return used.copy()
        return operation.reduceat(used, np.arange(0, self.bins, merged), axis=0)

    def _merge_pairs(self, complete: int) -> None:
        pairs = complete // 2
        for array, operation in (
            (self._low, np.minimum),
            (self._high, np.maximum),
            (self._total, np.add),
            (self._count, np.add),
            (self._broken, np.logical_or),
        ):
            array[:pairs] = operation(array[: 2 * pairs : 2], array[1 : 2 * pairs : 2])
        self.steps_per_bin *= 2

    def _fill(self, first: int, last: int, logs: np.ndarray) -> None:
        starts = np.arange(0, len(logs), self.steps_per_bin)
        finite = np.isfinite(logs)
        bins = slice(first, last)
        self._low[bins] = np.minimum.reduceat(np.where(finite, logs, np.inf), starts, axis=0)
        self._high[bins] = np.maximum.reduceat(np.where(finite, logs, -np.inf), starts, axis=0)
        self._total[bins] = np.add.reduceat(np.where(finite, logs, 0), starts, axis=0, dtype=np.float64)
        self._count[bins] = np.add.reduceat(finite, starts, axis=0, dtype=np.float64)
        self._broken[bins] = np.logical_or.reduceat(np.isnan(logs), starts, axis=0)


def group_rows(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Join neighbouring rows by their maximum; a row that is not finite marks its whole group.

    Args:
        values: Shape (bins, rows).
        starts: The first row of each group, rising from 0.
    """
    return values if len(starts) == values.shape[1] else np.maximum.reduceat(values, starts, axis=1)
