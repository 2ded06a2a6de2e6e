"""What charts are made of: a statistic of a whole training in few columns, and over depth as it is now."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reskeras.runs import Run
from reskeras.runs.statistics import ALL, table_of
from reskeras.verdicts.recorded import RECENT_STEPS, middle

MOST_COLUMNS = 700
"""Columns of a map; of more steps, neighbours are joined, largest value first."""

_VALUES = 2**22


class Course(NamedTuple):
    """A statistic over a training: the names, shallow first, the last step of each column, (T,), and its largest
    values, (T, names)."""

    title: str
    by: str
    names: tuple[str, ...]
    steps: np.ndarray
    values: np.ndarray


def course(run: Run, statistic: str, by: str) -> Course | None:
    """Return a statistic of a run over its training; None where it was not measured.

    Raises:
        RunError: where a table is damaged.
    """
    table = run.table(table_of(statistic))
    if table is None or statistic not in table.header.statistics or by not in table.header.groups or not table.count:
        return None
    names = table.header.groups[by]
    # Read piece by piece, in whole columns: what a long training of a deep network measured fits into no memory.
    joined = -(-table.count // MOST_COLUMNS)
    step = max(_VALUES // max(len(names), 1) // joined, 1) * joined
    steps, values = [], []
    for start in range(0, table.count, step):
        piece = table.series(statistic, by, start, min(start + step, table.count))
        places = np.arange(0, len(piece.last), joined)
        steps.append(piece.last[np.minimum(places + joined, len(piece.last)) - 1])
        values.append(np.fmax.reduceat(piece.largest, places, axis=0))
    found = Course(ALL[statistic].title, by, names, np.concatenate(steps), np.concatenate(values))
    return found if np.isfinite(found.values).any() else None


def depth_course(run: Run) -> Course | None:
    """Return what says most of how gradients change over depth: dE/dx of blocks where it was measured, else the
    gradient norm of each block."""
    return course(run, "backward_norm", "block") or course(run, "gradient_norm", "block")


def profile(found: Course) -> np.ndarray:
    """Return a statistic over depth: the median over the columns of the last steps, (names,)."""
    return middle(found.values[found.steps > found.steps[-1] - RECENT_STEPS])
