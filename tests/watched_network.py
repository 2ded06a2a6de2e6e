"""A small network with a stack, and samples for it, whose training is watched."""

from __future__ import annotations

import keras
import numpy as np

from reskeras.layers import Residual, Stack

SAMPLES, WIDTH, CLASSES = 8, 5, 3


def samples(count=SAMPLES):
    generator = np.random.default_rng(1)
    return generator.normal(size=(count, WIDTH)).astype("float32"), generator.integers(0, CLASSES, count)


def network(**options):
    keras.utils.set_random_seed(2)
    inputs = keras.Input((WIDTH,))
    first = keras.layers.Dense(WIDTH, "tanh", name="first", **options)(inputs)
    stacked = Stack(Residual([keras.layers.Dense(WIDTH, "tanh", name="inner")]), 3, name="blocks", **options)(first)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="head", **options)(stacked))


def cross_entropy():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
