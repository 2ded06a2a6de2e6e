"""Tables whose rows are samples: CSV and Parquet, one column with the label, the others measurements."""

from __future__ import annotations

import csv
import io
import math
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reskeras.datasets import labelled_text, labelling, parts
from reskeras.datasets.dataset import DataError, Dataset
from reskeras.datasets.encoding import Encoding
from reskeras.datasets.parquet import parquet_rows
from reskeras.datasets.plain_files import check_memory, text
from reskeras.reading import Reading

MOST_KINDS = 20
"""Different texts that a column may have, each of which becomes a feature that is 0 or 1."""

MOST_COLUMNS = 100_000

COUNTERS = ("", "unnamed: 0", "__index_level_0__")
"""What pandas calls the column that it writes in front of those of a table, which has the number of each row."""

_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*")

_WITH_COMMAS = re.compile(r"\s*[+-]?\d[\d.]*,[\d.,]*\d\s*")

_SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)
"""The first line of a table for Excel, which says what parts its columns."""

Row = tuple[int, list[str]]
"""The line of a row, from 1, and its cells."""


@dataclass
class Column:
    """A column: numbers, or texts.

    Attributes:
        name: as the table has it.
        values: `array` of float64, or a list of texts.
    """

    name: str
    values: array | list[str]

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return isinstance(self.values, array)


@dataclass
class Table:
    """A table's columns besides that of the labels, the labels, and the line of each row."""

    path: Path
    columns: list[Column]
    labels: list[str]
    lines: array


def load(found: parts.Parts, reading: Reading) -> Dataset:
    """Return the rows of a table, and of the one for the test beside it.

    Columns of numbers are features as they are; a column of at most `MOST_KINDS` different texts becomes
    a feature for each that is 0 or 1. A table of one text and its label is one of texts to classify. The first line
    names the columns where the label's is among them, or no number.

    Raises:
        DataError: where a cell is missing or no number in a column of numbers, rows have other lengths, or a column
            has too many texts; with the line.
    """
    tables = [_read(each, reading.label) for each in (found.train, found.test) if each]
    left = _leave_out(tables)
    names = [[column.name for column in table.columns] for table in tables]
    if names[-1] != names[0]:
        there, here = (", ".join(each[:12]) for each in (names[-1], names[0]))
        raise DataError(f"{found.test} has the columns {there}, and {found.train} has {here}; they must be alike.")
    if len(names[0]) == 1 and not tables[0].columns[0].numeric:
        return _texts(tables, replace(found, notes=(*found.notes, *left)), reading)
    labels = labelling.names(tables[0].labels, found.train)
    features, notes = _features(tables)
    numbers = {name: number for number, name in enumerate(labels)}
    if len(tables) > 1:
        labelling.check_known(tables[1].labels, labels, found.test, tables[1].lines)
    y = [np.array([numbers[label] for label in table.labels], np.int32) for table in tables]
    if len(tables) == 1:
        split = parts.divided(y[0], reading.test_split, found.train)
        features, y = ([each[0][chosen] for chosen in split] for each in (features, y))
    notes = (*found.notes, *left, *notes)
    return Dataset(features[0], y[0], features[1], y[1], len(labels), encoding=Encoding(labels), notes=notes)


def _leave_out(tables: list[Table]) -> tuple[str, ...]:
    """Take out the columns that say nothing of a sample, of every table, and return what is said of it.

    These are empty ones, and the number of each row that pandas writes: it may tell the label where rows are ordered.
    """
    said = []
    for place in reversed(range(min(len(table.columns) for table in tables))):
        alike = [table.columns[place] for table in tables]
        title = f"column {place + 1}{f' ({alike[0].name})' if alike[0].name else ', which has no name'}"
        if len(tables[0].columns) == 1:
            break
        if all(not each.numeric and not any(map(str.strip, each.values)) for each in alike):
            said.append(f"Left out, being empty: {title}.")
        elif all(each.name.lower() in COUNTERS and each.numeric and _numbers_rows(each.values) for each in alike):
            said.append(f"Left out, for it only numbers the rows: {title}.")
        else:
            continue
        for table in tables:
            del table.columns[place]
    return tuple(reversed(said))


def _numbers_rows(values: array) -> bool:
    return len(set(values)) == len(values) and all(map(float.is_integer, values))


def _texts(tables: list[Table], found: parts.Parts, reading: Reading) -> Dataset:
    for table in tables:
        for line, written in zip(table.lines, table.columns[0].values, strict=True):
            if not written.strip():
                raise DataError(f"{table.path}: line {line:,} has no text.")
    both = [labelled_text.Labelled(each.columns[0].values, each.labels, list(each.lines)) for each in tables]
    return labelled_text.dataset(both[0], both[1] if len(both) > 1 else None, found, reading)


def _features(tables: list[Table]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Return the samples of each table, and what became of its columns of text."""
    found: list[list[np.ndarray]] = [[] for _ in tables]
    spread = []
    for place, column in enumerate(tables[0].columns):
        alike = [table.columns[place] for table in tables]
        if any(each.numeric != column.numeric for each in alike):
            raise DataError(
                f"{tables[-1].path}: column {column.name!r} holds numbers in one file and texts in another."
            )
        if column.numeric:
            for samples, each in zip(found, alike, strict=True):
                with np.errstate(over="ignore"):
                    # What is too large becomes infinite, and is told below.
                    samples.append(np.frombuffer(each.values, np.float64).astype(np.float32)[:, None])
            continue
        kinds = sorted(set(column.values))
        if len(kinds) > MOST_KINDS:
            raise DataError(
                f"{tables[0].path}: column {column.name!r} holds {len(kinds):,} different texts, such as "
                f"{kinds[0][:40]!r}; a feature is a number, or one of at most {MOST_KINDS} texts. Take the column out, "
                "or name it with --label if it is the label."
            )
        spread.append(f"{column.name} ({len(kinds)})")
        for samples, each in zip(found, alike, strict=True):
            # A text that is only in the test is none of those: all its features are 0.
            samples.append(np.array([[text == kind for kind in kinds] for text in each.values], np.float32))
    notes = (f"Texts became features of 0 and 1: {', '.join(spread)}.",) if spread else ()
    samples = [np.concatenate(each, 1) for each in found]
    for table, each in zip(tables, samples, strict=True):
        if not np.isfinite(each).all():
            row, column = np.argwhere(~np.isfinite(each))[0]
            raise DataError(f"{table.path}: line {table.lines[row]:,} holds a number too large for float32.")
    return samples, notes


def _read(path: Path, label: str | None) -> Table:
    packed = path.suffix.lower() in (".parquet", ".pq")
    rows = parquet_rows(path) if packed else _csv_rows(path)
    _, header = next(rows, (0, []))
    header = [name.strip() for name in header]
    if len(header) < 2 or len(header) > MOST_COLUMNS:
        raise DataError(
            f"{path}{'' if packed else ': line 1'} has {len(header):,} column{'s' * (len(header) != 1)}; a label and "
            f"from 1 to {MOST_COLUMNS - 1:,} measurements are needed{'' if packed else ', with a comma between'}."
        )
    called = {*labelling.PLAIN_NAMES, (label or "").lower()} - {""}
    named = bool(called & {name.lower() for name in header}) or all(_number(cell) is None for cell in header)
    place, _ = labelled_text.column(path, header, label, labelling.LABEL_NAMES, named)
    if not named:
        rows = _chained((1, header), rows)
        header = [str(number) for number in range(1, len(header) + 1)]
    return _columns(path, header, place, rows)


def _chained(first: Row, rest: Iterable[Row]) -> Iterator[Row]:
    yield first
    yield from rest


def _columns(path: Path, header: list[str], label: int, rows: Iterable[Row]) -> Table:
    """Return the columns of rows; what the first row has, number or text, a column has to the end."""
    columns: list[Column] = []
    table = Table(path, columns, [], array("q"))
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(
                f"{path}: line {line:,} has {len(cells)} column{'s' * (len(cells) != 1)}, and the first has "
                f"{len(header)}."
            )
        if not columns:
            columns += _begun(path, line, header, cells, label)
        for place, (column, cell) in enumerate(zip(columns, cells, strict=True)):
            if place == label:
                if not cell.strip():
                    raise DataError(f"{path}: line {line:,} has no label in column {column.name!r}.")
                table.labels.append(cell.strip())
            elif column.numeric:
                value = _number(cell)
                if value is None:
                    raise DataError(_no_number(path, line, column.name, cell))
                column.values.append(value)
            else:
                column.values.append(cell)
        table.lines.append(line)
    if not table.labels:
        raise DataError(f"{path} holds no samples, only the names of its columns.")
    del columns[label]
    return table


def _begun(path: Path, line: int, header: list[str], cells: list[str], label: int) -> list[Column]:
    """Return the columns that a first row begins."""
    for place, (name, cell) in enumerate(zip(header, cells, strict=True)):
        if place != label and _WITH_COMMAS.fullmatch(cell):
            raise DataError(
                f"{path}: line {line:,} holds {cell.strip()!r} in column {name!r}, a number with a comma. Write it "
                "with a point, and without a sign for thousands; where a comma stands for the point, a semicolon must "
                "part the columns."
            )
    return [Column(name, [] if _number(cell) is None else array("d")) for name, cell in zip(header, cells, strict=True)]


def _no_number(path: Path, line: int, name: str, cell: str) -> str:
    if not cell.strip() or cell.strip().lower() in ("na", "n/a", "nan", "null", "none", "inf", "-inf"):
        return (
            f"{path}: line {line:,} has no number in column {name!r} ({cell.strip()!r}). Fill it in, or leave it out."
        )
    return f"{path}: line {line:,} holds {cell[:40]!r} in column {name!r}, where the lines before hold numbers."


def _number(cell: str) -> float | None:
    """Return a cell's finite number; None where it is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in cell else None


def _csv_rows(path: Path) -> Iterator[Row]:
    written = text(path)
    first = written[: written.find("\n")] if "\n" in written else written
    # Where a comma parts whole numbers from their fractions, columns are parted by semicolons.
    told = _SEPARATOR.fullmatch(first)
    sign = told[1] if told else max(",;\t", key=first.count)
    check_memory(path, 2 * len(written), "its rows")
    reader = csv.reader(io.StringIO(written, newline=""), delimiter=sign, strict=True)
    try:
        if told:
            next(reader)
        for cells in reader:
            if sign == ";":
                cells = [cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in cells]
            if cells and any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num:,} cannot be read: {error}.") from None
