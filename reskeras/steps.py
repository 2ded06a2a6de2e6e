"""The operations a network is written with: each a piece of data that knows its shape and its count of weights."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

Shape = tuple[int, ...]
"""The shape of one sample: (features,), (time, channels) or (height, width, channels)."""


class PlanError(ValueError):
    """The pieces of a network do not fit one another or the data."""


@dataclass(frozen=True)
class Step:
    """One operation on one tensor; a subclass is one kind, and its fields are its arguments.

    A step knows the shape it gives and how many weights it trains, so that a network of any size can be counted without
    being built.
    """

    word: ClassVar[str] = "step"
    """What the kind is called in layer names: `conv`, `norm`, ..."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape that this step gives for one sample of `shape`."""
        return shape

    def parameters(self, shape: Shape) -> int:
        """Return how many numbers this step trains on samples of `shape`."""
        return 0

    def text(self) -> str:
        """Return the step as people write it."""
        return self.word


def _after_stride(size: int, stride: int) -> int:
    return -(-size // stride)


@dataclass(frozen=True)
class Conv(Step):
    """Convolution over the space axes with `same` padding: `filters` outputs, square `kernel`, He initialised."""

    filters: int
    kernel: int = 3
    stride: int = 1
    bias: bool = False
    word: ClassVar[str] = "conv"

    def output_shape(self, shape):
        return (*(_after_stride(size, self.stride) for size in shape[:-1]), self.filters)

    def parameters(self, shape):
        return self.kernel ** (len(shape) - 1) * shape[-1] * self.filters + self.bias * self.filters

    def text(self):
        return f"conv {self.kernel}x{self.kernel} {self.filters}" + (f" /{self.stride}" if self.stride > 1 else "")


@dataclass(frozen=True)
class Dense(Step):
    """Keras's Dense on the last axis; `initializer` is a Keras name."""

    units: int
    initializer: str = "he_normal"
    word: ClassVar[str] = "dense"

    def output_shape(self, shape):
        return (*shape[:-1], self.units)

    def parameters(self, shape):
        return shape[-1] * self.units + self.units

    def text(self):
        return f"dense {self.units}"


@dataclass(frozen=True)
class Norm(Step):
    """Normalisation of kind `"batch"` or `"layer"`; `zero` starts the scale at 0, so that a branch starts silent."""

    kind: str = "batch"
    zero: bool = False
    word: ClassVar[str] = "norm"

    def parameters(self, shape):
        return 2 * shape[-1]

    def text(self):
        return f"{self.kind} norm" + (" from 0" if self.zero else "")


@dataclass(frozen=True)
class Activation(Step):
    """An activation by its Keras name."""

    name: str = "relu"
    word: ClassVar[str] = "activation"

    def text(self):
        return self.name


@dataclass(frozen=True)
class Dropout(Step):
    """Dropout of the share `rate` of the units."""

    rate: float
    word: ClassVar[str] = "dropout"

    def text(self):
        return f"dropout {self.rate:g}"


@dataclass(frozen=True)
class AveragePool(Step):
    """Average over windows of `size` with a stride of `size`."""

    size: int = 2
    word: ClassVar[str] = "pool"

    def output_shape(self, shape):
        return (*(_after_stride(size, self.size) for size in shape[:-1]), shape[-1])

    def text(self):
        return f"average pool {self.size}"


@dataclass(frozen=True)
class GlobalPool(Step):
    """Average over all space or time axes."""

    word: ClassVar[str] = "pool"

    def output_shape(self, shape):
        return (shape[-1],)

    def text(self):
        return "global average pool"


@dataclass(frozen=True)
class Flatten(Step):
    """All axes of a sample as one."""

    word: ClassVar[str] = "flatten"

    def output_shape(self, shape):
        return (prod(shape),)


@dataclass(frozen=True)
class PadChannels(Step):
    """Every `stride`-th position, and zeros for missing channels: option A of He et al. 2015, no weights."""

    filters: int
    stride: int = 1
    word: ClassVar[str] = "pad"

    def output_shape(self, shape):
        return (*(_after_stride(size, self.stride) for size in shape[:-1]), self.filters)

    def text(self):
        return f"pad to {self.filters}" + (f" /{self.stride}" if self.stride > 1 else "")


@dataclass(frozen=True)
class Tokens(Step):
    """A sample as a sequence of tokens of `width`, mapped linearly, each with a bias that is its learned position.

    Tokens are patches of `patch` x `patch` for an image, time steps for a sequence, and single features for a vector;
    features are of different kinds, so each has a map of its own, where patches and time steps share one.
    """

    width: int
    patch: int = 1
    word: ClassVar[str] = "tokens"

    def output_shape(self, shape):
        if len(shape) == 3:
            return ((shape[0] // self.patch) * (shape[1] // self.patch), self.width)
        return (shape[0], self.width)

    def parameters(self, shape):
        tokens = self.output_shape(shape)[0]
        kernel = {1: tokens, 2: shape[-1], 3: self.patch**2 * shape[-1]}[len(shape)] * self.width
        return kernel + tokens * self.width

    def text(self):
        return f"tokens {self.width}" + (f" of {self.patch}x{self.patch}" if self.patch > 1 else "")


@dataclass(frozen=True)
class Attention(Step):
    """Multi-head self-attention (Vaswani et al. 2017) with `heads` heads and dropout of attention weights."""

    heads: int
    dropout: float = 0.0
    word: ClassVar[str] = "attention"

    def parameters(self, shape):
        return 4 * shape[-1] * (shape[-1] + 1)

    def text(self):
        return f"attention {self.heads} heads"


@dataclass(frozen=True)
class Standardize(Step):
    """Input minus `mean`, over the root of `variance`, for each channel or feature; constants of the data."""

    mean: tuple[float, ...]
    variance: tuple[float, ...]
    word: ClassVar[str] = "standardize"

    def text(self):
        return "standardize"


def chain_shape(steps: tuple[Step, ...], shape: Shape) -> Shape:
    """Return the shape after `steps` for one sample of `shape`."""
    for step in steps:
        shape = step.output_shape(shape)
    return shape


def chain_parameters(steps: tuple[Step, ...], shape: Shape) -> int:
    """Return how many numbers `steps` train on samples of `shape`."""
    count = 0
    for step in steps:
        count += step.parameters(shape)
        shape = step.output_shape(shape)
    return count
