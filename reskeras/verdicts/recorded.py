"""Parts of recorded series: what was measured lately, of which weights, and at which step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reskeras.runs.tables import Series

LEAST_STEPS = 10
"""Fewer measured steps say nothing: one batch differs from the next, and the first update of Adam from all others."""

RECENT_STEPS = 100
"""What is said of now is a median over so many last steps: longer than any spike, shorter than most epochs."""


def measured(series: Series) -> Series:
    """Return the windows in which something was measured; at a lower level of telemetry, all is NaN."""
    return windows(series, ~np.isnan(series.median).all(1)) if series.median.size else windows(series, slice(0, 0))


def recent(series: Series) -> Series | None:
    """Return the measured windows of the last `RECENT_STEPS` steps; None where fewer than `LEAST_STEPS` were."""
    known = measured(series)
    if lengths(known).sum() < LEAST_STEPS:
        return None
    return windows(known, known.last > known.last[-1] - RECENT_STEPS)


def windows(series: Series, chosen: np.ndarray | slice) -> Series:
    """Return some windows of a series; all of them are the series itself, which may be hundreds of megabytes."""
    if not isinstance(chosen, slice) and chosen.dtype == bool and chosen.all():
        return series
    return Series(series.names, *(each[chosen] for each in series[1:]))


def columns(series: Series, chosen: Sequence[int] | np.ndarray) -> Series:
    """Return the series of some names, by their places."""
    if not series.names:
        return series
    chosen = np.asarray(chosen, int)
    names = tuple(series.names[place] for place in chosen)
    return Series(names, series.first, series.last, *(each[:, chosen] for each in series[3:]))


def scaled(series: Series, factors: np.ndarray) -> Series:
    """Return a series multiplied name by name: positive factors, (N,)."""
    if not series.names:
        return series
    return Series(*series[:3], *(each * factors for each in series[3:]))


def lengths(series: Series) -> np.ndarray:
    """Return how many steps each window spans, (T,)."""
    return series.last - series.first + 1


def middle(values: np.ndarray) -> np.ndarray:
    """Return the median over windows of what is finite, (T, N) to (N,); NaN where nothing is."""
    values = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    found = np.full(values.shape[1], np.nan)
    known = np.isfinite(values).any(0)
    found[known] = np.nanmedian(values[:, known], axis=0)
    return found


def at(series: Series | None, step: int) -> Series | None:
    """Return the window with a step, as a series of one window; None where there is none."""
    if series is None:
        return None
    found = np.flatnonzero((series.first <= step) & (step <= series.last))
    return windows(series, found[:1]) if len(found) else None
