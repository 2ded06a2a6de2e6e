"""Examples of a stack of equal blocks."""

import keras

from examples import Example
from reskeras.layers import DropPath, EncoderBlock, Residual, ResidualMLPBlock, Stack


def _dense():
    return Residual([keras.layers.Dense(4, activation="tanh"), DropPath(0.2, seed=3)])


EXAMPLES = [
    Example(
        "Stack", Stack, lambda: {"block": ResidualMLPBlock(), "depth": 3}, (3, 4), (3, 4), weights=6, fixed=4, slices=3
    ),
    Example(
        "Stack with rates",
        Stack,
        lambda: {"block": _dense(), "depth": 2, "drop_path": [0.1, 0.3]},
        (2, 5, 4),
        (2, 5, 4),
        weights=2,
        fixed=1,
        slices=2,
        unknown=(1,),
    ),
    Example(
        "Stack of two layers that recomputes",
        Stack,
        lambda: {
            "block": [EncoderBlock(2, 8), ResidualMLPBlock(normalization="layer")],
            "depth": 3,
            "remat": "sqrt",
        },
        (2, 5, 4),
        (2, 5, 4),
        weights=22,
        slices=3,
        unknown=(1,),
        fused_attention=True,
    ),
]
