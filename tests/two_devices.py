"""Trains a network on two devices and on one, and prints what was measured of the first step of both as JSON."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import keras
import numpy as np
from autodiff import gradients

import reskeras

STATISTICS = ("gradient_norm", "clipped_norm", "weight_norm", "update_ratio", "forward_rms", "backward_norm",
              "branch_ratio")  # fmt: skip


def network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    stream = keras.layers.Dense(6, name="stem")(inputs)
    for number in range(2):
        branch = keras.layers.Dense(6, "tanh", name=f"branch{number}")(stream)
        stream = keras.layers.Add(name=f"block{number}")([stream, branch])
    watched = reskeras.watch(keras.Model(inputs, keras.layers.Dense(3, name="head")(stream)))
    watched.compile(keras.optimizers.SGD(0.1, clipnorm=1e9), keras.losses.SparseCategoricalCrossentropy(True))
    return watched


def samples():
    generator = np.random.default_rng(0)
    return generator.normal(size=(16, 6)).astype("float32"), np.zeros(16, "int32")


def noise_of_halves() -> float:
    """Return the noise scale of the first batch, from the gradients of it and of its two halves."""
    model, (x, y) = network().watched, samples()
    square = [
        sum(float(np.sum(each.astype("float64") ** 2)) for each in gradients(model, x[part], y[part]).values())
        for part in (slice(0, 8), slice(0, 4), slice(4, 8))
    ]
    large, small = square[0], (square[1] + square[2]) / 2
    return ((small - large) / (1 - 1 / 2)) / (2 * large - small)


def trained(model, folder) -> tuple[dict, float]:
    x, y = samples()
    monitor = reskeras.GradientMonitor(folder, level="probes")
    model.fit(x, y, batch_size=8, shuffle=False, verbose=0, callbacks=[monitor])
    found = {name: monitor.run.series(name).median[0].tolist() for name in STATISTICS}
    return found, monitor.run.series("noise_scale").median[0, 0]


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    if keras.backend.backend() == "jax":
        import jax

        devices = len(jax.devices())
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
        parallel = trained(network(), folder / "two")
        keras.distribution.set_distribution(None)
    else:
        import tensorflow as tf

        parts = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        devices = strategy.num_replicas_in_sync
        with strategy.scope():
            model = network()
        parallel = trained(model, folder / "two")
    parallel, noise = parallel
    alone, _ = trained(network(), folder / "one")
    compared = {name: (parallel[name], alone[name]) for name in STATISTICS}
    print(json.dumps({"devices": devices, "statistics": compared, "noise": [float(noise), noise_of_halves()]}))


if __name__ == "__main__":
    main()
