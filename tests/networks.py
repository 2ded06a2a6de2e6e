"""Every network of the catalogue at its tiny size, and data for it."""

from __future__ import annotations

import keras
import numpy as np

from reskeras.catalogue import ARCHITECTURES
from reskeras.options import check, describe
from reskeras.plan import Plan

SHAPES = {"image": (8, 8, 1), "vector": (6,), "sequence": (5, 3), "tokens": (7,)}
CLASSES = 3

ONE_CLASS_A_SAMPLE = ("classes", "game")
"""The tasks whose main output is one class for the whole sample; the others have one for each token."""


def skips(name: str) -> tuple[str, ...]:
    """Return the skip choices of an architecture."""
    return next(option.choices for option in describe(ARCHITECTURES[name].options) if option.name == "skip")


OURS = [name for name, entry in ARCHITECTURES.items() if not entry.extra]
"""The families that this package builds by itself."""

TINY = [(name, skip) for name in OURS for skip in skips(name)]
"""Every architecture of our own with every skip."""

ONCE = [
    (name, skip)
    for index, (name, skip) in enumerate(TINY)
    if name not in dict(TINY[:index]) or skip not in dict(map(reversed, TINY[:index]))
]
"""Every architecture and every skip, each once at least: for what takes compiling, and where the two do not meet."""


def input_shape(name: str) -> tuple[int, ...]:
    """Return the shape of a sample that an architecture takes."""
    return SHAPES[ARCHITECTURES[name].inputs[0]]


def output_shape(name: str, sample: tuple[int, ...], classes: int = CLASSES) -> tuple[int, ...]:
    """Return the shape of an architecture's main output for one sample of the shape `sample`."""
    return (classes,) if ARCHITECTURES[name].task in ONE_CLASS_A_SAMPLE else (sample[0], classes)


def tiny_options(name: str, skip: str) -> dict:
    """Return the options of the smallest network of an architecture with a skip."""
    return {**ARCHITECTURES[name].tiny, "skip": skip}


def tiny_plan(name: str, skip: str) -> Plan:
    """Return the plan of the smallest network of an architecture with a skip."""
    entry = ARCHITECTURES[name]
    return entry.plan(check(entry.options, tiny_options(name, skip), name), input_shape(name), CLASSES)


def samples(name: str, count: int = 6, seed: int = 0, padded: bool = False):
    """Return random samples for the smallest network of an architecture, and what it is to learn.

    Args:
        name: the architecture.
        count: how many samples.
        seed: another seed gives other samples.
        padded: whether the last tokens of a sequence are 0, which is padding where a network leaves it out.

    Returns:
        samples, an array or where the network has several inputs a dictionary of them; and labels, an array or where it
        has several outputs a dictionary of labels for `"output"` and numbers for the others.
    """
    plan, generator = tiny_plan(name, skips(name)[0]), np.random.default_rng(seed)
    x = {"samples": _input(plan, count, generator, padded)}
    if plan.encoder:
        x["source"] = _input(plan.encoder, count, generator, padded)
    if plan.takes_segments():
        x["segments"] = generator.integers(0, 2, (count, *plan.input_shape)).astype("int32")
    outputs = plan.outputs()
    y = {key: generator.uniform(-1, 1, (count, *shape)).astype("float32") for key, shape in outputs.items()}
    y["output"] = generator.integers(0, CLASSES, (count, *outputs["output"][:-1])).astype("int32")
    return _alone(x), _alone(y)


def _input(plan: Plan, count: int, generator: np.random.Generator, padded: bool) -> np.ndarray:
    shape = (count, *plan.input_shape)
    if not plan.takes_tokens():
        return generator.normal(size=shape).astype("float32")
    tokens = generator.integers(1, plan.stem[0].vocabulary, shape).astype("int32")
    if padded:
        tokens[:, -2:] = 0
    return tokens


def _alone(named: dict[str, np.ndarray]):
    return named if len(named) > 1 else next(iter(named.values()))


def predict(model: keras.Model, x) -> list[np.ndarray]:
    """Return what a model gives for samples, one array an output."""
    # Whatever takes less time to compile: JAX compiles single operations too.
    outputs = model.predict(x, verbose=0) if keras.backend.backend() == "jax" else model(x, training=False)
    return [keras.ops.convert_to_numpy(each) for each in keras.tree.flatten(outputs)]


def recursion(model: keras.Model) -> int:
    """Return how deep Keras's recursion over the graph of a model goes: first inputs first, each layer once."""
    met, deepest = set(), 0
    for output in model.outputs:
        stack = [_node(output)]
        while stack:
            deepest = max(deepest, len(stack))
            met.add(id(stack[-1]))
            inputs = [] if stack[-1].is_input else map(_node, stack[-1].input_tensors)
            following = next((node for node in inputs if id(node) not in met), None)
            if following is None:
                stack.pop()
            else:
                stack.append(following)
    return deepest


def _node(tensor):
    layer, index, _ = tensor._keras_history
    return layer._inbound_nodes[index]
