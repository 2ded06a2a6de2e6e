"""From what people write to arrays and back: text as token numbers, names of classes; kept with a trained network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

PADDING, UNKNOWN, START, END = range(4)
"""Token numbers that stand for no text: after the end of a sample, for what has no number, before a sequence that is
written by a network, and behind it."""

FIRST = 4
"""The first token number that stands for text."""

LEVELS = ("bytes", "characters", "words")

_WORDS = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class TextCodec:
    """Numbers for the pieces of texts.

    Attributes:
        level: what a piece is: `"bytes"` of UTF-8, `"characters"`, or `"words"`, signs being words of their own.
        pieces: the characters or words that have a number, from `FIRST` on; none for bytes, which all have one.
    """

    level: str
    pieces: tuple[str, ...] = ()

    @classmethod
    def fit(cls, level: str, texts: Iterable[str | Sequence[str]], most: int = 20_000) -> TextCodec:
        """Return a codec for texts.

        Args:
            level: what a piece is.
            texts: the texts, or their words where they are split already.
            most: how many pieces get a number at most: the commonest, equally common ones in the order of their signs.
        """
        if level == "bytes":
            return cls(level)
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(split(level, text))
        ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))
        return cls(level, tuple(ranked[:most]))

    @property
    def vocabulary(self) -> int:
        """How many token numbers there are, those that stand for no text included."""
        return FIRST + (256 if self.level == "bytes" else len(self.pieces))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {piece: number for number, piece in enumerate(self.pieces, FIRST)}

    def encode(self, text: str | Sequence[str]) -> list[int]:
        """Return the numbers of a text, or of words that are split already; a piece without one is `UNKNOWN`."""
        if self.level == "bytes":
            joined = text if isinstance(text, str) else " ".join(text)
            return [FIRST + each for each in joined.encode("utf-8", "surrogateescape")]
        return [self._numbers.get(piece, UNKNOWN) for piece in split(self.level, text)]

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of numbers up to `END`, words with spaces between; `\\ufffd` for what is unknown."""
        kept = []
        for number in map(int, numbers):
            if number == END:
                break
            if number not in (PADDING, START):
                kept.append(number)
        if self.level == "bytes":
            return bytes(each - FIRST for each in kept if each >= FIRST).decode("utf-8", "replace")
        known = (self.pieces[each - FIRST] if FIRST <= each < self.vocabulary else "\ufffd" for each in kept)
        return ("" if self.level == "characters" else " ").join(known)


def split(level: str, text: str | Sequence[str]) -> Sequence[str]:
    """Return the characters or words of a text; one that is split already stays as it is."""
    if not isinstance(text, str):
        return text
    return text if level == "characters" else _WORDS.findall(text)


def padded(rows: Iterable[Sequence[int]], length: int, fill: int = PADDING) -> np.ndarray:
    """Return rows of numbers as (rows, length) int32: cut where they are longer, filled up behind where shorter."""
    rows = list(rows)
    found = np.full((len(rows), length), fill, np.int32)
    for place, row in enumerate(rows):
        row = row[:length]
        found[place, : len(row)] = row
    return found


@dataclass(frozen=True)
class Encoding:
    """How raw samples become arrays, and what a network's answers mean.

    Attributes:
        labels: names of the classes or tags, in the order of their numbers; empty where they are numbers alone.
        text: numbers for text; None where samples are arrays.
        length: tokens of a sample of text.
    """

    labels: tuple[str, ...] = ()
    text: TextCodec | None = None
    length: int | None = None

    def label(self, number: int) -> str | int:
        """Return the name of a class, or its number where it has none."""
        return self.labels[number] if number < len(self.labels) else int(number)

    def tokens(self, texts: Iterable[str | Sequence[str]]) -> np.ndarray:
        """Return texts as (texts, length) int32 token numbers."""
        return padded(map(self.text.encode, texts), self.length)

    def to_json(self) -> dict[str, Any]:
        """Return this as plain lists and dictionaries."""
        text = {"level": self.text.level, "pieces": list(self.text.pieces)} if self.text else None
        return {"labels": list(self.labels), "text": text, "length": self.length}

    @classmethod
    def from_json(cls, content: Any) -> Encoding:
        """Return what `to_json` gave.

        Raises:
            ValueError: where it is something else.
        """
        try:
            text = content["text"]
            codec = TextCodec(_one_of(text["level"]), _names(text["pieces"])) if text else None
            length = content["length"]
            if length is not None and not (isinstance(length, int) and 0 < length <= 65_536):
                raise ValueError(f"length is {length!r}")
            if codec and length is None:
                raise ValueError("texts have no length")
            return cls(_names(content["labels"]), codec, length)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"This is no encoding of samples: {error}.") from None


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("names must be a list of texts")
    return tuple(value)


def _one_of(level: Any) -> str:
    if level not in LEVELS:
        raise ValueError(f"there is no level {level!r} (levels: {', '.join(LEVELS)})")
    return level
