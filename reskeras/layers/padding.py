"""The skip path without weights for blocks that change size."""

import keras

from reskeras.layers.composite import Composite, pooled_class


@keras.saving.register_keras_serializable(package="reskeras")
class PadChannels(Composite):
    """Every `strides`-th position, with zeros for the channels that are missing: option A of He et al. 2015 (3.3).

    Args:
        filters: channels of the output.
        strides: step between the positions that are kept, along each space axis.

    Input shape: (batch, time, channels) or (batch, height, width, channels) with channels <= filters.
    Output shape: (batch, ..., filters), each space axis divided by `strides`, rounded up.

    Raises:
        ValueError: where the input has more channels than `filters`.
    """

    def __init__(self, filters, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.strides = strides

    def build(self, input_shape):
        axes, channels = len(input_shape) - 2, input_shape[-1]
        if channels > self.filters:
            raise ValueError(f"PadChannels adds channels up to {self.filters}. Received: {channels} channels.")
        options = {"data_format": "channels_last"}
        steps = [
            self.part(pooled_class("AveragePooling", axes), "positions", pool_size=1, strides=self.strides, **options)
        ]
        # Keras pads space axes only: the last two axes change places, are padded, and change back.
        order = (*range(1, axes), axes + 1, axes)
        missing = (0, self.filters - channels)
        padding = {"padding": missing} if axes == 1 else {"padding": ((0, 0),) * (axes - 1) + (missing,), **options}
        steps.append(self.part(keras.layers.Permute, "channels_to_space", dims=order))
        steps.append(self.part(pooled_class("ZeroPadding", axes), "zeros", **padding))
        steps.append(self.part(keras.layers.Permute, "space_to_channels", dims=order))
        self.steps = steps
        shape = input_shape
        for step in steps:
            step.build(shape)
            shape = step.compute_output_shape(shape)
        self.built = True

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x

    def compute_mask(self, inputs, previous_mask):
        return None if previous_mask is None else previous_mask[:, :: self.strides]

    def compute_output_shape(self, input_shape):
        space = (None if size is None else -(-size // self.strides) for size in input_shape[1:-1])
        return (input_shape[0], *space, self.filters)
