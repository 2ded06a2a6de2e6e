"""Text to learn language from: a file, or a folder of files, of whatever is written in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reskeras.datasets import parts, texts
from reskeras.datasets.dataset import DataError, Dataset
from reskeras.datasets.encoding import NAMES, SUBWORDS, Encoding
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
    train = _read(found.train)
    if found.test:
        test = _read(found.test)
    else:
        place = len(train) - round(reading.test_split * len(train))
        train, test = train[:place], train[place:]
    if reading.level in ("words", *SUBWORDS):
        # Each is an object of its own for a while.
        check_memory(found.train, 16 * len(train), "its words")
    codec = texts.codec_of([train], reading, found.train, "characters")
    numbers = [codec.encode(each) for each in (train, test)]
    length = reading.length or _length(min(map(len, numbers)))
    for each, part in zip(numbers, ("train", "test"), strict=True):
        if len(each) <= length:
            raise DataError(
                f"{found.train} has {len(each):,} {NAMES[codec.level]} to {part} on; a piece of {length} and one more "
                "are needed."
            )
    notes = found.notes or ("Tested on the end of the text.",)
    return replace(texts.language(*numbers, Encoding((), codec, length)), notes=notes)


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
