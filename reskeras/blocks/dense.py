"""Densely connected blocks: every layer reads all before it, and transitions make the stream narrower."""

from __future__ import annotations

from math import floor

from reskeras.plan import Block, Skip, Stage
from reskeras.steps import Activation, AveragePool, Conv, Dropout, Norm, Shape, Start

BOTTLENECK = 4
"""Channels of a bottleneck, in multiples of the growth rate (Huang et al. 2017, section 3)."""


def dense_layer(
    growth: int,
    bottleneck: bool = False,
    dropout: float = 0.0,
    *,
    kernel: int = 3,
    skip: str = "concat",
    epsilon: float = 1e-5,
    activation: str = "relu",
    initializer: Start = "he_normal",
) -> Block:
    """Return one densely connected layer, [x, f]: normalisation, activation and a convolution of all channels so far.

    Source: Huang et al. 2017, 1608.06993, section 3, composite function and bottleneck layers.

    Args:
        growth: channels that the layer adds; k in the paper.
        bottleneck: whether a 1x1 convolution to 4k channels stands before the convolution (DenseNet-B).
        dropout: dropout after each convolution.
        kernel: side of the convolution.
        skip: how the layer rejoins the stream: `"concat"`, or `"none"` for the control.
        epsilon: what each normalisation adds to the variance.
        activation: activation before each convolution.
        initializer: how the kernels start.
    """
    before, drop = (Norm(epsilon=epsilon), Activation(activation)), _dropout(dropout)
    squeeze = (Conv(BOTTLENECK * growth, kernel=1, initializer=initializer), *drop, *before) if bottleneck else ()
    return Block((*before, *squeeze, Conv(growth, kernel=kernel, initializer=initializer), *drop), Skip(skip))


def transition(
    shape: Shape,
    compression: float = 1.0,
    dropout: float = 0.0,
    *,
    epsilon: float = 1e-5,
    activation: str = "relu",
    initializer: Start = "he_normal",
) -> Block:
    """Return what stands between two dense blocks: a 1x1 convolution to fewer channels, and half the grid.

    Source: Huang et al. 2017, 1608.06993, section 3, pooling layers and compression.

    Args:
        shape: shape of one sample before it; a grid of a single position is not made smaller.
        compression: share of the channels that it keeps, rounded down; theta in the paper, 0.5 in DenseNet-BC.
        dropout: dropout after the convolution.
        epsilon, activation, initializer: as in `dense_layer`.
    """
    kept = max(floor(shape[-1] * compression), 1)
    convolution = Conv(kept, kernel=1, initializer=initializer)
    pool = AveragePool(2, padding="valid" if min(shape[:-1]) > 1 else "same")
    steps = (Norm(epsilon=epsilon), Activation(activation), convolution, *_dropout(dropout), pool)
    return Block(steps, Skip("none"), label="transition")


def dense_stages(
    layer: Block,
    counts: tuple[int, ...],
    shape: Shape,
    compression: float = 1.0,
    dropout: float = 0.0,
    *,
    epsilon: float = 1e-5,
) -> tuple[Stage, ...]:
    """Return dense blocks of `counts` equal layers, each but the last with a transition at its end.

    Args:
        layer: the densely connected layer.
        counts: layers of each dense block.
        shape: shape of one sample before the first.
        compression, dropout, epsilon: those of the transitions.
    """
    stages = []
    for count in counts:
        blocks = [layer] * count
        for block in blocks:
            shape = block.output_shape(shape)
        if len(stages) < len(counts) - 1:
            blocks.append(transition(shape, compression, dropout, epsilon=epsilon))
            shape = blocks[-1].output_shape(shape)
        stages.append(Stage(tuple(blocks)))
    return tuple(stages)


def _dropout(rate: float) -> tuple[Dropout, ...]:
    return (Dropout(rate),) if rate else ()
