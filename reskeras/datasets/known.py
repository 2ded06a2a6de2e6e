"""Data sets that everybody knows, which Keras downloads once and keeps.

| set | samples | source |
|---|---|---|
| mnist | 60,000 + 10,000 digits | LeCun, Cortes and Burges 1998 |
| fashion_mnist | 60,000 + 10,000 garments | Xiao, Rasul and Vollgraf 2017 |
| cifar10, cifar100 | 50,000 + 10,000 photographs | Krizhevsky 2009 |
| imdb | 25,000 + 25,000 film reviews | Maas et al. 2011 |
| reuters | 8,982 + 2,246 news by 46 topics | Keras |
| california_housing | 16,512 + 4,128 districts by 4 classes of prices | Pace and Barry 1997 |

The last one's labels are prices. No task here learns a number, so a class is a quarter of the training's prices.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from reskeras.datasets import archive, fitting
from reskeras.datasets.dataset import DataError, Dataset, DataShape
from reskeras.datasets.encoding import FIRST, UNKNOWN, Encoding, TextCodec, padded
from reskeras.reading import Reading

WORDS = 20_000
LENGTH = 256

GARMENTS = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


@dataclass(frozen=True)
class Known:
    """A data set that is downloaded.

    Attributes:
        summary: what it is.
        shape: what it is like.
        files: what Keras calls its files in `cache()`.
    """

    summary: str
    shape: DataShape
    files: tuple[str, ...]


KNOWN: dict[str, Known] = {
    "mnist": Known(
        "70,000 handwritten digits, 28x28 pixels, 10 classes",
        DataShape((28, 28, 1), 10, 60_000, 10_000),
        ("mnist.npz",),
    ),
    "fashion_mnist": Known(
        "70,000 garments, 28x28 pixels, 10 classes",
        DataShape((28, 28, 1), 10, 60_000, 10_000, labels=GARMENTS),
        tuple(
            f"fashion-mnist/{name}-ubyte.gz"
            for name in ("train-labels-idx1", "train-images-idx3", "t10k-labels-idx1", "t10k-images-idx3")
        ),
    ),
    "cifar10": Known(
        "60,000 photographs, 32x32 pixels, 10 classes",
        DataShape((32, 32, 3), 10, 50_000, 10_000, labels=OBJECTS),
        ("cifar-10-batches-py-target_archive",),
    ),
    "cifar100": Known(
        "60,000 photographs, 32x32 pixels, 100 classes",
        DataShape((32, 32, 3), 100, 50_000, 10_000),
        ("cifar-100-python-target_archive",),
    ),
    "imdb": Known(
        "50,000 film reviews, good or bad",
        DataShape((LENGTH,), 2, 25_000, 25_000, "classes", FIRST + WORDS, ("bad", "good")),
        ("imdb.npz", "imdb_word_index.json"),
    ),
    "reuters": Known(
        "11,228 news by 46 topics",
        DataShape((LENGTH,), 46, 8_982, 2_246, "classes", FIRST + WORDS),
        ("reuters.npz", "reuters_word_index.json"),
    ),
    "california_housing": Known(
        "20,640 districts of California by 8 measurements, told apart by the quarter that their prices are in",
        DataShape((8,), len(QUARTERS), 16_512, 4_128, labels=QUARTERS),
        ("california_housing.npz",),
    ),
}
"""Each by its name, in the order in which they are shown."""


def cache() -> Path:
    """Return the folder in which Keras keeps what it has downloaded."""
    base = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    if base.exists() and not os.access(base, os.W_OK):
        base = Path("/tmp/.keras")
    return base / "datasets"


def described(name: str, reading: Reading, check: bool = True) -> DataShape:
    """Return what a data set is like, read in a way; arguments as in `datasets.describe`.

    Raises:
        OptionError: where the reading says what changes nothing of it.
    """
    shape = KNOWN[name].shape
    is_text = shape.vocabulary is not None
    if check:
        fitting.check(
            name, reading, shape, ("vocabulary_size", "length") if is_text else (), "words" if is_text else None
        )
    if not is_text:
        return shape
    length, words = reading.length or LENGTH, reading.vocabulary_size or WORDS
    return replace(shape, input_shape=(length,), vocabulary=FIRST + words)


def load(name: str, reading: Reading | None = None, check: bool = True) -> Dataset:
    """Return a data set, downloaded where it is not in `cache()` yet, with progress on standard error.

    Args:
        name: in `KNOWN`.
        reading: of texts, how many words have a number, and how many there are of a text at most.
        check: as in `datasets.describe`.

    Raises:
        DataError: where it cannot be downloaded, or is damaged.
        OptionError: where the reading says what changes nothing of it.
    """
    shape = described(name, reading or Reading(), check)
    if name == "mnist" and (file := cache() / KNOWN[name].files[0]).is_file():
        return _digits(file)
    with _downloading(name), _kept(KNOWN[name].files):
        # Not before it is asked for: Keras takes seconds to import.
        from keras import datasets

        module = getattr(datasets, name)
        if shape.vocabulary:
            return _texts(module, shape)
        (x_train, y_train), (x_test, y_test) = module.load_data()
    if shape.labels == QUARTERS:
        y_train, y_test = _quarters(y_train, y_test)
    x_train, x_test = (x.reshape(len(x), *shape.input_shape) for x in (x_train, x_test))
    y_train, y_test = (y.reshape(-1).astype(np.int32) for y in (y_train, y_test))
    return Dataset(x_train, y_train, x_test, y_test, shape.classes, encoding=Encoding(shape.labels))


def _quarters(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each number which quarter of the training's it is in, from 0."""
    ends = np.quantile(train, (0.25, 0.5, 0.75))
    return np.searchsorted(ends, train), np.searchsorted(ends, test)


def _digits(file: Path) -> Dataset:
    """Return the digits of a file, whoever wrote it: Keras would delete one of other bytes than it downloads."""
    data, shape = archive.load(file), KNOWN["mnist"].shape.input_shape
    if prod(data.shape.input_shape) != prod(shape):
        raise DataError(f"{file} holds samples of shape {data.shape.input_shape}; digits are 28x28.")
    x_train, x_test = (x.reshape(len(x), *shape) for x in (data.x_train, data.x_test))
    return replace(data, x_train=x_train, x_test=x_test)


def _texts(module, shape: DataShape) -> Dataset:
    (x_train, y_train), (x_test, y_test) = module.load_data(num_words=shape.vocabulary)
    ranks = module.get_word_index()
    codec = TextCodec("words", tuple(sorted(ranks, key=ranks.get)[: shape.vocabulary - FIRST]))
    [length] = shape.input_shape
    return Dataset(
        _numbers(x_train, length),
        y_train.astype(np.int32),
        _numbers(x_test, length),
        y_test.astype(np.int32),
        shape.classes,
        "classes",
        codec.vocabulary,
        Encoding(shape.labels, codec, length),
    )


def _numbers(rows, length: int) -> np.ndarray:
    """Return token numbers as this package has them: Keras begins each text with 1, and says 2 for an unknown word;
    words have the same numbers, the commonest the first one behind those that stand for no text."""
    return padded(([UNKNOWN if each == 2 else each for each in row[1:]] for row in rows), length)


@contextlib.contextmanager
def _kept(files: tuple[str, ...]) -> Iterator[None]:
    """Keep what a user has put into the cache: Keras deletes a file that is not what it expects before it downloads
    another, whether there is a network or not."""
    there = [path for path in (cache() / name for name in files) if path.is_file()]
    second = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in there}
    try:
        for path, link in second.items():
            with contextlib.suppress(OSError):
                os.link(path, link)
        yield
    finally:
        for path, link in second.items():
            with contextlib.suppress(OSError):
                if path.exists():
                    link.unlink()
                else:
                    link.rename(path)


@contextlib.contextmanager
def _downloading(name: str) -> Iterator[None]:
    try:
        # Standard output is for what a command answers.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except ImportError:
        raise
    except Exception as error:
        # Keras raises a bare Exception where there is no network, and what numpy and tarfile raise for damaged files.
        raise DataError(
            f"{name} is not in {cache()}, or damaged there, and could not be downloaded: {str(error).rstrip('.')}. "
            f"With a network, try again; or put {', '.join(KNOWN[name].files)} there, or give the path of your own "
            "copy: --data PATH."
        ) from None
