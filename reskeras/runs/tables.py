"""Tables of statistics over a training: a row for a window of steps, a column for a weight, a layer or a block.

FORMAT.md, beside this file, has the layout.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reskeras.files import cut, read_at, read_json, size_of, write_whole
from reskeras.runs.errors import RunError
from reskeras.runs.extremes import extremes

FORMAT = 2
"""Version of the layout; a reader refuses a table of another version."""

MOST_ROWS, LEAST_ROWS, ROW_BYTES = 4096, 128, 2**24
"""Windows of one length: as many as take `ROW_BYTES`, within the two bounds."""

AT_ONCE, NEW_SHARE = 2**18, 4
"""An open window of more than so many numbers is written anew once a quarter of its steps is new: each time all of its
steps are sorted, and it is not to take the longer the longer a run lasts."""

MOST_HEADER, MOST_ROW, MOST_BYTES = 2**25, 2**25, 2**34
"""Bytes of a header, of a row, and of all rows: several times what ten thousand layers take."""

PIECE_BYTES, MOST_VALUES = 2**24, 2**31
"""Bytes of rows read at a time, and of the numbers of one series."""


class TableError(RunError):
    """A table cannot be read, or not be gone on with."""


@dataclass(frozen=True)
class Header:
    """What the rows of a table hold.

    Attributes:
        statistics: names of what is measured.
        groups: what can be looked at, such as `"weight"` or `"block"` -> the names, shallow first.
        columns: for each group, the column of each name; a layer of one weight shares that weight's column.
        window_rows: so many windows of one step come first, then as many of two, of four, and so on.
        facts: anything else that the table's writer knows about its columns.
    """

    statistics: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    columns: dict[str, tuple[int, ...]]
    window_rows: int
    facts: dict[str, Any]

    @cached_property
    def width(self) -> int:
        """How many columns there are."""
        return 1 + max((column for each in self.columns.values() for column in each), default=-1)

    @cached_property
    def row(self) -> np.dtype:
        """A row: first and last step of the window; least, median and largest value; the last step once more."""
        shape = (3, len(self.statistics), self.width)
        return np.dtype([("first", "<u4"), ("last", "<u4"), ("values", "<f4", shape), ("check", "<u4")])

    def window(self, row: int) -> int:
        """Return how many steps the window of a row spans at most."""
        return 2 ** (row // self.window_rows)

    def rows_after(self, steps: int) -> int:
        """Return how many rows there are after so many steps: the size of the file over that of a row."""
        rows, length = 0, 1
        while steps > length * self.window_rows:
            rows, steps, length = rows + self.window_rows, steps - length * self.window_rows, 2 * length
        return rows + -(-steps // length)


def header(statistics, groups, columns, **facts) -> Header:
    """Return the header of a new table, its windows as long as its rows are wide."""
    made = Header(tuple(statistics), groups, columns, MOST_ROWS, facts)
    rows = min(max(ROW_BYTES // made.row.itemsize, LEAST_ROWS), MOST_ROWS)
    return Header(made.statistics, groups, columns, rows, facts)


class TableWriter:
    """Writes a table step by step: the window that is open is on the disk too, and is written anew as it grows, a long
    and wide one now and then.

    Where the table is there already it goes on, in a new window.

    Args:
        path: the table without its endings `.json` and `.rows`.
        header: what its rows hold.

    Raises:
        OSError: where it cannot be written.
        TableError: where a table of other statistics or columns is there.
    """

    def __init__(self, path: Path, header: Header):
        self.header, self._row = header, header.row
        text = json.dumps({"format": FORMAT, **asdict(header)}) + "\n"
        head, rows = _files(path)
        if not head.exists():
            write_whole(head, text)
        elif head.read_text() != text:
            raise TableError(f"{head} holds other statistics or columns than what is to be written to it.")
        self._descriptor = os.open(rows, os.O_CREAT | os.O_RDWR, 0o644)
        self._place = os.fstat(self._descriptor).st_size // self._row.itemsize
        self._steps: list[np.ndarray] = []
        self._values: list[np.ndarray] = []
        self._on_disk, self._has_failed = 0, False

    def add(self, steps: np.ndarray, values: np.ndarray) -> None:
        """Append steps.

        Args:
            steps: (T,), each larger than the one before.
            values: (T, statistics, columns); what was not measured is NaN.

        Raises:
            OSError: where the disk takes less than everything.
        """
        ready, start, place = [], 0, self._place
        while start < len(steps):
            length = self.header.window(place)
            if length == 1:
                end = min(start + self.header.window_rows - place, len(steps))
                ready.append(self._rows(steps[start:end], steps[start:end], values[start:end, None]))
                start, place = end, place + end - start
                continue
            end = min(start + length - len(self._steps), len(steps))
            self._steps.extend(steps[start:end])
            self._values.extend(values[start:end])
            start = end
            if len(self._steps) == length:
                ready.append(self._window())
                place, self._steps, self._values, self._on_disk = place + 1, [], [], 0
        if self._is_due():
            ready.append(self._window())
            self._on_disk = len(self._steps)
        self._write(ready)
        self._place = place

    def _is_due(self) -> bool:
        """Return whether the open window is to be written with the steps that are new in it."""
        new = len(self._steps) - self._on_disk
        return new > 0 and (len(self._steps) * self._values[0].size <= AT_ONCE or NEW_SHARE * new >= len(self._steps))

    def _write(self, rows: list[np.ndarray]) -> None:
        """Write rows from the first on that is not complete on the disk."""
        content, offset = b"".join(each.tobytes() for each in rows), self._place * self._row.itemsize
        try:
            while content:
                written = os.pwrite(self._descriptor, content, offset)
                content, offset = content[written:], offset + written
        except OSError:
            self._has_failed = True
            raise

    def _write_open(self) -> None:
        """Have all steps on the disk, unless writing has failed: then the last row there may be a half one."""
        if self._on_disk < len(self._steps) and not self._has_failed:
            self._write([self._window()])
            self._on_disk = len(self._steps)

    def _window(self) -> np.ndarray:
        return self._rows(self._steps[0], self._steps[-1], extremes(np.stack(self._values))[None])

    def _rows(self, first, last, values: np.ndarray) -> np.ndarray:
        rows = np.empty(len(values), self._row)
        rows["first"], rows["last"], rows["values"], rows["check"] = first, last, values, last
        return rows

    def place(self) -> tuple[int, np.ndarray]:
        """Return what `cut_table` takes to bring the table back to what it is now, the last row as bytes."""
        row = self._window() if self._steps else np.empty(0, self._row)
        return self._place, np.frombuffer(row.tobytes(), np.uint8)

    def flush(self) -> None:
        """Wait until everything is on the disk.

        Raises:
            OSError: where the disk takes less than everything.
        """
        self._write_open()
        os.fsync(self._descriptor)

    def close(self) -> None:
        """End writing; what the disk has no room for is left out."""
        with suppress(OSError):
            self._write_open()
        os.close(self._descriptor)


def cut_table(path: Path, rows: int, last: np.ndarray) -> None:
    """Leave the first rows of a table, and behind them a last one; where there is no table, none is made.

    Args:
        path: the table without its endings `.json` and `.rows`.
        rows: how many rows stay.
        last: the bytes of the last row, or none.

    Raises:
        OSError: where it cannot be written.
        TableError: where it is damaged.
    """
    head, file = _files(path)
    if head.exists():
        cut(file, rows * _read_header(head).row.itemsize, last.tobytes())


class Series(NamedTuple):
    """One statistic over a training.

    Attributes:
        names: what it was measured of, (N,), shallow first.
        first, last: the first and last step of each window, (T,).
        least, median, largest: of the steps of a window, (T, N); equal where a window is one step.
    """

    names: tuple[str, ...]
    first: np.ndarray
    last: np.ndarray
    least: np.ndarray
    median: np.ndarray
    largest: np.ndarray

    def divided_by(self, numbers: np.ndarray) -> Series:
        """Return it with the values of each name divided by a positive number of its own, (N,)."""
        values = (each / numbers.astype(np.float32) for each in (self.least, self.median, self.largest))
        return Series(self.names, self.first, self.last, *values)


class Table:
    """A table, read as it stands now.

    Args:
        path: the table without its endings `.json` and `.rows`.

    Raises:
        TableError: where it is damaged, or of a version that this program does not know.
    """

    def __init__(self, path: Path):
        head, self._rows_path = _files(path)
        self.header = _read_header(head)

    @classmethod
    def exists(cls, path: Path) -> bool:
        """Return whether there is such a table; its rows may come later."""
        return os.path.lexists(_files(path)[0])

    @property
    def size(self) -> int:
        """Bytes of the rows: another size is other rows, and equal sizes may differ in the last."""
        return size_of(self._rows_path)

    @cached_property
    def count(self) -> int:
        """How many rows there were when it was first asked for; a last one that is only half written is left out."""
        row = self.header.row
        count = self.size // row.itemsize
        if count * row.itemsize > MOST_BYTES:
            raise TableError(f"{self._rows_path} has {self.size:,} bytes, more than the {MOST_BYTES:,} allowed.")
        if not count:
            return 0
        last = self._read(count - 1, count)
        return count if len(last) and last["check"][0] == last["last"][0] else count - 1

    def _read(self, start: int, stop: int) -> np.ndarray:
        """Return rows from the disk, fewer where the file has shrunk."""
        row = self.header.row
        try:
            content = read_at(self._rows_path, start * row.itemsize, (stop - start) * row.itemsize)
        except OSError as error:
            raise TableError(f"{self._rows_path} cannot be read: {error.strerror}.") from None
        return np.frombuffer(content, row, count=len(content) // row.itemsize)

    def series(self, statistic: str, by: str, start: int = 0, stop: int | None = None) -> Series:
        """Return one statistic of a group's members.

        Args:
            statistic: one of the header's.
            by: a group, such as `"layer"`.
            start, stop: the rows to read, as in a slice.

        Raises:
            KeyError: where there is no such statistic or group.
            TableError: where the rows cannot be read, or are more than fit into `MOST_VALUES` bytes.
        """
        known = self.header
        if statistic not in known.statistics or by not in known.groups:
            raise KeyError(f"{statistic} of each {by}")
        rows, columns = range(self.count)[start:stop], np.array(known.columns[by], int)
        if 12 * len(rows) * len(columns) > MOST_VALUES:
            raise TableError(f"{self._rows_path} is too large to be read at once: read it piece by piece.")
        place, step = known.statistics.index(statistic), max(PIECE_BYTES // known.row.itemsize, 1)
        windows = np.empty((2, len(rows)), np.int64)
        values = np.empty((3, len(rows), len(columns)), np.float32)
        done = 0
        for begin in rows[::step]:
            # A row holds all statistics: of each piece only one is kept.
            piece = self._read(begin, min(begin + step, rows.stop))
            end = done + len(piece)
            windows[:, done:end] = piece["first"], piece["last"]
            values[:, done:end] = piece["values"][:, :, place, :][:, :, columns].swapaxes(0, 1)
            done = end
        return Series(known.groups[by], *windows[:, :done], *values[:, :done])


def _files(path: Path) -> tuple[Path, Path]:
    return path.with_name(path.name + ".json"), path.with_name(path.name + ".rows")


def _read_header(path: Path) -> Header:
    try:
        facts = os.lstat(path)
        return _parsed_header(path, facts.st_mtime_ns, facts.st_size, facts.st_ino)
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}.") from None


@lru_cache(maxsize=32)
def _parsed_header(path: Path, *_: int) -> Header:
    """Return what a header says; it is written once, and that of a thousand blocks takes long to read."""
    try:
        content = read_json(path, MOST_HEADER)
    except ValueError:
        raise TableError(f"{path} is not JSON.") from None
    version = content.get("format") if isinstance(content, dict) else None
    if version != FORMAT:
        raise TableError(f"{path} has format {version!r}; this version reads format {FORMAT}.")
    try:
        groups = {str(by): tuple(map(str, names)) for by, names in content["groups"].items()}
        columns = {str(by): tuple(map(int, places)) for by, places in content["columns"].items()}
        facts, window_rows = dict(content["facts"]), int(content["window_rows"])
        made = Header(tuple(map(str, content["statistics"])), groups, columns, window_rows, facts)
        # Files of an export are called by these names.
        fits = all(name.isidentifier() and name.isascii() for name in (*made.statistics, *groups))
        fits &= all(len(columns[by]) == len(names) for by, names in groups.items())
        fits &= 0 < window_rows <= MOST_ROWS
        fits &= all(0 <= place < 2**24 for each in columns.values() for place in each)
        fits &= made.row.itemsize <= MOST_ROW
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise TableError(f"{path} is damaged.")
    return made
