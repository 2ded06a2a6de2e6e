"""Small data sets of every task that a tiny network learns in a few dozen steps; works without Keras."""

from __future__ import annotations

import numpy as np

from reskeras.datasets import Dataset, Embedded
from reskeras.datasets.dataset import Arrays, taken
from reskeras.datasets.encoding import END, FIRST, START, Encoding, Spelling, TextCodec, padded

LETTERS = TextCodec("characters", tuple("abcdef"))
LENGTH = 8
TRAIN, TEST = 384, 64


def _split(x: Arrays, y: Arrays, classes: int, *more) -> Dataset:
    first, last = slice(TRAIN), slice(TRAIN, None)
    return Dataset(taken(x, first), taken(y, first), taken(x, last), taken(y, last), classes, *more)


def _generator() -> np.random.Generator:
    return np.random.default_rng(5)


def _arrays(shape: tuple[int, ...]) -> Dataset:
    """Return samples that are bright or dark as a whole."""
    y = _generator().integers(0, 2, TRAIN + TEST).astype("int32")
    noise = _generator().normal(size=(TRAIN + TEST, *shape))
    return _split((noise + 3 * y.reshape(-1, *[1] * len(shape))).astype("float32"), y, 2)


def _letters(shortest: int = 3) -> list[np.ndarray]:
    generator = _generator()
    lengths = generator.integers(shortest, LENGTH, TRAIN + TEST)
    return [generator.integers(FIRST, LETTERS.vocabulary, length) for length in lengths]


def _texts() -> Dataset:
    """Return rows of one letter, of which the first half are of the first class."""
    generator = _generator()
    y = generator.integers(0, 2, TRAIN + TEST).astype("int32")
    rows = [np.full(LENGTH, FIRST + 3 * label + generator.integers(0, 3)) for label in y]
    return _split(
        padded(rows, LENGTH), y, 2, "classes", LETTERS.vocabulary, Encoding(("early", "late"), LETTERS, LENGTH)
    )


def _tags() -> Dataset:
    """Return rows of letters, spelled as words of one letter, each tagged by whether it is of the first half of the
    alphabet."""
    rows, encoding = _letters(), Encoding(("O", "B-late"), LETTERS, LENGTH, Spelling(LETTERS, 2))
    y = padded([(row >= FIRST + 3).astype(int) for row in rows], LENGTH, -1)
    return _split(encoding.tokens(map(LETTERS.decode, rows)), y, 2, "tags", LETTERS.vocabulary, encoding)


def _language() -> Dataset:
    """Return the alphabet, again and again, from any letter on."""
    starts = _generator().integers(0, 6, (TRAIN + TEST, 1))
    rows = (FIRST + (starts + np.arange(LENGTH + 1)) % 6).astype("int32")
    return _split(
        rows[:, :-1], rows[:, 1:], LETTERS.vocabulary, "language", LETTERS.vocabulary, Encoding((), LETTERS, LENGTH)
    )


def _translation() -> Dataset:
    """Return rows of letters, to be answered by their first letter."""
    rows = _letters()
    x = {
        "source": padded(rows, LENGTH),
        "samples": padded([[START, row[0]] for row in rows], LENGTH),
    }
    y = padded([[row[0], END] for row in rows], LENGTH, -1)
    return _split(x, y, LETTERS.vocabulary, "translation", LETTERS.vocabulary, Encoding((), LETTERS, LENGTH))


def _game() -> Dataset:
    """Return boards with one stone, whose place is the best move, and whose colour is the value."""
    generator = _generator()
    place, colour = (generator.integers(0, high, TRAIN + TEST) for high in (9, 2))
    board = np.eye(9, dtype="float32")[place].reshape(-1, 3, 3, 1)
    x = np.concatenate([board * colour[:, None, None, None], board * (1 - colour)[:, None, None, None]], -1)
    value = (2 * colour - 1).astype("float32")[:, None]
    return _split(x.astype("float32"), {"output": np.eye(9, dtype="float32")[place], "value": value}, 9, "game")


SETS = {
    "image": lambda: _arrays((8, 8, 1)),
    "vector": lambda: _arrays((6,)),
    "sequence": lambda: _arrays((5, 3)),
    "texts": _texts,
    "tags": _tags,
    "language": _language,
    "translation": _translation,
    "game": _game,
}
"""Data sets by name."""


def embedded(name: str) -> Embedded:
    """Return one of the sets as the package has its own."""
    data = SETS[name]()
    return Embedded(f"{name}, made up", data.shape, lambda: data)


ALL = {name: embedded(name) for name in SETS}


def entropy(data: Dataset) -> float:
    """Return the loss of who knows only how frequent each label is, the best that can be without looking at samples."""
    if data.task == "game":
        return _entropy(data.y_train["output"].argmax(1)) + float(data.y_train["value"].var())
    return _entropy(data.y_train[data.y_train >= 0])


def _entropy(labels: np.ndarray) -> float:
    shares = np.bincount(labels) / len(labels)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
