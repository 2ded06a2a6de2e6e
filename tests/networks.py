"""Every network of the catalogue at its tiny size, and data for it."""

from __future__ import annotations

import numpy as np

from reskeras.catalogue import ARCHITECTURES
from reskeras.options import check, describe

SHAPES = {"image": (8, 8, 1), "vector": (6,), "sequence": (5, 3)}
CLASSES = 3


def skips(name: str) -> tuple[str, ...]:
    """Return the skip choices of an architecture."""
    return next(option.choices for option in describe(ARCHITECTURES[name].options) if option.name == "skip")


TINY = [(name, skip) for name in ARCHITECTURES for skip in skips(name)]
"""Every architecture with every skip."""


def input_shape(name: str) -> tuple[int, ...]:
    """Return the shape of a sample that an architecture takes."""
    return SHAPES[ARCHITECTURES[name].inputs[0]]


def tiny_options(name: str, skip: str) -> dict:
    """Return the options of the smallest network of an architecture with a skip."""
    return {**ARCHITECTURES[name].tiny, "skip": skip}


def tiny_plan(name: str, skip: str):
    """Return the plan of the smallest network of an architecture with a skip."""
    entry = ARCHITECTURES[name]
    return entry.plan(check(entry.options, tiny_options(name, skip), name), input_shape(name), CLASSES)


def samples(name: str, count: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return random samples and labels for an architecture."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, *input_shape(name))).astype("float32")
    return x, generator.integers(0, CLASSES, count).astype("int32")
