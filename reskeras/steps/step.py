"""What a step is: one operation as data, which knows the shape it gives and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

Shape = tuple[int, ...]
"""The shape of one sample: (tokens,) or (features,), (time, channels), or (height, width, channels)."""


class PlanError(ValueError):
    """The pieces of a network do not fit one another or the data."""


@dataclass(frozen=True)
class Initializer:
    """How a weight starts: a Keras initializer's class and arguments, `Initializer("RandomNormal", stddev=0.02)`."""

    name: str
    arguments: tuple[tuple[str, Any], ...]

    def __init__(self, name: str, **arguments: Any):
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", tuple(sorted(arguments.items())))


Start = str | Initializer
"""How a kernel starts: a name that Keras knows, or an `Initializer`."""


@dataclass(frozen=True)
class Step:
    """One operation on one tensor; a subclass is one kind, and its fields are its arguments.

    A step knows the shape it gives, how many weights it trains and what it computes, so that a network of any size can
    be counted without being built.
    """

    word: ClassVar[str] = "step"
    """What the kind is called in layer names: `conv`, `norm`, ..."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape that this step gives for one sample of `shape`."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Return how many numbers this step trains on samples of `shape`."""
        return 0

    def multiply_adds(self, shape: Shape) -> int:
        """Return the multiplications of weights and of attention for one sample of `shape`, each with its addition.

        Papers count convolutions, dense layers and attention only; normalisation, activations, pooling and additions
        of biases are left out.
        """
        return 0

    def activations(self, shape: Shape) -> int:
        """Return how many numbers this step writes for one sample of `shape`, which training keeps for the gradient."""
        return prod(self.output_shape(shape))

    def text(self) -> str:
        """Return the step as people write it."""
        return self.word


@dataclass(frozen=True)
class Cost:
    """What steps cost: weights trained, and multiply-adds and numbers written for one sample."""

    parameters: int = 0
    multiply_adds: int = 0
    activations: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters,
            self.multiply_adds + other.multiply_adds,
            self.activations + other.activations,
        )


def chain_shape(steps: tuple[Step, ...], shape: Shape) -> Shape:
    """Return the shape after `steps` for one sample of `shape`."""
    for step in steps:
        shape = step.output_shape(shape)
    return shape


def chain_cost(steps: tuple[Step, ...], shape: Shape) -> Cost:
    """Return what `steps` cost on samples of `shape`."""
    total = Cost()
    for step in steps:
        total += Cost(step.parameters(shape), step.multiply_adds(shape), step.activations(shape))
        shape = step.output_shape(shape)
    return total


def chain_parameters(steps: tuple[Step, ...], shape: Shape) -> int:
    """Return how many numbers `steps` train on samples of `shape`."""
    return chain_cost(steps, shape).parameters
