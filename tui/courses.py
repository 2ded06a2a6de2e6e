"""What was measured of layers and blocks, as the map, the profile and the table show it, read as it is asked for."""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reskeras.runs import Run
from reskeras.runs.statistics import ALL, table_of
from reskeras.runs.tables import Header, Series, Table

from . import rows
from .kept import Course, Profile
from .rows import Row

QUANTITIES = ("gradient_norm", "backward_norm", "update_ratio", "forward_rms", "branch_ratio", "weight_norm")
"""What can be looked at, in the order in which a key goes through it."""


SHEET_SECONDS = 1.0
"""Between two readings of the last values of all quantities."""


@dataclass(frozen=True)
class View:
    """What is looked at.

    Attributes:
        quantity: one of `QUANTITIES`.
        by: what a row is: `"layer"`, `"block"`, or `"auto"`, which takes blocks where layers are very many.
        opened: names of the rows that are open.
        sheet: whether the last values of all quantities are wanted too.
    """

    quantity: str = QUANTITIES[0]
    by: str = "auto"
    opened: frozenset[str] = frozenset()
    sheet: bool = False


class Shown(NamedTuple):
    """What there is of a view: what its rows are, the rows, steps (T,) and values (T, rows), the profile, the values of
    all layers or blocks that it is of, (T, N), and of each quantity that was measured the last value of each row,
    (rows,), where these are wanted."""

    by: str
    rows: tuple[Row, ...] = ()
    steps: np.ndarray = np.empty(0, np.int64)
    values: np.ndarray = np.empty((0, 0))
    profile: Profile | None = None
    columns: np.ndarray = np.empty((0, 0))
    sheet: dict[str, np.ndarray] | None = None


class Rates(NamedTuple):
    """Learning rates: of the step that each is of, and before it of those back to the one before."""

    step: np.ndarray = np.empty(0, np.int64)
    rate: np.ndarray = np.empty(0)


class Courses:
    """The tables of a run, of which each reading reads what has been added.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._courses: dict[tuple[str, str], Course] = {}
        self._seen: dict[tuple[str, str], tuple] = {}
        self._made: tuple[Header, str, frozenset[str], tuple[Row, ...]] | None = None
        self._sheet_lines: tuple[Row, ...] = ()
        self._sheet_values: dict[str, np.ndarray] = {}
        self._sheet_until = 0.0
        self._members: tuple[Header | None, dict[str, list[tuple[str, int]]]] = None, {}

    def read(self, view: View) -> Shown:
        """Return what there is of a view now.

        Raises:
            RunError: where a table is damaged.
        """
        name = table_of(view.quantity)
        table = self._run.table(name)
        groups = table.header.groups if table else {}
        by = _by(view, name, groups)
        if by not in groups:
            return Shown(by)
        lines = self._lines(view, by, table)
        units = list(dict.fromkeys([by, *(row.unit for row in lines)]))
        self._update(view.quantity, units, table, name)
        courses = {unit: self._courses[view.quantity, unit] for unit in units}
        kept = {unit: course.norms.rows() for unit, course in courses.items()}
        steps = kept[by][0]
        if not len(steps):
            return Shown(by, lines)
        values = {unit: found[1] for unit, found in kept.items()}
        # Rows of layers are the columns as they are, which may be a thousand.
        joined = values[by] if by == "layer" else rows.values_of(lines, values)
        sheet = self._sheet(lines) if view.sheet else None
        return Shown(by, lines, steps, joined, courses[by].profile(), values[by], sheet)

    def rates(self) -> Rates:
        """Return the learning rates so far.

        Raises:
            RunError: where the table is damaged.
        """
        table = self._run.table("run")
        if table is None or "learning_rate" not in table.header.statistics or "run" not in table.header.groups:
            return Rates()
        self._update("learning_rate", ["run"], table, "run")
        steps, values = self._courses["learning_rate", "run"].norms.rows()
        return Rates(steps, values[:, 0]) if len(steps) else Rates()

    def _lines(self, view: View, by: str, table: Table) -> tuple[Row, ...]:
        # A thousand rows take a while to make; the header is the same object as long as it is the same file.
        key = table.header, by, view.opened
        if self._made is None or self._made[0] is not key[0] or self._made[1:3] != key[1:]:
            groups = table.header.groups
            if by == "layer":
                lines = rows.of_layers(groups["layer"])
            else:
                # Of thousands of layers it takes a while to say which block each is of; groups of blocks need it not.
                lines = rows.of_blocks(groups["block"], lambda block: self._layers(table, block), view.opened)
            self._made = *key, lines
        return self._made[3]

    def _layers(self, table: Table, block: str) -> list[tuple[str, int]]:
        """Return the layers of a block with their columns; of a table of blocks alone, none."""
        if "layer" not in table.header.groups:
            return []
        if self._members[0] is not table.header:
            columns = {layer: place for place, layer in enumerate(table.header.groups["layer"])}
            found: dict[str, dict[str, int]] = {}
            for weight in self._run.weights():
                if weight.layer in columns:
                    found.setdefault(weight.block, {})[weight.layer] = columns[weight.layer]
            self._members = table.header, {block: list(layers.items()) for block, layers in found.items()}
        return self._members[1].get(block, [])

    def _update(self, quantity: str, units: list[str], table: Table, name: str) -> None:
        """Take up what is new, of all units up to the same row."""
        version = _version(self._run.folder / f"{name}.rows")
        keys = [(quantity, unit) for unit in units]
        if all(self._seen.get(key) == (version, True) for key in keys):
            return
        stop = table.count
        for key in keys:
            known = self._seen.get(key)
            if key not in self._courses or (known and known[0] and version and known[0][0] != version[0]):
                # Another file: a run that goes on has been cut back to where it does.
                self._courses[key] = Course()
            course = self._courses[key]
            found = self._run.series(*key, start=course.read, stop=stop)
            # A file from anywhere may hold not-a-numbers of the kind that computing complains of.
            with np.errstate(invalid="ignore"):
                course.follow(found, self._measured(found, name, course.read, stop))
            # Read once more where nothing has changed: two writes may bear the same time, and this be between them.
            self._seen[key] = version, known is not None and known[0] == version

    def _measured(self, found: Series, name: str, start: int, stop: int) -> np.ndarray:
        """Return whether blocks were probed at each row, (T,): where they are not, there are rows all the same."""
        if name != "blocks" or not len(found.last):
            return np.ones(len(found.last), bool)
        # Outputs that are not finite leave no number but this.
        others = self._run.series("dead_share", "block", start=start, stop=stop)
        measured = ~np.isnan(found.median).all(1)
        if len(others.last) == len(measured):
            measured |= ~np.isnan(others.median).all(1)
        return measured

    def _sheet(self, lines: tuple[Row, ...]) -> dict[str, np.ndarray]:
        """Return the last values of all quantities that were measured, read once in a while."""
        if lines == self._sheet_lines and time.monotonic() < self._sheet_until:
            return self._sheet_values
        found = values_at(self._run, lines)
        self._sheet_lines, self._sheet_values, self._sheet_until = lines, found, time.monotonic() + SHEET_SECONDS
        return found


def values_at(run: Run, lines: tuple[Row, ...], step: int | None = None) -> dict[str, np.ndarray]:
    """Return what was measured of rows in one window: quantity -> the value of each row, (rows,).

    Args:
        run: the run.
        lines: the rows.
        step: the last window that had ended by then is read, None reads the newest.

    Raises:
        RunError: where a table is damaged.
    """
    found, places = {}, {}
    for quantity in QUANTITIES:
        name = table_of(quantity)
        if name not in places:
            places[name] = -1 if step is None else _row_at(run, name, step)
        row = places[name]
        if row is None:
            continue
        last: dict[str, dict[str, float]] = {}
        for unit in {line.unit for line in lines}:
            series = run.series(quantity, unit, start=row, stop=row + 1 or None)
            last[unit] = dict(zip(series.names, series.median[-1].tolist(), strict=True)) if len(series.last) else {}
        if any(np.isfinite(value) for values in last.values() for value in values.values()):
            found[quantity] = np.array([_largest(line, last) for line in lines])
    return found


def _row_at(run: Run, name: str, step: int) -> int | None:
    """Return the last row of a table whose window had ended by a step; None where there is none."""
    table = run.table(name)
    if table is None or not table.header.statistics or not table.header.groups:
        return None
    statistic, by = table.header.statistics[0], next(iter(table.header.groups))

    def end(row: int) -> float:
        # A file may have been cut back meanwhile.
        return next(iter(table.series(statistic, by, row, row + 1).last), np.inf)

    after = bisect_right(range(table.count), step, key=end)
    return after - 1 if after else None


def _largest(line: Row, last: dict[str, dict[str, float]]) -> float:
    """Return the largest of the values of a row's members, by their names."""
    values = last[line.unit]
    if line.kind != "group":
        return values.get(line.name, np.nan)
    names = list(values)[line.first : line.last]
    return max((values[name] for name in names), default=np.nan)


def _by(view: View, table: str, groups: dict[str, tuple[str, ...]]) -> str:
    if table == "blocks":
        return "block"
    if view.by != "auto":
        return view.by
    many = len(groups.get("layer", ())) > rows.MOST_LAYERS and "block" in groups
    return "block" if many else "layer"


def title(quantity: str) -> str:
    """Return what a quantity is called on a screen."""
    return ALL[quantity].title


def _version(path: Path) -> tuple[int, int, int] | None:
    """Return which file it is, and what a write to it changes: its size, and its time, for an open window is written in
    place."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns
