"""Texts of classes: lines of a text and its label with a tabulator between, columns of a table, a folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reskeras.datasets import labelling, parts, texts
from reskeras.datasets.dataset import DataError, Dataset
from reskeras.datasets.plain_files import lines
from reskeras.reading import Reading

TEXT_NAMES = ("text", "sentence", "review", "content", "question", "title")
"""What a column of texts may be called."""


@dataclass
class Labelled:
    """Texts with the label of each, and the line each is from; lines are None where each is a file."""

    texts: list[str]
    labels: list[str]
    lines: list[int] | None = None

    def taken(self, chosen: np.ndarray) -> Labelled:
        """Return some of the samples."""
        return Labelled(*([each[place] for place in chosen] if each else each for each in vars(self).values()))


def load(found: parts.Parts, reading: Reading) -> Dataset:
    """Return the texts and labels of a file of lines `text<TAB>label`, and of the one for the test beside it.

    The first line may name the columns. Without names there are two columns, and `reading.label` says which of them
    has the labels, else it is the last.

    Raises:
        DataError: where a line has other columns, or no text, or no label; with the line.
    """
    train = _read(found.train, reading)
    test = _read(found.test, reading) if found.test else None
    return dataset(train, test, found, reading)


def dataset(train: Labelled, test: Labelled | None, found: parts.Parts, reading: Reading) -> Dataset:
    """Return a data set of labelled texts; without any for the test, a share of each class is kept for it."""
    names = labelling.names(train.labels, found.train)
    if test is None:
        numbers = {name: number for number, name in enumerate(names)}
        split = parts.divided([numbers[label] for label in train.labels], reading.test_split, found.train)
        train, test = (train.taken(chosen) for chosen in split)
    else:
        labelling.check_known(test.labels, names, found.test, test.lines)
    encoding = texts.encoding_of(train.texts, reading, found.train, names)
    pairs = (list(zip(each.texts, each.labels, strict=True)) for each in (train, test))
    return replace(texts.classes(*pairs, encoding), notes=found.notes)


def _read(path: Path, reading: Reading) -> Labelled:
    rows = lines(path)
    first = rows[0].split("\t")
    text, label, named = _columns(path, first, reading.label)
    found = Labelled([], [], [])
    for number, line in enumerate(rows[named:], 1 + named):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != len(first):
            raise DataError(
                f"{path}: line {number:,} has {len(cells)} column{'s' * (len(cells) != 1)}, and the first has "
                f"{len(first)}; a tabulator stands between text and label."
            )
        if not cells[label].strip() or not cells[text].strip():
            raise DataError(f"{path}: line {number:,} has no {'text' if cells[label].strip() else 'label'}.")
        found.texts.append(cells[text])
        found.labels.append(cells[label].strip())
        found.lines.append(number)
    if not found.texts:
        raise DataError(f"{path} holds no samples, only the names of its columns.")
    return found


def _columns(path: Path, first: Sequence[str], wanted: str | None) -> tuple[int, int, bool]:
    """Return the column of the texts, that of the labels, and whether the first line names the columns."""
    if len(first) < 2:
        raise DataError(
            f"{path}: line 1 has no tabulator; a line must be a text, a tabulator and a label. Of a text to learn "
            "language from, the name ends in .txt."
        )
    names = [name.strip().lower() for name in first]
    label, named = column(path, first, wanted, labelling.LABEL_NAMES)
    others = [place for place in range(len(first)) if place != label]
    called = [place for place in others if names[place] in TEXT_NAMES] if named else []
    if len(others) > 1 and not called:
        raise DataError(
            f"{path}: line 1 has {len(first)} columns, and nothing says which is the text; leave a text and a label, "
            f"or name the column {TEXT_NAMES[0]} in the first line."
        )
    return (called or others)[0], label, named


def column(
    path: Path, first: Sequence[str], wanted: str | None, usual: Sequence[str], named: bool | None = None
) -> tuple[int, bool]:
    """Return which column is meant, and whether the first line names the columns.

    Args:
        path: of the file, for the message.
        first: the cells of the first line.
        wanted: the column's name, or its number from 1; None for a usual name, else the last.
        usual: names that it may have where none is wanted.
        named: whether the first line names the columns; None where that shows only by the names.

    Raises:
        DataError: where there is no such column.
    """
    names = [name.strip() for name in first]
    lower = [name.lower() for name in names]
    known = [place for place, name in enumerate(lower) if name in usual]
    if named is None:
        named = wanted in names or bool({*labelling.PLAIN_NAMES, *TEXT_NAMES} & set(lower) and known)
    if wanted is None:
        return (known[0] if named and known else len(names) - 1), named
    if named and wanted in names:
        return names.index(wanted), named
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1, named
    there = ", ".join(names[:12]) if named else f"1 to {len(names)}"
    raise DataError(f"{path} has no column {wanted!r} (columns: {there}).")
