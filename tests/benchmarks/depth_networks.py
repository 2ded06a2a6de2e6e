"""The networks that bench_depth.py measures, and the forms it measures each in; imports neither Keras nor a backend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reskeras import catalogue
from reskeras.plan import Block, Plan, Stage
from reskeras.steps import Activation, Dense, Initializer

CLASSES = 10
MLP_WIDTH = 64
GPT_WIDTH, GPT_HEADS, GPT_TIME, GPT_WORDS = 128, 4, 128, 256
LEARNING_RATES = {"adam": 1e-3, "sgd": 0.01}
MOMENTUM = 0.9

NETWORKS = (
    *(f"mlp-{depth}" for depth in (10, 100, 300, 1000)),
    "highway-50",
    "resnet-20",
    "resnet-110",
    "densenet-40",
    "gpt-12",
)

KERAS_FORMS = ("keras", "unrolled", "stacked", "telemetry", "xla")
"""Keras's own layers alone; ours with a layer for each block; ours with stacks; these with gradients recorded; stacks
compiled with `jit_compile=True` on TensorFlow, which runs operations one by one otherwise."""

BY_BATCH = {"keras_by_batch": "keras", "stacked_by_batch": "stacked"}
"""Two of them by `train_on_batch` instead of `fit`: on JAX, Keras then hands every variable back each step."""

PEERS = {
    "torch": {
        "mlp": ("eager", "compiled"),
        "highway": ("eager", "compiled"),
        "resnet": ("eager", "channels_last", "compiled", "compiled_channels_last"),
        "gpt": ("eager", "compiled"),
    },
    "jax": {"mlp": ("scan",), "highway": ("scan",), "resnet": ("jit",), "gpt": ("scan",)},
    "tensorflow": {"mlp": ("function",), "resnet": ("function",)},
}
"""What is written by hand without Keras, by backend and kind of network."""


@dataclass(frozen=True)
class Network:
    """A network to train on one batch, again and again.

    Attributes:
        name: kind and depth, such as `"mlp-300"`.
        kind: `"mlp"`, `"highway"`, `"resnet"`, `"densenet"` or `"gpt"`.
        depth: blocks of an MLP and layers of a GPT; for the others, layers as their papers count them.
        plan: the network as data.
        batch: samples in a step.
        optimizer: `"adam"`, or `"sgd"` with momentum.
    """

    name: str
    kind: str
    depth: int
    plan: Plan
    batch: int
    optimizer: str

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the batch: samples, channels last, and class numbers, for a GPT one for each token."""
        generator, shape = np.random.default_rng(0), (self.batch, *self.plan.input_shape)
        if self.kind == "gpt":
            text = generator.integers(0, GPT_WORDS, (self.batch, GPT_TIME + 1), dtype="int32")
            return text[:, :-1], text[:, 1:]
        return generator.normal(size=shape).astype("float32"), generator.integers(0, CLASSES, self.batch, dtype="int32")

    def step_operations(self) -> int:
        """Return the additions and multiplications of a training step; a backward pass counts as two forward ones."""
        return 2 * 3 * self.batch * self.plan.cost().multiply_adds


def network(name: str) -> Network:
    """Return the network called `name`: any kind at any depth that it has, such as `"resnet-56"`."""
    kind, _, depth = name.rpartition("-")
    if kind not in _KINDS or not depth.isdecimal():
        raise ValueError(f"There is no network {name!r}. Give one of {', '.join(_KINDS)} with a depth: {NETWORKS[0]}.")
    write, batch, optimizer = _KINDS[kind]
    return Network(name, kind, int(depth), write(int(depth)), batch, optimizer)


def _mlp(depth: int) -> Plan:
    # Branches start smaller the more there are, so that what is added up stays finite at any depth.
    last = Initializer("VarianceScaling", scale=1 / depth, mode="fan_in", distribution="truncated_normal")
    block = Block((Dense(MLP_WIDTH), Activation("relu"), Dense(MLP_WIDTH, last)))
    return Plan(f"mlp-{depth}", (MLP_WIDTH,), CLASSES, (), (Stage((block,) * depth),), (Dense(CLASSES),))


def _gpt(depth: int) -> Plan:
    size = {"width": GPT_WIDTH, "heads": GPT_HEADS, "positions": GPT_TIME}
    return catalogue.plan("gpt", (GPT_TIME,), GPT_WORDS, depth=depth, dropout=0.0, **size)


_KINDS: dict[str, tuple[Callable[[int], Plan], int, str]] = {
    "mlp": (_mlp, 32, "adam"),
    "highway": (lambda depth: catalogue.plan("highway", (784,), CLASSES, depth=depth), 32, "adam"),
    "resnet": (lambda depth: catalogue.plan("resnet", (32, 32, 3), CLASSES, depth=depth), 128, "sgd"),
    "densenet": (lambda depth: catalogue.plan("densenet", (32, 32, 3), CLASSES, depth=depth, growth=12), 64, "sgd"),
    "gpt": (_gpt, 8, "adam"),
}


def forms_of(kind: str, backend: str) -> tuple[str, ...]:
    """Return the forms in which a kind of network is measured on a backend."""
    # XLA takes no Dense on more than vectors in a loop of TensorFlow's, and convolutions are slow in it.
    compiled = backend == "tensorflow" and kind in ("mlp", "highway")
    by_batch = tuple(BY_BATCH) if kind == "mlp" else ()
    return (*KERAS_FORMS[: None if compiled else -1], *by_batch, *PEERS[backend].get(kind, ()))


@dataclass(frozen=True)
class Peer:
    """A network written by hand.

    Attributes:
        step: runs one training step on the batch.
        wait: returns when the device is done with the steps so far.
        parameters: how many numbers are trained.
    """

    step: Callable[[], None]
    wait: Callable[[], None]
    parameters: int
