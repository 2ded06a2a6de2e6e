"""Texts in two languages: two files whose lines belong together, or one with a tabulator between the two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from reskeras.datasets import parts, texts
from reskeras.datasets.dataset import DataError, Dataset
from reskeras.datasets.plain_files import lines
from reskeras.reading import Reading

Pairs = list[tuple[str, str]]


def load(found: tuple[parts.Parts, ...], reading: Reading) -> Dataset:
    """Return pairs of texts, from one file of lines `source<TAB>target`, or from two files, the source's first.

    Pairs of which a side is empty are left out.

    Raises:
        DataError: where two files have not as many lines, or a line has no tabulator; with the line.
    """
    tested = [each.test for each in found]
    if any(tested) and not all(tested):
        lonely = next(each for each in found if each.test)
        other = next(each for each in found if not each.test)
        raise DataError(f"{lonely.test} is for the test by its name, and beside {other.train} there is none like it.")
    train, notes = _read([each.train for each in found])
    if all(tested):
        test, more = _read(tested)
        notes += more
    else:
        split = parts.divided(np.zeros(len(train)), reading.test_split, found[0].train)
        train, test = ([train[place] for place in chosen] for chosen in split)
    both = (text for pair in train for text in pair)
    # Tokens of what is written have no characters beside them.
    plain = reading.model_copy(update={"characters": 0})
    encoding = texts.encoding_of(both, plain, found[0].train, extra=1)
    notes = (*(note for each in found for note in each.notes), *notes)
    return replace(texts.translation(train, test, encoding), notes=notes)


def _read(paths: list[Path]) -> tuple[Pairs, tuple[str, ...]]:
    pairs = _of_two(*paths) if len(paths) == 2 else _of_one(paths[0])
    kept = [pair for pair in pairs if pair[0].strip() and pair[1].strip()]
    if not kept:
        raise DataError(f"{paths[0]} holds no pair of texts.")
    left = len(pairs) - len(kept)
    return kept, (f"{left:,} pairs of {paths[0].name} were left out: a side of them is empty.",) if left else ()


def _of_two(source: Path, target: Path) -> Pairs:
    sides = lines(source), lines(target)
    if len(sides[0]) != len(sides[1]):
        raise DataError(
            f"{source} has {len(sides[0]):,} lines and {target} has {len(sides[1]):,}; line n of the one must be "
            "line n of the other."
        )
    return list(zip(*sides, strict=True))


def _of_one(path: Path) -> Pairs:
    pairs = []
    for number, line in enumerate(lines(path), 1):
        cells = line.split("\t")
        if len(cells) != 2 and line.strip():
            raise DataError(
                f"{path}: line {number:,} has {len(cells)} column{'s' * (len(cells) != 1)}; a text, a tabulator and "
                "its translation are needed."
            )
        if len(cells) == 2:
            pairs.append((cells[0], cells[1]))
    return pairs
