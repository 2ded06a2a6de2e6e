"""Convolutional residual blocks and their projections; every option that changes what they are made of."""

from examples import Example
from reskeras.layers import (
    BasicBlock,
    BottleneckBlock,
    PreActivationBlock,
    PreActivationBottleneck,
    Projection,
    WideBlock,
)

IMAGE = (2, 5, 4, 3)
SEQUENCE = (2, 5, 4)


def _example(layer, name, arguments, shape, output, weights, **facts):
    # Convolutions take no notice of a mask, and Keras's drop it.
    facts = {"unknown": tuple(range(1, len(shape) - 1)), "channels_first": True, "keeps_mask": False, **facts}
    return Example(f"{layer.__name__}-{name}", layer, lambda: arguments, shape, output, weights, **facts)


def _smooth(arguments):
    # Gradients are compared with finite differences, which a kink would falsify.
    return {"activation": "tanh", **arguments}


EXAMPLES = [
    _example(BasicBlock, "projection", _smooth({"filters": 4, "strides": 2}), IMAGE, (2, 3, 2, 4), 9, fixed=6),
    _example(
        BasicBlock,
        "pad",
        _smooth({"filters": 4, "shortcut": "pad", "normalization": "layer", "zero_init": True}),
        IMAGE,
        (2, 5, 4, 4),
        6,
    ),
    _example(
        BasicBlock,
        "average",
        _smooth({"filters": 5, "strides": 2, "shortcut": "average", "normalization": "none", "padding": "both"}),
        SEQUENCE,
        (2, 3, 5),
        4,
    ),
    _example(
        BottleneckBlock,
        "everywhere",
        _smooth({"filters": 4, "bottleneck": 0.5, "stride_in": "middle", "shortcut": "everywhere"}),
        SEQUENCE,
        SEQUENCE,
        12,
        fixed=8,
    ),
    _example(PreActivationBlock, "shared", _smooth({"filters": 4, "strides": 2}), (2, 5, 3), (2, 3, 4), 7, fixed=4),
    _example(
        PreActivationBottleneck,
        "gate",
        _smooth({"filters": 3, "bottleneck": 0.5, "skip": "gate"}),
        IMAGE,
        IMAGE,
        11,
        fixed=6,
    ),
    _example(WideBlock, "dropout", _smooth({"filters": 3, "drop_path": 0.2}), IMAGE, IMAGE, 6, fixed=4, seeds=2),
    _example(Projection, "norm", {"filters": 4, "strides": 2}, IMAGE, (2, 3, 2, 4), 3, fixed=2),
    _example(
        Projection,
        "bare",
        {"filters": 2, "normalization": "none", "use_bias": True},
        SEQUENCE,
        (2, 5, 2),
        2,
    ),
]
