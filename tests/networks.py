"""Every network of the catalogue at its tiny size, and data for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass

import keras
import numpy as np
import pytest

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


def _parts(name: str, skip: str) -> set:
    """Return what a network is made of: kinds of steps, skips, inputs and outputs."""

    def kinds(part):
        if isinstance(part, tuple):
            return {kind for each in part for kind in kinds(each)}
        if not is_dataclass(part):
            return set()
        return {type(part).__name__}.union(*(kinds(getattr(part, each.name)) for each in fields(part)))

    plan = tiny_plan(name, skip)
    return kinds(plan) | {skip, ARCHITECTURES[name].inputs[0], len(plan.outputs())}


def _with_each_part_once() -> set[tuple[str, str]]:
    """Return few of `ONCE` that have every part between them."""
    rest = {each: _parts(*each) for each in ONCE}
    seen, found = set(), set()
    while rest := {each: parts - seen for each, parts in rest.items() if parts - seen}:
        most = max(rest, key=lambda each: len(rest[each]))
        found.add(most)
        seen |= rest[most]
    return found


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


EACH_PART = _with_each_part_once()
"""Few of `ONCE` that have every kind of part between them."""

EACH_PART_ONCE = [pytest.param(*each, marks=[] if each in EACH_PART else [pytest.mark.any_backend]) for each in ONCE]
"""`ONCE` as parameters: on further backends, a few that have every kind of part between them."""


def each_part_once(names: Iterable[str]) -> list:
    """Return names of families as parameters: on further backends, those of `EACH_PART_ONCE`."""
    needed = {name for name, _ in EACH_PART}
    return [pytest.param(name, marks=[] if name in needed else [pytest.mark.any_backend]) for name in names]
