"""Words with tags, one a line, an empty line between sentences: CoNLL and CoNLL-U."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from reskeras.datasets import parts, texts
from reskeras.datasets.dataset import DataError, Dataset
from reskeras.datasets.labelling import MOST
from reskeras.datasets.plain_files import lines
from reskeras.reading import Reading

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
"""The columns of CoNLL-U, by the names that `label` may give for their numbers."""

_NO_WORD = re.compile(r"\d+[-.]\d+")
"""How the lines of CoNLL-U begin that stand for several words, or for one that is not written."""

_WORD, _UPOS = 1, 3

Sentence = tuple[tuple[str, ...], tuple[str, ...]]
"""Words, and their tags."""


def load(found: parts.Parts, reading: Reading) -> Dataset:
    """Return the words and tags of a file, and of the one for the test beside it.

    Columns are parted by tabulators or spaces. Of CoNLL-U, the words are in column 2 and the tags in column 4; else the
    words are in the first and the tags in the last; `reading.label` says another column for the tags. Lines that begin
    with `#` where no other columns stand are remarks.

    Raises:
        DataError: where a line lacks a column, with the line; or there is no sentence, or no two tags.
    """
    if reading.level not in ("auto", "words"):
        raise DataError(f"{found.train}: a tag stands at each word, so level cannot be {reading.level}, only words.")
    train = sentences(found.train, reading.label)
    if found.test:
        test = sentences(found.test, reading.label)
    else:
        split = parts.divided(np.zeros(len(train)), reading.test_split, found.train)
        train, test = ([train[place] for place in chosen] for chosen in split)
    learnt = {tag for _, tags in train for tag in tags}
    if len(learnt) < 2:
        raise DataError(f"{found.train} holds only the tag {next(iter(learnt))!r}; at least 2 are needed.")
    new = sorted({tag for _, tags in test for tag in tags} - learnt)
    names = (*sorted(learnt), *new)
    if len(names) > MOST:
        raise DataError(f"{found.train} holds {len(names):,} different tags. Are they in another column? Say --label.")
    notes = (*found.notes, *((f"Only in the test: {', '.join(new[:8])}.",) if new else ()))
    written = (words for words, _ in train)
    encoding = texts.encoding_of(written, reading, found.train, names, characters=texts.CHARACTERS)
    return replace(texts.tags(train, test, encoding), notes=notes)


def sentences(path: Path, label: str | None) -> list[Sentence]:
    """Return the sentences of a file.

    Args:
        path: the file.
        label: column of the tags, a number from 1 or a name in `CONLLU`; None for the usual one.
    """
    found: list[Sentence] = []
    words: list[str] = []
    tags: list[str] = []
    columns, sign = None, None
    for number, line in enumerate([*lines(path), ""], 1):
        if not line.strip():
            if words:
                found.append((tuple(words), tuple(tags)))
                words, tags = [], []
            continue
        cells = line.split(sign)
        if line.startswith("#") and (columns is None or len(cells) != columns[0]):
            continue
        if line.split()[0] == "-DOCSTART-":
            continue
        if columns is None:
            # What parts the columns of the first word parts those of all: a tabulator, or else spaces.
            sign = "\t" if "\t" in line else None
            cells = line.split(sign)
            columns = _columns(path, number, cells, label)
        count, word, tag = columns
        if word == _WORD and _NO_WORD.fullmatch(cells[0]):
            continue
        if len(cells) != count:
            raise DataError(
                f"{path}: line {number:,} has {len(cells)} column{'s' * (len(cells) != 1)}, and the first word "
                f"has {count}."
            )
        if not cells[word].strip() or not cells[tag].strip():
            raise DataError(f"{path}: line {number:,} has no {'tag' if cells[word].strip() else 'word'}.")
        words.append(cells[word].strip())
        tags.append(cells[tag].strip())
    if not found:
        raise DataError(f"{path} holds no sentence, only remarks.")
    return found


def _columns(path: Path, number: int, cells: list[str], label: str | None) -> tuple[int, int, int]:
    """Return how many columns there are, which has the words, and which the tags."""
    count = len(cells)
    universal = count == len(CONLLU) and re.fullmatch(r"\d+([-.]\d+)?", cells[0]) is not None
    if count < 2:
        raise DataError(f"{path}: line {number:,} has 1 column; a word and its tag are needed, with a space between.")
    word = _WORD if universal else 0
    if label is None:
        return count, word, _UPOS if universal else count - 1
    if universal and label.lower() in CONLLU:
        return count, word, CONLLU.index(label.lower())
    if label.isdecimal() and 1 <= int(label) <= count:
        return count, word, int(label) - 1
    names = f", or {', '.join(CONLLU)}" if universal else ""
    raise DataError(f"{path} has no column {label!r} (columns: 1 to {count}{names}).")
