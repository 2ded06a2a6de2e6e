"""Arrays of each task of text, made of texts and their encoding: what every source of text shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from reskeras.datasets.dataset import Dataset
from reskeras.datasets.encoding import END, START, Encoding, TextCodec, padded
from reskeras.datasets.plain_files import check_memory
from reskeras.reading import Reading

NO_TOKEN = -1
"""The label where there is no token."""

LONGEST = 256
"""Tokens of a sample at most where nobody says how many."""


def encoding_of(
    texts: Iterable, reading: Reading, path: Path, labels: tuple[str, ...] = (), extra: int = 0
) -> Encoding:
    """Return an encoding for the texts that are trained on, in words unless the reading says otherwise.

    Args:
        texts: the texts, or their words where they are split already.
        reading: level, size of the vocabulary and length, where they are given.
        path: of the file, for messages.
        labels: the names of classes or tags.
        extra: tokens that a sample has besides those of its text.

    Raises:
        DataError: where memory for what they become is short.
    """
    texts = list(texts)
    codec = TextCodec.fit("words" if reading.level == "auto" else reading.level, texts, reading.vocabulary_size)
    longest = max((len(codec.encode(text)) for text in texts), default=0)
    length = reading.length or max(min(longest + extra, LONGEST), 2)
    check_memory(path, 3 * 4 * len(texts) * length, "its samples as token numbers")
    return Encoding(labels, codec, length)


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
