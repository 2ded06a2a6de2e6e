"""Several layers of long short-term memory with skips round them, as one layer."""

from dataclasses import replace

import keras

from reskeras.blocks.recurrent import lstm_blocks, lstm_chain
from reskeras.layers import any_layer
from reskeras.layers.composite import Composite
from reskeras.layers.making import make_block, make_chain
from reskeras.steps import LSTM

SKIPS = ("add", "concat", "gate", "none")


@keras.saving.register_keras_serializable(package="reskeras")
class StackedLSTM(Composite):
    """LSTM layers one on another, each with a skip round it.

    With the skip `"add"`, x_(l+1) = x_l + LSTM_l(x_l) at every time step (Wu et al. 2016, 1609.08144, equation 6); with
    `"concat"`, x_(l+1) = [x_l, LSTM_l(x_l)] (Ding et al. 2018, 1802.00889); with `"gate"`, a highway layer's
    x_(l+1) = t LSTM_l(x_l) + (1 - t) x_l with t = sigmoid(W x_l + b) (Srivastava et al. 2015, 1505.00387, equation 3).

    A layer that changes the size of the stream has no skip unless it is `"concat"`; so has the last layer where only
    the last output is asked for.

    Args:
        units: size of each layer's state, for each direction.
        depth: number of layers.
        skip: `"add"`, `"concat"`, `"gate"` or `"none"`.
        bidirectional: whether each layer has a second cell that reads the sequence from its end.
        cell: `"2000"` with a forget gate (Gers et al. 2000), or `"1997"` without one (see `LSTM1997`).
        forget_bias: bias of the forget gates at the start, 0 or more.
        dropout: dropout of what each layer reads.
        return_sequences: whether to give the output at every time step, or the last layer's last output only.

    Input shape: (batch, time, features); time steps that are masked are passed over. Output shape: (batch, time, size)
    or (batch, size) with size = units, twice that where it is bidirectional; with `"concat"`, every layer that has a
    skip adds as much to the features.

    Raises:
        ValueError: for an unknown skip or cell, fewer than one layer or unit, or a negative forget_bias.

    Example:
        >>> StackedLSTM(16, depth=3, bidirectional=True, return_sequences=True)(keras.Input((None, 32))).shape
        (None, None, 32)
    """

    axes = keras.layers.InputSpec(ndim=3)

    def __init__(
        self,
        units,
        depth=2,
        skip="add",
        bidirectional=False,
        cell="2000",
        forget_bias=1.0,
        dropout=0.0,
        return_sequences=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if skip not in SKIPS:
            raise ValueError(f"skip must be one of {', '.join(SKIPS)}. Received: skip={skip!r}")
        if depth < 1:
            raise ValueError(f"StackedLSTM has 1 layer or more. Received: depth={depth}")
        self.units = units
        self.depth = depth
        self.skip = skip
        self.bidirectional = bidirectional
        self.cell = cell
        self.forget_bias = forget_bias
        self.dropout = dropout
        self.return_sequences = return_sequences
        self._step = LSTM(units, bidirectional, cell, forget_bias)

    def build(self, input_shape):
        shape = (1, input_shape[-1])
        self.stack = []
        whole = self.depth if self.return_sequences else self.depth - 1
        for number, block in enumerate(lstm_blocks(self._step, whole, shape[-1], self.skip, self.dropout), 1):
            self.stack.append(make_block(block, shape, f"layer{number}", dtype=self.dtype_policy))
            shape = block.output_shape(shape)
        if not self.return_sequences:
            ending = lstm_chain(replace(self._step, sequence=False), self.dropout)
            self.stack += make_chain(ending, shape, f"layer{self.depth}_", dtype=self.dtype_policy)
        any_layer.build_chain(self.stack, input_shape)
        self.built = True

    def call(self, x):
        for layer in self.stack:
            x = layer(x)
        return x

    def compute_mask(self, inputs, mask):
        return mask if self.return_sequences else None

    def compute_output_shape(self, input_shape):
        if not self.built:
            self.build(input_shape)
        return any_layer.shape_after_chain(self.stack, input_shape)
