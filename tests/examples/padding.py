"""Skip paths without weights."""

from examples import Example
from reskeras.layers import PadChannels

EXAMPLES = [
    Example(
        "PadChannels-image",
        PadChannels,
        lambda: {"filters": 5, "strides": 2},
        (2, 5, 4, 3),
        (2, 3, 2, 5),
        0,
        unknown=(1, 2),
    ),
    Example(
        "PadChannels-sequence",
        PadChannels,
        lambda: {"filters": 5, "strides": 2},
        (2, 5, 3),
        (2, 3, 5),
        0,
        unknown=(1,),
        keeps_mask=False,
    ),
]
