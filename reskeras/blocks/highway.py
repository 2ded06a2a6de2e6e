"""Highway layers: a gate decides how much of each unit is transformed, and how much is carried."""

from typing import Any

from reskeras.plan import Block, Skip
from reskeras.steps import Activation, Conv, Dense, Start


def highway_dense(
    units: int,
    activation: Any = "relu",
    gate_bias: float = -2.0,
    *,
    coupled: bool = True,
    skip: str = "gate",
    initializer: Start = "he_normal",
) -> Block:
    """Return one fully connected highway layer, y = t f + (1 - t) x.

    Source: Srivastava et al. 2015, 1505.00387, equation 3.

    Args:
        units: units of the layer, as many as its input has.
        activation: activation of f.
        gate_bias: bias of the transform gate at the start; below zero, the layer starts by carrying x.
        coupled: whether x is carried by 1 - t; otherwise by a gate of its own.
        skip: how f rejoins x: `"gate"`, or `"add"` and `"none"` for comparison.
        initializer: how the kernel of f starts.
    """
    gate = Skip(skip, gate_bias=gate_bias, coupled=coupled)
    return Block((Dense(units, initializer=initializer), Activation(activation)), gate)


def highway_convolution(
    filters: int,
    kernel: int = 3,
    activation: Any = "relu",
    gate_bias: float = -2.0,
    *,
    coupled: bool = True,
    skip: str = "gate",
    initializer: Start = "he_normal",
) -> Block:
    """Return one convolutional highway layer, whose gate is a convolution with the kernel size of the layer.

    Source: Srivastava et al. 2015, 1507.06228, section 2.1, and the authors' code.

    Args:
        filters: channels of the layer, as many as its input has.
        kernel: side of both convolutions.
        activation, gate_bias, coupled, skip, initializer: as in `highway_dense`.
    """
    gate = Skip(skip, gate_bias=gate_bias, gate_kernel=kernel, coupled=coupled)
    return Block((Conv(filters, kernel, bias=True, initializer=initializer), Activation(activation)), gate)
