"""Densely connected layers, their blocks and transitions, and recomputation."""

from keras import layers

from examples import Example
from reskeras.layers import DenseBlock, DenselyConnected, Recompute, Residual, Transition

CONVOLUTIONS = {"channels_first": True, "keeps_mask": False}

EXAMPLES = [
    Example(
        "DenselyConnected",
        DenselyConnected,
        lambda: {"growth_rate": 2},
        [(2, 4, 5, 3), (2, 4, 5, 2)],
        (2, 4, 5, 2),
        3,
        fixed=2,
        unknown=(1, 2),
        **CONVOLUTIONS,
    ),
    Example(
        "DenseBlock",
        DenseBlock,
        lambda: {"depth": 2, "growth_rate": 2},
        (2, 4, 5, 3),
        (2, 4, 5, 7),
        6,
        fixed=4,
        unknown=(1, 2),
        **CONVOLUTIONS,
    ),
    Example(
        "DenseBlock-bottleneck",
        DenseBlock,
        lambda: {"depth": 2, "growth_rate": 2, "bottleneck": True, "dropout": 0.2, "recompute": True},
        (2, 5, 3),
        (2, 5, 7),
        12,
        fixed=8,
        seeds=4,
        unknown=(1,),
        **CONVOLUTIONS,
    ),
    Example(
        "Transition",
        Transition,
        lambda: {"compression": 0.5},
        (2, 4, 6, 5),
        (2, 2, 3, 2),
        3,
        fixed=2,
        unknown=(1, 2),
        **CONVOLUTIONS,
    ),
    Example(
        "Transition-sequence",
        Transition,
        lambda: {"compression": 1.0, "dropout": 0.2},
        (2, 6, 4),
        (2, 3, 4),
        3,
        fixed=2,
        seeds=1,
        unknown=(1,),
        **CONVOLUTIONS,
    ),
    Example(
        "Recompute",
        Recompute,
        lambda: {"layer": Residual([layers.Dense(4), layers.BatchNormalization(), layers.Dropout(0.5)])},
        (2, 5, 4),
        (2, 5, 4),
        4,
        fixed=2,
        seeds=1,
        unknown=(1,),
    ),
]
