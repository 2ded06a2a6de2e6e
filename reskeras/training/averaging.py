"""Moving averages of weights, which an optimizer keeps and the finished network gets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np

from reskeras import backend


def _pairs(model: keras.Model) -> list[tuple[keras.Variable, keras.Variable]]:
    """Return each weight with its average; nothing where the optimizer keeps none. What records has none."""
    optimizer = model.optimizer
    if not optimizer.use_ema or not optimizer.built:
        return []
    pairs = zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True)
    return [(weight, average) for weight, average in pairs if average is not None]


def take_averages(model: keras.Model) -> None:
    """Give a compiled model the averages of its weights, where its optimizer keeps any."""
    for weight, average in _pairs(model):
        # A copy: JAX gives a model's arrays away when it evaluates.
        weight.assign(np.array(backend.as_numpy(average)))


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Let a compiled model have the averages of its weights for as long as this lasts."""
    kept = [(weight, np.array(backend.as_numpy(weight))) for weight, _ in _pairs(model)]
    take_averages(model)
    try:
        yield
    finally:
        for weight, value in kept:
            weight.assign(value)


class Averaged(keras.callbacks.Callback):
    """Has a training validate with the averages of the weights, and go on with the weights.

    As Keras's `SwapEMAWeights`, which takes no optimizer that records: some of its variables have no average.
    """

    def on_test_begin(self, logs=None):
        self._lasting = averaged(self._model)
        self._lasting.__enter__()

    def on_test_end(self, logs=None):
        self._lasting.__exit__(None, None, None)
