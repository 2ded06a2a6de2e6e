"""Text to learn language from: a file, or a folder of files, of whatever is written in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from reskeras.datasets import parts, texts
from reskeras.datasets.dataset import DataError, Dataset
from reskeras.datasets.encoding import FIRST, UNKNOWN, Encoding, TextCodec
from reskeras.datasets.plain_files import check_memory, text
from reskeras.reading import Reading

FEWEST_PIECES = 8
"""Pieces that the test has at least where nobody says how long they are."""


def load(found: parts.Parts, reading: Reading) -> Dataset:
    """Return a text's consecutive pieces, in characters unless the reading says otherwise.

    Where no file for the test lies beside it, the end of the text is kept for it: `reading.test_split` of the text.

    Raises:
        DataError: where the text is too short for a piece to train and one to test on.
    """
    level = "characters" if reading.level == "auto" else reading.level
    train = _read(found.train)
    if found.test:
        test = _read(found.test)
    else:
        place = len(train) - round(reading.test_split * len(train))
        train, test = train[:place], train[place:]
    codec = TextCodec.fit(level, [train], reading.vocabulary_size)
    numbers = [tokens(codec, each, found.train) for each in (train, test)]
    length = reading.length or _length(min(map(len, numbers)))
    for each, part in zip(numbers, ("train", "test"), strict=True):
        if len(each) <= length:
            raise DataError(
                f"{found.train} has {len(each):,} {level} to {part} on; a piece of {length} and one more are needed."
            )
    notes = found.notes or ("Tested on the end of the text.",)
    return replace(texts.language(*numbers, Encoding((), codec, length)), notes=notes)


def tokens(codec: TextCodec, written: str, path: Path) -> np.ndarray:
    """Return a text's token numbers as `codec.encode` does, many millions of characters in a moment."""
    if codec.level == "bytes":
        return np.frombuffer(written.encode("utf-8"), np.uint8).astype(np.int32) + FIRST
    if codec.level == "characters":
        signs = np.frombuffer(written.encode("utf-32-le"), np.uint32)
        numbers = np.full(0x110000, UNKNOWN, np.int32)
        for number, sign in enumerate(codec.pieces, FIRST):
            numbers[ord(sign)] = number
        return numbers[signs]
    check_memory(path, 16 * len(written), "its words")
    return np.array(codec.encode(written), np.int32)


def _read(path: Path) -> str:
    if not path.is_dir():
        return text(path)
    files = [each for each in parts.children(path) if each.is_file()]
    if not files:
        raise DataError(f"{path} holds no file.")
    return "\n".join(map(text, files))


def _length(count: int) -> int:
    """Return how long a piece is of a text of so many tokens."""
    length = texts.LONGEST
    while length > 2 and count <= FEWEST_PIECES * length:
        length //= 2
    return length
