"""Batch normalisation of vectors, sequences and images, with the weights that each option leaves."""

from examples import Example
from reskeras.layers import BatchNormalization


def _example(name, shape, arguments, weights=2):
    unknown = tuple(range(1, len(shape) - 1))
    facts = {"fixed": 2, "unknown": unknown}
    return Example(f"BatchNormalization-{name}", BatchNormalization, lambda: arguments, shape, shape, weights, **facts)


EXAMPLES = [
    _example("vector", (6, 4), {}),
    _example("sequence", (3, 5, 4), {"scale": False, "momentum": 0.9}, weights=1),
    _example("image", (2, 3, 4, 5), {"epsilon": 1e-5}),
    _example("bare", (2, 3, 4, 5), {"center": False, "scale": False}, weights=0),
]
