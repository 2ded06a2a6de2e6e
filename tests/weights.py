"""Weights that no fresh layer has, so that a test sees whether they were kept."""

from __future__ import annotations

import keras
import numpy as np


def randomise(layer: keras.Layer, seed: int = 3) -> None:
    """Give every weight and every moving statistic of a layer or model a random value; variances stay positive."""
    generator = np.random.default_rng(seed)
    for variable in layer.variables:
        if "float" in variable.dtype:
            noise = generator.normal(scale=0.3, size=variable.shape)
            variable.assign((1 + np.abs(noise) if "variance" in variable.path else noise).astype(variable.dtype))


def randomise_normalizations(model: keras.Model, seed: int = 3) -> None:
    """Give scales, shifts, statistics and biases values that no fresh layer has, about as large as trained ones."""
    generator = np.random.default_rng(seed)
    for variable in model.variables:
        if len(variable.shape) == 1:
            around_one = "gamma" in variable.path or "variance" in variable.path
            variable.assign((around_one + generator.uniform(-0.5, 0.5, variable.shape)).astype("float32"))
