"""Arrays of each task of text, made of texts and their encoding: what every source of text shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from reskeras.datasets import subwords
from reskeras.datasets.dataset import DataError, Dataset
from reskeras.datasets.encoding import END, START, Encoding, Spelling, TextCodec, padded, split
from reskeras.datasets.plain_files import check_memory
from reskeras.installed import ExtraMissing
from reskeras.reading import Reading

NO_TOKEN = -1
"""The label where there is no token."""

LONGEST = 256
"""Tokens of a sample at most where nobody says how many."""

COMMONEST, LEARNT = 20_000, 8_000
"""Words or characters, and parts of words, that get a number at most where nobody says how many."""


CHARACTERS = 16
"""Characters of a word that are beside it where nobody says how many and each word has an answer of its own: of four
English words in a thousand they are not all."""


def encoding_of(
    texts: Iterable,
    reading: Reading,
    path: Path | str,
    labels: tuple[str, ...] = (),
    extra: int = 0,
    characters: int = 0,
    alphabet: int = COMMONEST,
) -> Encoding:
    """Return an encoding for the texts that are trained on, in words unless the reading says otherwise.

    Args:
        texts: the texts, or their words where they are split already.
        reading: level, size of the vocabulary and length, where they are given.
        path: of the file, or another name for where they are from, for messages.
        labels: the names of classes or tags.
        extra: tokens that a sample has besides those of its text.
        characters: how many of each word are beside it where the reading does not say.
        alphabet: characters that get a number at most.

    Raises:
        DataError: where memory for what they become is short; and as `codec_of` does.
    """
    texts = list(texts)
    codec = codec_of(texts, reading, path, "words")
    length = reading.length or max(min(_longest(codec, texts) + extra, LONGEST), 2)
    if reading.characters is not None:
        characters = reading.characters
    if codec.level != "words":
        characters = 0
    check_memory(path, 3 * 4 * len(texts) * length * (1 + characters), "its samples as token numbers")
    words = (split(codec.level, text) for text in texts)
    return Encoding(labels, codec, length, Spelling.fit(words, characters, alphabet) if characters else None)


def _longest(codec: TextCodec, texts: Iterable) -> int:
    """Return how many tokens the longest text has, or of texts longer than `LONGEST` some number above it."""
    longest = 0
    for text in texts:
        longest = max(longest, len(codec.encode(text)))
        if longest > LONGEST:
            break
    return longest


def codec_of(texts: Iterable, reading: Reading, path: Path | str, usual: str) -> TextCodec:
    """Return numbers for texts.

    Args:
        texts: those that are trained on, or their words where they are split already.
        reading: level and size of the vocabulary, where they are given.
        path: of the file, or another name for where they are from, for messages.
        usual: the level where none is given.

    Raises:
        DataError: for a vocabulary that is too small for its level, and a level that needs what is not installed.
    """
    level = usual if reading.level == "auto" else reading.level
    most = reading.vocabulary_size or (LEARNT if level in subwords.SUBWORDS else COMMONEST)
    if level in subwords.SUBWORDS:
        try:
            subwords.check_installed()
        except ExtraMissing as error:
            raise DataError(f"{path} cannot be read at level {level}. {error}") from None
    if level == subwords.BYTE_PAIRS and most <= subwords.BYTES:
        raise DataError(
            f"{path}: each of the {subwords.BYTES} bytes is a piece of level bytepair, and pairs of them come on top; "
            f"received vocabulary_size {most}. Did you mean {2 * subwords.BYTES}?"
        )
    return TextCodec.fit(level, texts, most)


def with_usual(reading: Reading, usual: Reading) -> Reading:
    """Return a reading with the vocabulary and length that are usual at a level where it says none and is of the
    level."""
    if reading.level not in ("auto", usual.level):
        return reading
    size, length = reading.vocabulary_size or usual.vocabulary_size, reading.length or usual.length
    return Reading(level=usual.level, vocabulary_size=size, length=length, characters=reading.characters)


def translation(train, test, encoding: Encoding) -> Dataset:
    """Return a data set of pairs of texts.

    Args:
        train, test: (source, target) pairs; each text may be split already.
        encoding: numbers for both languages, and how many tokens a sample has; of a longer target, its end is cut with
            the sign for the end.
    """
    x_train, y_train = _sides(train, encoding)
    x_test, y_test = _sides(test, encoding)
    vocabulary = encoding.text.vocabulary
    return Dataset(x_train, y_train, x_test, y_test, vocabulary, "translation", vocabulary, encoding)


def _sides(pairs: Sequence[tuple], encoding: Encoding) -> tuple[dict[str, np.ndarray], np.ndarray]:
    sources, targets = ([encoding.text.encode(pair[side]) for pair in pairs] for side in (0, 1))
    x = {
        "source": padded(sources, encoding.length),
        "samples": padded(([START, *row] for row in targets), encoding.length),
    }
    return x, padded(([*row, END] for row in targets), encoding.length, NO_TOKEN)


def language(train: Sequence[int], test: Sequence[int], encoding: Encoding) -> Dataset:
    """Return a data set of the pieces of two texts, one to train and one to test on, each given as token numbers."""
    x_train, y_train = _pieces(train, encoding.length)
    x_test, y_test = _pieces(test, encoding.length)
    vocabulary = encoding.text.vocabulary
    return Dataset(x_train, y_train, x_test, y_test, vocabulary, "language", vocabulary, encoding)


def _pieces(tokens: Sequence[int], length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a text's consecutive pieces and the same one token on; what does not fill a piece at the end is left."""
    tokens = np.asarray(tokens, np.int32)
    count = (len(tokens) - 1) // length
    return tuple(tokens[start : start + count * length].reshape(count, length) for start in (0, 1))


def tags(train, test, encoding: Encoding) -> Dataset:
    """Return a data set of sequences of words with a tag each.

    Args:
        train, test: (words, tags) pairs, tags by name.
        encoding: numbers for words, the tags' names, and how many tokens a sample has; longer ones are cut.
    """
    numbers = {name: number for number, name in enumerate(encoding.labels)}

    def arrays(samples) -> tuple[np.ndarray, np.ndarray]:
        named = ([numbers[tag] for tag in each] for _, each in samples)
        return encoding.tokens(words for words, _ in samples), padded(named, encoding.length, NO_TOKEN)

    return Dataset(*arrays(train), *arrays(test), len(encoding.labels), "tags", encoding.text.vocabulary, encoding)


def classes(train, test, encoding: Encoding) -> Dataset:
    """Return a data set of texts with a class each.

    Args:
        train, test: (text, class) pairs, classes by name.
        encoding: numbers for text, the classes' names, and how many tokens a sample has; longer ones are cut.
    """
    numbers = {name: number for number, name in enumerate(encoding.labels)}

    def arrays(samples: Iterable[tuple]) -> tuple[np.ndarray, np.ndarray]:
        return encoding.tokens(text for text, _ in samples), np.array([numbers[name] for _, name in samples], np.int32)

    return Dataset(*arrays(train), *arrays(test), len(encoding.labels), "classes", encoding.text.vocabulary, encoding)
