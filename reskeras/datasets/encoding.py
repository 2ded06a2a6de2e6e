"""From what people write to arrays and back: text as token numbers, names of classes; kept with a trained network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from reskeras.datasets import subwords
from reskeras.datasets.subwords import SUBWORDS, Merges, Subwords
from reskeras.reading import LONGEST_WORD

PADDING, UNKNOWN, START, END = range(4)
"""Token numbers that stand for no text: after the end of a sample, for what has no number, before a sequence that is
written by a network, and behind it."""

FIRST = 4
"""The first token number that stands for text."""

LEVELS = ("bytes", "characters", "words", *SUBWORDS)

SPELLED = ("words", "characters")
"""The levels whose pieces can have their characters beside them."""

NAMES = {**{level: level for level in LEVELS}, "bytepair": "byte pairs", "wordpiece": "word pieces"}
"""What the pieces of a level are called."""

MOST_PIECES = 1_000_000
LONGEST_PIECE = 1_024
"""Signs of a piece at most, of those that a file brings."""

_SIGNS = 0x110000
"""How many characters Unicode has room for."""

_WORDS = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class TextCodec:
    """Numbers for the pieces of texts.

    Attributes:
        level: what a piece is: `"bytes"` of UTF-8, `"characters"`, `"words"`, signs being words of their own, or parts
            of words that were learnt from text, `"bytepair"` and `"wordpiece"`.
        pieces: the pieces that have a number, from `FIRST` on; none for bytes, which all have one.
        merges: of byte pairs.
    """

    level: str
    pieces: tuple[str, ...] = ()
    merges: Merges = ()

    @classmethod
    def fit(cls, level: str, texts: Iterable[str | Sequence[str]], most: int = 20_000, least: int = 1) -> TextCodec:
        """Return a codec for texts.

        Args:
            level: what a piece is.
            texts: the texts, or their words where they are split already.
            most: how many pieces get a number at most: the commonest, equally common ones in the order of their signs.
            least: how often a character or word must be there to get one.

        Raises:
            ExtraMissing: for parts of words, where what learns them is not installed.
        """
        if level == "bytes":
            return cls(level)
        if level in SUBWORDS:
            return cls(level, *subwords.learn(level, map(_joined, texts), most))
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(split(level, text))
        ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))
        return cls(level, tuple(piece for piece in ranked[:most] if counts[piece] >= least))

    @property
    def vocabulary(self) -> int:
        """How many token numbers there are, those that stand for no text included."""
        return FIRST + (256 if self.level == "bytes" else len(self.pieces))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {piece: number for number, piece in enumerate(self.pieces, FIRST)}

    @cached_property
    def _signs(self) -> np.ndarray:
        """Return the number of each character of Unicode."""
        numbers = np.full(_SIGNS, UNKNOWN, np.int32)
        for piece, number in self._numbers.items():
            if len(piece) == 1:
                numbers[ord(piece)] = number
        return numbers

    @cached_property
    def _subwords(self) -> Subwords:
        return Subwords(self.level, self.pieces, self.merges, FIRST, UNKNOWN)

    def encode(self, text: str | Sequence[str]) -> np.ndarray:
        """Return the numbers of a text, or of words that are split already, int32; a piece without one is `UNKNOWN`.

        Raises:
            ExtraMissing: for parts of words, where what makes them is not installed.
        """
        if self.level == "bytes":
            return np.frombuffer(subwords.in_bytes(_joined(text)), np.uint8).astype(np.int32) + FIRST
        if self.level in SUBWORDS:
            return self._subwords.encode(_joined(text))
        if self.level == "characters" and isinstance(text, str):
            return self._signs[np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)]
        pieces, numbers = split(self.level, text), self._numbers
        return np.fromiter((numbers.get(piece, UNKNOWN) for piece in pieces), np.int32, len(pieces))

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
        if self.level in SUBWORDS:
            return subwords.text_of(self.level, known)
        return ("" if self.level == "characters" else " ").join(known)


def _joined(text: str | Sequence[str]) -> str:
    return text if isinstance(text, str) else " ".join(text)


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
class Spelling:
    """How a word's characters stand beside its number.

    Attributes:
        text: numbers for characters.
        length: characters of a word; of a longer one its two ends, where languages inflect, without what is between.
    """

    text: TextCodec
    length: int

    @classmethod
    def fit(cls, words: Iterable[Sequence[str]], length: int, most: int = 20_000) -> Spelling:
        """Return one for the words of texts; a character that comes once is read as unknown, so that a network learns
        what to make of such."""
        return cls(TextCodec.fit("characters", map("".join, words), most, least=2), length)

    def rows(self, words: Iterable[str]) -> np.ndarray:
        """Return the characters of words, (words, length) int32."""
        return padded(map(self.text.encode, map(self._ends, words)), self.length)

    def _ends(self, word: str) -> str:
        behind = self.length // 2
        return word if len(word) <= self.length else word[: self.length - behind] + word[-behind:]


def words_of(samples: np.ndarray) -> np.ndarray:
    """Return the token numbers of samples, (samples, tokens), as a view where the characters of words are with them."""
    return samples[:, :, 0] if samples.ndim == 3 else samples


@dataclass(frozen=True)
class Encoding:
    """How raw samples become arrays, and what a network's answers mean.

    Attributes:
        labels: names of the classes or tags, in the order of their numbers; empty where they are numbers alone.
        text: numbers for text; None where samples are arrays.
        length: tokens of a sample of text.
        spelling: how the characters of words are with them; None for words by their numbers alone.
    """

    labels: tuple[str, ...] = ()
    text: TextCodec | None = None
    length: int | None = None
    spelling: Spelling | None = None

    def label(self, number: int) -> str | int:
        """Return the name of a class, or its number where it has none."""
        return self.labels[number] if number < len(self.labels) else int(number)

    def tokens(self, texts: Iterable[str | Sequence[str]]) -> np.ndarray:
        """Return texts as (texts, length) int32 token numbers; with a spelling (texts, length, 1 + characters), the
        number of each word and those of its characters."""
        if self.spelling is None:
            return padded(map(self.text.encode, texts), self.length)
        texts = [split(self.text.level, text)[: self.length] for text in texts]
        # Each word is spelled once, however often it comes; 0 is for none.
        places = {word: place for place, word in enumerate(dict.fromkeys(chain.from_iterable(texts)), 1)}
        spelled = np.concatenate([np.zeros((1, self.spelling.length), np.int32), self.spelling.rows(places)])
        found = np.empty((len(texts), self.length, 1 + self.spelling.length), np.int32)
        found[:, :, 0] = padded(map(self.text.encode, texts), self.length)
        found[:, :, 1:] = spelled[padded(([places[word] for word in text] for text in texts), self.length)]
        return found

    def to_json(self) -> dict[str, Any]:
        """Return this as plain lists and dictionaries."""
        text = self.text and {"level": self.text.level, "pieces": list(self.text.pieces)}
        if text and self.text.merges:
            text["merges"] = [list(each) for each in self.text.merges]
        found = {"labels": list(self.labels), "text": text, "length": self.length}
        if self.spelling:
            found["spelling"] = {"pieces": list(self.spelling.text.pieces), "length": self.spelling.length}
        return found

    @classmethod
    def from_json(cls, content: Any) -> Encoding:
        """Return what `to_json` gave.

        Raises:
            ValueError: where it is something else.
        """
        try:
            text = content["text"]
            codec = _codec(text) if text else None
            length = content["length"]
            if length is not None:
                _check_length(length, 65_536)
            if codec and length is None:
                raise ValueError("texts have no length")
            return cls(_names(content["labels"]), codec, length, _spelling(content.get("spelling"), codec))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"This is no encoding of samples: {error}.") from None


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError("names must be a list of texts")
    return tuple(value)


def _codec(text: dict[str, Any]) -> TextCodec:
    level, pieces, merges = text["level"], _names(text["pieces"]), text.get("merges", [])
    if level not in LEVELS:
        raise ValueError(f"there is no level {level!r} (levels: {', '.join(LEVELS)})")
    if len(pieces) > MOST_PIECES or len(merges) > MOST_PIECES:
        raise ValueError(f"there are {len(pieces):,} pieces and {len(merges):,} merges, of at most {MOST_PIECES:,}")
    if merges and level != subwords.BYTE_PAIRS:
        raise ValueError(f"{level} have no merges")
    if level in SUBWORDS and any(len(piece) > LONGEST_PIECE for piece in pieces):
        raise ValueError(f"a piece is longer than {LONGEST_PIECE:,} signs")
    merges = tuple((_place(a), _place(b)) for a, b in merges)
    subwords.check_merges(pieces, merges)
    return TextCodec(level, pieces, merges)


def _spelling(content: Any, text: TextCodec | None) -> Spelling | None:
    if not content:
        return None
    if text is None or text.level not in SPELLED:
        raise ValueError(f"what is spelled are {' or '.join(SPELLED)}")
    _check_length(content["length"], LONGEST_WORD)
    return Spelling(_codec({"level": "characters", "pieces": content["pieces"]}), content["length"])


def _check_length(value: Any, most: int) -> None:
    if type(value) is not int or not 0 < value <= most:
        raise ValueError(f"length is {value!r}")


def _place(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is no place among the pieces")
    return value
