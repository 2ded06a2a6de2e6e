"""What is kept of the steps of a window: the least, the median and the largest value."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

SHORT = 16
"""So few rows are sorted by comparing whole rows, which takes a fraction of what NumPy takes to sort every column."""


def extremes(values: np.ndarray) -> np.ndarray:
    """Return least, median and largest of the first axis: (3, ...).

    Least and median are of the numbers alone; the largest is not a number where any value is none.
    """
    if len(values) == 1:
        return np.broadcast_to(values, (3, *values.shape[1:]))
    gaps = np.isnan(values)
    numbers = len(values) - gaps.sum(axis=0)
    # What is not a number comes last.
    found = np.where(gaps, np.inf, values)
    found = np.sort(found, axis=0) if len(found) > SHORT else _sorted(found)
    if ((numbers == 0) | (numbers == len(values))).all():
        low, high = found[(len(found) - 1) // 2], found[len(found) // 2]
    else:
        places = np.maximum(numbers - 1, 0) // 2, numbers // 2
        low, high = (np.take_along_axis(found, each[None], axis=0)[0] for each in places)
    with np.errstate(invalid="ignore", over="ignore"):
        middle = np.where(low == high, low, low / 2 + high / 2)
    ends = np.where(numbers > 0, np.stack([found[0], middle]), np.nan)
    return np.concatenate([ends, np.where(numbers == len(values), found[-1], np.nan)[None]])


def _sorted(rows: np.ndarray) -> np.ndarray:
    """Return rows with each column sorted, by Batcher's odd-even merges (1968); they are written over."""
    room = np.empty_like(rows[0])
    for low, high in _comparisons(len(rows)):
        np.minimum(rows[low], rows[high], out=room)
        np.maximum(rows[low], rows[high], out=rows[high])
        rows[low] = room
    return rows


@lru_cache(maxsize=SHORT)
def _comparisons(count: int) -> tuple[tuple[int, int], ...]:
    """Return which of so many rows are compared, one pair after another, so that they are in order at the end."""
    found, merged = [], 1
    while merged < count:
        apart = merged
        while apart:
            starts = range(apart % merged, count - apart, 2 * apart)
            pairs = [(start + each, start + each + apart) for start in starts for each in range(apart)]
            found += [(a, b) for a, b in pairs if b < count and a // (2 * merged) == b // (2 * merged)]
            apart //= 2
        merged *= 2
    return tuple(found)
