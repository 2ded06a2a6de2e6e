"""Self-attention as a layer of one input, so that a skip can be put round it."""

import keras

from reskeras.layers.composite import Composite


@keras.saving.register_keras_serializable(package="reskeras")
class SelfAttention(Composite):
    """Multi-head attention of a sequence to itself (Vaswani et al. 2017, 1706.03762, section 3.2.2).

    Args:
        heads: number of heads; must divide the width.
        dropout: dropout of attention weights.

    Input shape: (batch, time, width). Output shape: the same.

    Raises:
        ValueError: where the heads do not divide the width.
    """

    def __init__(self, heads, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads
        self.dropout = dropout

    def build(self, input_shape):
        width = input_shape[-1]
        if width % self.heads:
            raise ValueError(f"heads must divide the width. Received: heads={self.heads} and a width of {width}.")
        self.attention = self.part(
            keras.layers.MultiHeadAttention,
            "heads",
            num_heads=self.heads,
            key_dim=width // self.heads,
            dropout=self.dropout,
        )
        self.attention.build(input_shape, input_shape)
        self.built = True

    def call(self, x):
        return self.attention(x, x)

    def compute_output_shape(self, input_shape):
        return input_shape
