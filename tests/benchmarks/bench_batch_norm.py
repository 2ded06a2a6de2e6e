"""Batch normalisation in one kernel against Keras's own, in whole training steps and predictions of a residual network.

KERAS_BACKEND=tensorflow python tests/benchmarks/bench_batch_norm.py
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import keras
import numpy as np

from reskeras import layers

BLOCKS, CHANNELS, SIDE, BATCH = 9, 16, 32, 64
NORMS = {"Keras": keras.layers.BatchNormalization, "reskeras": layers.BatchNormalization}


def network(norm: type[keras.Layer]) -> keras.Model:
    """Return a compiled network of basic residual blocks, the same weights each time."""
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((SIDE, SIDE, CHANNELS))
    for _ in range(BLOCKS):
        inner = keras.layers.ReLU()(norm(momentum=0.9)(_convolution()(x)))
        x = keras.layers.ReLU()(keras.layers.Add()([x, norm(momentum=0.9)(_convolution()(inner))]))
    model = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    return model


def _convolution() -> keras.Layer:
    return keras.layers.Conv2D(CHANNELS, 3, padding="same", use_bias=False)


def paired(actions: dict[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Return the median milliseconds of each action, taken in turns so that what else runs slows all alike."""
    found = {name: [] for name in actions}
    for turn in range(times + 1):
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            # The first of each compiles.
            if turn:
                found[name].append((time.perf_counter() - start) * 1e3)
    return {name: median(taken) for name, taken in found.items()}


def main() -> None:
    """Measure a training step and a prediction with both, and print their medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=11, help="measurements of each")
    times = parser.parse_args().times
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(BATCH, SIDE, SIDE, CHANNELS)).astype("float32"), generator.integers(0, 10, BATCH)
    models = {name: network(norm) for name, norm in NORMS.items()}
    kinds = {
        "training step": {name: lambda model=model: model.train_on_batch(x, y) for name, model in models.items()},
        "prediction": {name: lambda model=model: model.predict_on_batch(x) for name, model in models.items()},
    }
    for kind, actions in kinds.items():
        taken = paired(actions, times)
        figures = "  ".join(f"{name} {each:.0f} ms" for name, each in taken.items())
        print(
            f"{keras.backend.backend():<11}{kind:<15}{figures}  ratio {taken['reskeras'] / taken['Keras']:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
