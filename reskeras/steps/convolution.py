"""Steps over space and time: convolutions, pools, padding."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from reskeras.steps.step import PlanError, Shape, Start, Step


def _after_stride(size: int, stride: int) -> int:
    return -(-size // stride)


def _windows(shape: Shape, size: int, stride: int, padding: str, what: str) -> Shape:
    """Return how many windows fit along each space axis."""
    if padding == "same":
        return tuple(_after_stride(each, stride) for each in shape[:-1])
    if any(each < size for each in shape[:-1]):
        raise PlanError(f"{what} needs at least {size} positions along each axis; received samples of shape {shape}.")
    return tuple((each - size) // stride + 1 for each in shape[:-1])


@dataclass(frozen=True)
class Conv(Step):
    """Convolution over the space axes: `filters` outputs, square `kernel`, padding `"same"` or `"valid"`."""

    filters: int
    kernel: int = 3
    stride: int = 1
    bias: bool = False
    padding: str = "same"
    initializer: Start = "he_normal"
    word: ClassVar[str] = "conv"

    def output_shape(self, shape):
        space = _windows(shape, self.kernel, self.stride, self.padding, f"A convolution of {self.kernel}")
        return (*space, self.filters)

    def parameters(self, shape):
        return self.kernel ** (len(shape) - 1) * shape[-1] * self.filters + self.bias * self.filters

    def multiply_adds(self, shape):
        return prod(self.output_shape(shape)) * self.kernel ** (len(shape) - 1) * shape[-1]

    def text(self):
        return f"conv {self.kernel}x{self.kernel} {self.filters}" + (f" /{self.stride}" if self.stride > 1 else "")


@dataclass(frozen=True)
class Pad(Step):
    """`size` zeros on both sides of each space axis, as PyTorch and Caffe pad; Keras's `same` pads one side more."""

    size: int = 1
    word: ClassVar[str] = "zeros"

    def output_shape(self, shape):
        return (*(each + 2 * self.size for each in shape[:-1]), shape[-1])

    def text(self):
        return f"zeros {self.size}"


@dataclass(frozen=True)
class _Pool(Step):
    size: int = 2
    stride: int = 0
    padding: str = "same"
    word: ClassVar[str] = "pool"
    kind: ClassVar[str] = ""

    def step_size(self) -> int:
        """Return the step between windows: `stride`, or the window's size where it is 0."""
        return self.stride or self.size

    def output_shape(self, shape):
        return (*_windows(shape, self.size, self.step_size(), self.padding, f"A pool of {self.size}"), shape[-1])

    def text(self):
        step = f" /{self.stride}" if self.step_size() != self.size else ""
        return f"{self.kind} pool {self.size}{step}"


@dataclass(frozen=True)
class AveragePool(_Pool):
    """Average over windows of `size`, a `stride` apart (0: their size); padding `"same"` or `"valid"`."""

    kind: ClassVar[str] = "average"


@dataclass(frozen=True)
class MaxPool(_Pool):
    """Maximum of windows of `size`, a `stride` apart (0: their size); padding `"same"` or `"valid"`."""

    kind: ClassVar[str] = "max"


@dataclass(frozen=True)
class GlobalPool(Step):
    """Average over all space or time axes; `masked` is for tokens of which some are padding, which is left out."""

    masked: bool = False
    word: ClassVar[str] = "pool"

    def output_shape(self, shape):
        return (shape[-1],)

    def text(self):
        return "global average pool"


@dataclass(frozen=True)
class PadChannels(Step):
    """A smaller grid, and zeros for missing channels: option A of He et al. 2015, without weights.

    `pool` is how a position of the smaller grid is found: `"first"` takes every `stride`-th, `"average"` averages over
    windows of `stride` (the stochastic-depth paper's code).
    """

    filters: int
    stride: int = 1
    pool: str = "first"
    word: ClassVar[str] = "pad"

    def output_shape(self, shape):
        return (*(_after_stride(size, self.stride) for size in shape[:-1]), self.filters)

    def text(self):
        return f"pad to {self.filters}" + (f" /{self.stride}" if self.stride > 1 else "")
