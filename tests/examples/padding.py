"""Skip paths without weights."""

from examples import Example
from reskeras.layers import PadChannels


def _example(name, arguments, shape, output, **facts):
    facts = {"unknown": tuple(range(1, len(shape) - 1)), "channels_first": True, **facts}
    return Example(f"PadChannels-{name}", PadChannels, lambda: arguments, shape, output, 0, **facts)


EXAMPLES = [
    _example("image", {"filters": 5, "strides": 2}, (2, 5, 4, 3), (2, 3, 2, 5)),
    _example("sequence", {"filters": 5, "strides": 2}, (2, 5, 3), (2, 3, 5), keeps_mask=False),
    _example("average", {"filters": 5, "strides": 2, "pool": "average"}, (2, 5, 4, 3), (2, 3, 2, 5)),
    _example("channels-only", {"filters": 5}, (2, 5, 3), (2, 5, 5), keeps_mask=False),
]
