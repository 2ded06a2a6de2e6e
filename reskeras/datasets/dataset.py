"""What every data set gives: arrays for training and test, and their shape."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from reskeras.datasets.encoding import Encoding
from reskeras.printable import printable
from reskeras.tasks import INPUT_KINDS, TOKEN_KINDS

Arrays = np.ndarray | Mapping[str, np.ndarray]
"""Samples or labels: one array, or one for each input or output of a network, by its name; samples come first."""


class DataError(ValueError):
    """A data set is missing, or is not what training needs. The message can be shown as it is, whatever a file held."""

    def __init__(self, message: str):
        super().__init__(printable(message))


@dataclass(frozen=True)
class DataShape:
    """What a data set is like.

    Attributes:
        input_shape: shape of one sample; of a sequence of tokens, how many there are, and where words come with their
            characters, one more than how many these are.
        classes: how many classes, tags, words or moves there are to tell apart; None where only the labels tell.
        train, test: how many samples there are to train and to test on.
        task: what is learnt, a name in `tasks.TASKS`.
        vocabulary: how many token numbers there are; None where samples are no tokens.
        labels: the names of the classes, tags or moves, in the order of their numbers; empty where they are numbers.
        alphabet: how many numbers of characters there are; None where there are no characters beside words.
    """

    input_shape: tuple[int, ...]
    classes: int | None
    train: int
    test: int
    task: str = "classes"
    vocabulary: int | None = None
    labels: tuple[str, ...] = ()
    alphabet: int | None = None

    @property
    def kind(self) -> str:
        """What samples are called, by `tasks.INPUT_KINDS` and `tasks.TOKEN_KINDS`."""
        kinds = TOKEN_KINDS if self.vocabulary else INPUT_KINDS
        return kinds.get(len(self.input_shape), "unknown kind")


@dataclass(frozen=True)
class Dataset:
    """Samples and labels as numpy arrays.

    Attributes:
        x_train, x_test: (samples, *input_shape), raw values of any number type. Token numbers are int32, 0 being
            padding. For translation, `"source"` and `"samples"`, (samples, tokens) each: what is read, and what has
            been written so far, from `encoding.START` on.
        y_train, y_test: what `tasks.TASKS` says of the task's labels; numbers are int32, shares float32.
        classes: how many classes, tags, words or moves there are.
        task: what is learnt.
        vocabulary: how many token numbers there are; None where samples are no tokens.
        encoding: how raw samples become these arrays.
        notes: sentences that say which files were taken for what, and what was left out.
    """

    x_train: Arrays
    y_train: Arrays
    x_test: Arrays
    y_test: Arrays
    classes: int
    task: str = "classes"
    vocabulary: int | None = None
    encoding: Encoding = field(default_factory=Encoding)
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> DataShape:
        """What this data set is like."""
        samples, spelling = first(self.x_train), self.encoding.spelling
        return DataShape(
            samples.shape[1:],
            self.classes,
            len(samples),
            len(first(self.x_test)),
            self.task,
            self.vocabulary,
            self.encoding.labels,
            spelling and spelling.text.vocabulary,
        )

    @cached_property
    def checksum(self) -> str:
        """What is the same where samples, labels and their numbers are the same, and else most likely another:
        the CRC-32 of them all, in hexadecimal."""
        total = zlib.crc32(repr((self.task, self.classes, self.encoding)).encode("utf-8", "replace"))
        for arrays in (self.x_train, self.y_train, self.x_test, self.y_test):
            for each in arrays.values() if isinstance(arrays, Mapping) else [arrays]:
                total = zlib.crc32(
                    np.ascontiguousarray(each), zlib.crc32(f"{each.dtype.str}{each.shape}".encode(), total)
                )
        return f"{total:08x}"

    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and variance of the training samples for each channel (images, sequences) or feature (vectors).

        A channel that never varies gets variance 1, so that it stays a constant when divided by it.
        """
        axes = tuple(range(self.x_train.ndim - 1))
        mean = self.x_train.mean(axes, dtype=np.float64)
        variance = self.x_train.var(axes, dtype=np.float64)
        variance = np.where(variance > 0, variance, 1.0)
        return tuple(map(float, mean)), tuple(map(float, variance))


def first(arrays: Arrays) -> np.ndarray:
    """Return the array, or the first of several."""
    return next(iter(arrays.values())) if isinstance(arrays, Mapping) else arrays


def taken(arrays: Arrays, chosen) -> Arrays:
    """Return some of the samples: those at an index, a slice, or an array of indices."""
    if isinstance(arrays, Mapping):
        return {name: each[chosen] for name, each in arrays.items()}
    return arrays[chosen]
