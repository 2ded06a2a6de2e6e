"""Batch normalisation in one kernel against Keras's own, in whole training steps and predictions of a residual network.

    KERAS_BACKEND=tensorflow python tests/benchmarks/bench_batch_norm.py

Nine basic blocks, 16 channels, 32x32, batch 64, SGD with momentum. Two cores of an AMD EPYC, 21 November 2026, Keras
3.15.1, TensorFlow 2.21.0, PyTorch 2.13.0, JAX 0.10.2. Medians of 15 taken in turns in one process, while other work ran
on the same cores (load 4 to 6, so times say little and ratios spread). Times are those of the first run.

| backend | step | Keras | reskeras | ratio | ratios of further runs |
|---|---|---|---|---|---|
| TensorFlow | training | 283 ms | 174 ms | 0.62 | 0.79, 0.77 |
| TensorFlow | prediction | 92 ms | 87 ms | 0.95 | 0.71, 0.78 |
| PyTorch | training | 233 ms | 178 ms | 0.76 | 0.84, 0.79 |
| PyTorch | prediction | 91 ms | 85 ms | 0.94 | 0.91, 0.97 |
| JAX | training | 940 ms | 902 ms | 0.96 | 1.03 |
| JAX | prediction | 77 ms | 79 ms | 1.02 | 1.01 |

On JAX both are Keras's operations, so its rows show how far ratios spread by chance. Tried there in the same network
and left out, medians of 7 against Keras's 1,410 ms: sums of x and of its square in one pass 1,381 ms; the same about
one value of x 1,320 to 1,377 ms; the same as products of matrices, which lose digits, 1,292 ms. A gradient written by
hand took 5 to 9 % longer than XLA's own in a step of six convolutions of this size, and as long at 64 channels, 8x8.
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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
