"""Steps on samples of any shape: dense maps, normalisation, activations, dropout."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from reskeras.steps.step import Start, Step


@dataclass(frozen=True)
class Dense(Step):
    """Keras's Dense on the last axis: `units` outputs; `initializer` says how the kernel starts."""

    units: int
    initializer: Start = "he_normal"
    bias: bool = True
    word: ClassVar[str] = "dense"

    def output_shape(self, shape):
        return (*shape[:-1], self.units)

    def parameters(self, shape):
        return (shape[-1] + self.bias) * self.units

    def multiply_adds(self, shape):
        return prod(shape) * self.units

    def text(self):
        return f"dense {self.units}"


@dataclass(frozen=True)
class Norm(Step):
    """Normalisation of kind `"batch"` or `"layer"`; `zero` starts the scale at 0, so that a branch starts silent."""

    kind: str = "batch"
    zero: bool = False
    epsilon: float = 1e-5
    word: ClassVar[str] = "norm"

    def parameters(self, shape):
        return 2 * shape[-1]

    def text(self):
        return f"{self.kind} norm" + (" from 0" if self.zero else "")


@dataclass(frozen=True)
class Activation(Step):
    """An activation by its Keras name; `gelu` is the exact form, `gelu_tanh` the approximation of GPT-2 and BERT."""

    name: Any = "relu"
    word: ClassVar[str] = "activation"

    def text(self):
        return self.name if isinstance(self.name, str) else getattr(self.name, "__name__", "activation")


@dataclass(frozen=True)
class Dropout(Step):
    """Dropout of the share `rate` of the units."""

    rate: float
    word: ClassVar[str] = "dropout"

    def activations(self, shape):
        return 0 if not self.rate else prod(shape)

    def text(self):
        return f"dropout {self.rate:g}"


@dataclass(frozen=True)
class DropPath(Step):
    """Stochastic depth: a branch is dropped as a whole with the probability `rate`.

    Attributes:
        rate: probability that the branch is dropped.
        per: `"sample"`, or `"batch"` for one decision for all samples of a step.
        scale: `"train"` divides by 1 - rate in training, `"test"` multiplies by it in prediction (1603.09382).
    """

    rate: float
    per: str = "sample"
    scale: str = "train"
    word: ClassVar[str] = "droppath"

    def text(self):
        return f"drop path {self.rate:.3g}"


@dataclass(frozen=True)
class Flatten(Step):
    """All axes of a sample as one."""

    word: ClassVar[str] = "flatten"

    def output_shape(self, shape):
        return (prod(shape),)

    def activations(self, shape):
        return 0


@dataclass(frozen=True)
class Change(Step):
    """A random change of each image in training, by one of Keras's preprocessing layers; none in prediction.

    Attributes:
        kind: `"rotate"`, `"zoom"`, `"contrast"` or `"brightness"`.
        amount: how much at most, as a share: of a full turn, of the size, of the contrast, of the range of values.
        low, high: the smallest and the largest value that an image may have.
        seed: of what is drawn, so that weights start the same with the change and without.
    """

    kind: str
    amount: float
    low: float
    high: float
    seed: int
    word: ClassVar[str] = "change"

    def text(self):
        return f"{self.kind} {self.amount:g}"


@dataclass(frozen=True)
class Standardize(Step):
    """Input minus `mean`, over the root of `variance`, for each channel or feature; constants of the data."""

    mean: tuple[float, ...]
    variance: tuple[float, ...]
    word: ClassVar[str] = "standardize"

    def text(self):
        return "standardize"
