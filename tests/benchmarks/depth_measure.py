"""One measurement of bench_depth.py, in a process of its own: what a network costs in one form, printed as JSON."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from math import ceil, prod
from pathlib import Path

import numpy as np
from depth_networks import BY_BATCH, KERAS_FORMS, LEARNING_RATES, MLP_WIDTH, MOMENTUM, Network, network
from resident import PeakMemory

import reskeras
from reskeras import runs
from reskeras.runs.settings import RunSettings, TrainingOptions

SHORT_STEP = 1.0
"""Seconds below which a step is given more warm ones before it."""


class Stopwatch:
    """Takes the time of steps in groups, and waits for the device between groups alone.

    Args:
        groups: how many groups are measured.
        seconds: how long a group takes, unless one step takes longer.

    Attributes:
        build: seconds until the network was built.
        first: seconds until its first step was over, from the same beginning.
        steps: seconds a step, for each group.
    """

    def __init__(self, groups: int, seconds: float):
        self._groups, self._seconds = groups, seconds
        self._began = self._before = time.perf_counter()
        self._done, self._open, self._size = 0, 0, 0
        self.build = self.first = 0.0
        self.steps: list[float] = []

    def built(self) -> None:
        """Take the time of building."""
        self.build = time.perf_counter() - self._began

    def stepped(self, wait: Callable[[], object]) -> bool:
        """Count a step, which may be under way still, and return whether one more is wanted."""
        self._open += 1
        if self._open < self._size:
            return True
        wait()
        now = time.perf_counter()
        each = (now - self._before) / self._open
        self._done, self._before, self._open = self._done + self._open, now, 0
        if self._done == 1:
            self.first = now - self._began
        elif self._size:
            self.steps.append(each)
        elif self._done >= (2 if each >= SHORT_STEP else 4):
            self._size = ceil(self._seconds / each)
        return len(self.steps) < self._groups


def describe(network: Network, path: Path) -> None:
    """Write a network in Keras's own layers alone: its configuration as JSON, and its weights beside it.

    In a process that measures nothing, for taking our network apart leaves memory behind.
    """
    import keras

    model = reskeras.portable(reskeras.build_plan(network.plan, stacked=False))
    for layer in model._flatten_layers():
        if not isinstance(layer, keras.Model) and type(layer) is not getattr(keras.layers, type(layer).__name__):
            raise TypeError(f"{layer.name} is a {type(layer)}, and not a layer of Keras's own.")
    np.savez(path.with_suffix(".npz"), *model.get_weights())
    path.write_text(model.to_json())


def keras_model(network: Network, form: str, described: Path | None):
    """Return a network in one of the forms that run in Keras, compiled."""
    if form == "keras":
        model = _plain_mlp(network) if network.kind == "mlp" else _plain(described)
    else:
        model = reskeras.build_plan(network.plan, stacked=form != "unrolled")
    _compile(model, network.optimizer, jit_compile=form == "xla" or "auto")
    return model


def _compile(model, optimizer: str, **options) -> None:
    import keras

    rate = LEARNING_RATES[optimizer]
    made = keras.optimizers.Adam(rate) if optimizer == "adam" else keras.optimizers.SGD(rate, momentum=MOMENTUM)
    model.compile(made, keras.losses.SparseCategoricalCrossentropy(from_logits=True), **options)


def _plain_mlp(network: Network):
    """Return a residual MLP as a user of Keras writes it."""
    import keras

    x = inputs = keras.Input((MLP_WIDTH,))
    for _ in range(network.depth):
        inner = keras.layers.Dense(MLP_WIDTH, activation="relu", kernel_initializer="he_normal")(x)
        start = keras.initializers.VarianceScaling(1 / network.depth)
        x = keras.layers.Add()([x, keras.layers.Dense(MLP_WIDTH, kernel_initializer=start)(inner)])
    return keras.Model(inputs, keras.layers.Dense(network.plan.classes)(x))


def _plain(described: Path):
    import keras

    model = keras.models.model_from_json(described.read_text())
    with np.load(described.with_suffix(".npz")) as weights:
        model.set_weights([weights[name] for name in weights.files])
    return model


def _fit(model, x, y, stepped: Callable, callbacks=()) -> None:
    """Train a compiled model on one batch as long as `stepped`, which is handed a function that waits, returns true."""
    import keras

    class Repeated(keras.utils.PyDataset):
        def __len__(self):
            return 1_000_000

        def __getitem__(self, index):
            return x, y

    class Clock(keras.callbacks.Callback):
        # At the beginning of the step after, for a callback on the end makes Keras convert every step's metrics; and by
        # `_model`, for `model` copies JAX's state back each time.
        def on_train_batch_begin(self, batch, logs=None):
            if batch and not stepped(self._wait):
                self._model.stop_training = True

        def _wait(self):
            state = getattr(self._model, "_jax_state", None)
            if state is not None:
                import jax

                # One by one: to JAX the containers, which Keras tracks, are leaves that need no waiting for.
                jax.block_until_ready([each for values in state.values() for each in values])
            elif keras.backend.backend() == "torch":
                import torch

                if torch.cuda.is_available():
                    torch.cuda.synchronize()
            else:
                self._model.optimizer.iterations.numpy()

    model.fit(Repeated(), epochs=1, shuffle=False, verbose=0, callbacks=[*callbacks, Clock()])


def _train_by_batch(model, x, y, stepped: Callable) -> None:
    """Train on one batch by `train_on_batch`, which waits for the step, as long as `stepped` returns true."""
    model.train_on_batch(x, y)
    while stepped(lambda: None):
        model.train_on_batch(x, y)


def _warm_up_keras(network: Network) -> None:
    """Train one layer for two steps: what a process does once, whatever the network, is not the network's cost."""
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    _compile(model, network.optimizer)
    left = iter((True, False))
    _fit(model, np.zeros((2, 2), "float32"), np.zeros(2, "int32"), lambda wait: (wait(), next(left))[1])


def _monitor(network: Network, folder: str):
    """Return the callback that records gradients in a new run in a folder."""
    from reskeras import telemetry

    settings = RunSettings(
        architecture=network.kind,
        options={},
        training=TrainingOptions(),
        input_shape=network.plan.input_shape,
        classes=network.plan.classes,
    )
    return telemetry.GradientMonitor(runs.create(settings, Path(folder)))


def measure_keras(network: Network, form: str, described: Path | None, **settings) -> dict:
    """Return what a network costs in one of the forms that run in Keras."""
    # Keras's seeds come from here; its own function for it would import TensorFlow wherever that is installed.
    random.seed(0)
    _warm_up_keras(network)
    if BY_BATCH.get(form, form) != "keras":
        importlib.import_module("reskeras.builder")
    x, y = network.samples()
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [_monitor(network, folder)] if form == "telemetry" else []
        memory, watch = PeakMemory(), Stopwatch(**settings)
        model = keras_model(network, BY_BATCH.get(form, form), described)
        watch.built()
        _check_parameters(network, sum(prod(each.shape) for each in model.trainable_variables))
        if form in BY_BATCH:
            _train_by_batch(model, x, y, watch.stepped)
        else:
            _fit(model, x, y, watch.stepped, callbacks)
    return _costs(network, watch, memory)


def measure_peer(network: Network, backend: str, form: str, **settings) -> dict:
    """Return what a network costs that is written by hand for a backend."""
    peers = importlib.import_module(f"peers_{backend}")
    peers.warm_up(form)
    memory, watch = PeakMemory(), Stopwatch(**settings)
    peer = peers.build(network, form)
    watch.built()
    _check_parameters(network, peer.parameters)
    peer.step()
    while watch.stepped(peer.wait):
        peer.step()
    return _costs(network, watch, memory)


def _check_parameters(network: Network, found: int) -> None:
    if found != network.plan.parameters():
        raise ValueError(f"{network.name} trains {network.plan.parameters():,} numbers, and this one {found:,}.")


def _costs(network: Network, watch: Stopwatch, memory: PeakMemory) -> dict:
    step = statistics.median(watch.steps)
    return {
        "build": watch.build,
        "first": watch.first,
        "step": step,
        "rate": network.step_operations() / step,
        "memory": memory.megabytes(),
    }


def machine(size: int = 2048) -> dict:
    """Return the additions and multiplications a second of a product of two float32 matrices, the best of several."""
    a = np.random.default_rng(0).normal(size=(size, size)).astype("float32")
    found = {"numpy": _best(lambda: a @ a)}
    if importlib.util.find_spec("torch"):
        import torch

        b = torch.from_numpy(a)
        found["torch"] = _best(lambda: b @ b)
    return {name: 2 * size**3 / seconds for name, seconds in found.items()}


def _best(action: Callable[[], object], times: int = 12) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        taken.append(time.perf_counter() - start)
    return min(taken)


def main() -> None:
    """Make one measurement and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", help="a form, 'describe' to write plain Keras's network, or 'machine'")
    parser.add_argument("network", nargs="?", type=network)
    parser.add_argument("--described", type=Path, help="file with the network in Keras's own layers")
    parser.add_argument("--groups", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.25, help="length of a group of steps")
    arguments = parser.parse_args()
    settings = {"groups": arguments.groups, "seconds": arguments.seconds}
    if arguments.form == "machine":
        found = machine()
    elif arguments.form == "describe":
        found = describe(arguments.network, arguments.described)
    elif arguments.form in (*KERAS_FORMS, *BY_BATCH):
        found = measure_keras(arguments.network, arguments.form, arguments.described, **settings)
    else:
        found = measure_peer(arguments.network, os.environ["KERAS_BACKEND"], arguments.form, **settings)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
