"""A block of a paper as one layer: what a plan says in data, ready to be called."""

from __future__ import annotations

import keras

from reskeras.layers.composite import UNKNOWN_SIZE, Composite
from reskeras.layers.making import make_block
from reskeras.plan import Block
from reskeras.steps import Shape


class BlockLayer(Composite):
    """A layer whose parts are written by a block of `reskeras.blocks`: a subclass says which.

    Args:
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's global setting.
    """

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = keras.config.image_data_format() if data_format is None else data_format

    def write(self, shape: Shape) -> Block:
        """Return the block for one sample of `shape`, channels last.

        Raises:
            ValueError: where the arguments do not fit the shape.
        """
        raise NotImplementedError

    def build(self, input_shape):
        sample = tuple(UNKNOWN_SIZE if size is None else size for size in input_shape[1:])
        if self.data_format == "channels_first":
            sample = (*sample[1:], sample[0])
        self.residual = make_block(
            self.write(sample), sample, "block", data_format=self.data_format, dtype=self.dtype_policy
        )
        self.residual.build(input_shape)
        self.built = True

    def call(self, x):
        return self.residual(x)

    def compute_mask(self, inputs, previous_mask):
        # The block has put its mask on the output already, where it keeps one.
        return None

    def compute_output_shape(self, input_shape):
        if not self.built:
            self.build(input_shape)
        return self.residual.compute_output_shape(input_shape)
