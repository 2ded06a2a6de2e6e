"""The tables of a run, one statistic of one kind of thing at a time, for whoever writes them in another form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from reskeras.runs.folder import TABLES, Run, RunError
from reskeras.runs.tables import Series, Table
from reskeras.suggestions import suggest

KINDS = ("least", "median", "largest")
"""What a window keeps of its steps."""

BY = ("layer", "weight", "block")
"""Of what there is a column."""

Progress = Callable[[float], None]
"""Told now and then which share is done, from 0 to 1."""

_BYTES = 2**24


@dataclass(frozen=True)
class Sheet:
    """A statistic of the members of a group, as the run stood when it was looked up.

    Attributes:
        table: that holds it.
        statistic: its name.
        group: such as `"layer"`.
    """

    table: Table
    statistic: str
    group: str

    def pieces(self) -> Iterator[Series]:
        """Yield the windows, first ones first, a few megabytes at a time."""
        rows = self.table.count
        for start, stop in spans(self.table):
            yield self.table.series(self.statistic, self.group, start, min(stop, rows))

    def is_measured(self) -> bool:
        """Return whether there is any number."""
        return any(not np.isnan(piece.least).all() for piece in self.pieces())


def spans(table: Table) -> list[tuple[int, int]]:
    """Return the rows to read at a time, each as start and stop."""
    length = max(_BYTES // table.header.row.itemsize, 1)
    return [(start, start + length) for start in range(0, table.count, length)]


def sheets(run: Run, by: str) -> list[Sheet]:
    """Return everything that was measured, of each `by`, of all together and of the training.

    Raises:
        RunError: where nothing was measured yet, a table is damaged, or `by` is none of `BY`.
    """
    if by not in BY:
        raise RunError(f"Columns are for each of {', '.join(BY)}; received {by!r}.{suggest(by, list(BY))}")
    found = []
    for table in filter(None, map(run.table, TABLES)):
        groups = [by] if by in table.header.groups else [each for each in table.header.groups if each in BY]
        groups += [each for each in table.header.groups if each == "run"]
        found += [Sheet(table, statistic, group) for statistic in table.header.statistics for group in groups]
    found = [sheet for sheet in found if sheet.is_measured()]
    if not found:
        raise RunError(f"Nothing has been measured in {run.folder} yet.")
    return found


class Meter:
    """Tells how much is done.

    Args:
        progress: whom to tell, if anybody.
        total: how much there is to do.
    """

    def __init__(self, progress: Progress | None, total: int):
        self._progress, self._total, self._done = progress, total, 0

    def add(self, amount: int) -> None:
        """Tell that so much more is done."""
        self._done += amount
        if self._progress:
            self._progress(self._done / self._total)
