"""Gates and highway layers."""

from examples import Example
from reskeras.layers import Gate, HighwayConv, HighwayDense

TWO_IMAGES = [(2, 4, 5, 3), (2, 4, 5, 3)]


def _gate(name, arguments, weights, shape=TWO_IMAGES, **facts):
    facts = {"unknown": tuple(range(1, len(shape[0]) - 1)), "channels_first": True, **facts}
    return Example(f"Gate-{name}", Gate, lambda: arguments, shape, shape[0], weights, **facts)


def _conv(name, arguments, weights, shape=(2, 4, 5, 3), **facts):
    facts = {"unknown": tuple(range(1, len(shape) - 1)), "channels_first": True, "keeps_mask": False, **facts}
    return Example(f"HighwayConv-{name}", HighwayConv, lambda: arguments, shape, shape, weights, **facts)


EXAMPLES = [
    Example("Gate", Gate, lambda: {"bias": -1.0}, [(2, 4), (2, 4)], (2, 4), 2),
    _gate("of-positions", {}, 2),
    _gate("of-a-kernel", {"kernel_size": 3}, 2),
    _gate("uncoupled", {"kernel_size": 3, "coupled": False}, 4, [(2, 5, 3), (2, 5, 3)], keeps_mask=False),
    Example("HighwayDense", HighwayDense, lambda: {"activation": "tanh"}, (2, 4), (2, 4), 4),
    Example("HighwayDense-uncoupled", HighwayDense, lambda: {"coupled": False}, (2, 5, 4), (2, 5, 4), 6, unknown=(1,)),
    _conv("image", {"activation": "tanh"}, 4),
    _conv("sequence", {"coupled": False, "activation": "tanh"}, 6, (2, 5, 3)),
]
