"""What every data set gives: arrays for training and test, and their shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reskeras.printable import printable


class DataError(ValueError):
    """A data set is missing, or is not what training needs. The message can be shown as it is, whatever a file held."""

    def __init__(self, message: str):
        super().__init__(printable(message))


@dataclass(frozen=True)
class DataShape:
    """What a data set is like: the shape of one sample, how many classes, how many samples to train and to test on.

    `classes` is None where only the labels themselves tell.
    """

    input_shape: tuple[int, ...]
    classes: int | None
    train: int
    test: int


@dataclass(frozen=True)
class Dataset:
    """Samples and labels as numpy arrays.

    Attributes:
        x_train, x_test: (samples, *input_shape), raw values of any number type.
        y_train, y_test: (samples,) int32 class numbers from 0.
        classes: how many classes there are.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int

    @property
    def shape(self) -> DataShape:
        """What this data set is like."""
        return DataShape(self.x_train.shape[1:], self.classes, len(self.y_train), len(self.y_test))

    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and variance of the training samples for each channel (images, sequences) or feature (vectors).

        A channel that never varies gets variance 1, so that it stays a constant when divided by it.
        """
        axes = tuple(range(self.x_train.ndim - 1))
        mean = self.x_train.mean(axes, dtype=np.float64)
        variance = self.x_train.var(axes, dtype=np.float64)
        variance = np.where(variance > 0, variance, 1.0)
        return tuple(map(float, mean)), tuple(map(float, variance))
