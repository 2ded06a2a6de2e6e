"""The skip path without weights for blocks that change size."""

import keras

from reskeras.layers import any_layer
from reskeras.layers.composite import Composite, pooled_class

POOLS = ("first", "average")


@keras.saving.register_keras_serializable(package="reskeras")
class PadChannels(Composite):
    """A smaller grid, with zeros for the channels that are missing: option A of He et al. 2015 (section 3.3).

    Args:
        filters: channels of the output.
        strides: step between the positions that are kept, along each space axis.
        pool: what a position of the smaller grid holds: `"first"` that of each window of `strides`, `"average"` the
            average of the window, as in the code of Huang et al. 2016 (1603.09382).
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's global setting.

    Input shape: (batch, time, channels) or (batch, height, width, channels) with channels <= filters.
    Output shape: (batch, ..., filters), each space axis divided by `strides`, rounded up.

    Raises:
        ValueError: where the input has more channels than `filters`, or for an unknown `pool`.

    Example:
        >>> PadChannels(32, strides=2)(keras.Input((9, 8, 16))).shape
        (None, 5, 4, 32)
    """

    axes = keras.layers.InputSpec(min_ndim=3)

    def __init__(self, filters, strides=1, pool="first", data_format=None, **kwargs):
        super().__init__(**kwargs)
        if pool not in POOLS:
            raise ValueError(f"pool must be {' or '.join(POOLS)}. Received: pool={pool!r}")
        self.filters = filters
        self.strides = strides
        self.pool = pool
        self.data_format = keras.config.image_data_format() if data_format is None else data_format

    def build(self, input_shape):
        first = self.data_format == "channels_first"
        axes, channels = len(input_shape) - 2, input_shape[1 if first else -1]
        if channels > self.filters:
            raise ValueError(f"PadChannels adds channels up to {self.filters}. Received: {channels} channels.")
        self.steps = []
        if self.strides > 1:
            pooling = self.part(
                pooled_class("AveragePooling", axes),
                "positions",
                pool_size=1 if self.pool == "first" else self.strides,
                strides=self.strides,
                padding="same",
                data_format=self.data_format,
            )
            self.steps.append(pooling)
        # Keras pads space axes only: told the other data format, it takes the channels for one of them.
        missing = (0, self.filters - channels)
        others = ((0, 0),) * (axes - 1)
        padding = (missing, *others) if first else (*others, missing)
        other_format = "channels_last" if first else "channels_first"
        zeros = self.part(
            pooled_class("ZeroPadding", axes),
            "zeros",
            padding=missing if axes == 1 else padding,
            data_format=other_format,
        )
        self.steps.append(zeros)
        any_layer.build_chain(self.steps, input_shape)
        self.built = True

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x

    def compute_mask(self, inputs, previous_mask):
        return None if previous_mask is None else previous_mask[:, :: self.strides]

    def compute_output_shape(self, input_shape):
        first = self.data_format == "channels_first"
        space = input_shape[2:] if first else input_shape[1:-1]
        space = tuple(None if size is None else -(-size // self.strides) for size in space)
        return (input_shape[0], self.filters, *space) if first else (input_shape[0], *space, self.filters)
