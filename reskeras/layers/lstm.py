"""One layer of long short-term memory: the cell of 2000, which is Keras's own, and that of 1997."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from reskeras.layers.composite import Composite
from reskeras.steps import LSTM

# sigmoid(40) differs from 1 by 4e-18, which float64 already rounds away: a gate with this bias forgets nothing at all.
HELD_OPEN = 40.0


def lstm_layer(step: LSTM, name: str, dtype=None) -> keras.Layer:
    """Return the layer that a step describes: Keras's `LSTM` or `Bidirectional`, or for the cell of 1997 `LSTM1997`."""
    if step.cell == "1997":
        return LSTM1997(step.units, step.bidirectional, step.sequence, name=name, dtype=dtype)
    bias = {} if step.forget_bias == 1 else {"bias_initializer": ForgetBias(step.forget_bias)}
    return _keras_lstm(step.units, step.bidirectional, step.sequence, name, name, dtype, **bias)


def _keras_lstm(units, bidirectional, return_sequences, name, cell_name, dtype, **bias) -> keras.Layer:
    layer = keras.layers.LSTM(
        units,
        return_sequences=return_sequences,
        unit_forget_bias=not bias,
        name=cell_name if bidirectional else name,
        dtype=dtype,
        **bias,
    )
    return keras.layers.Bidirectional(layer, name=name, dtype=dtype) if bidirectional else layer


@keras.saving.register_keras_serializable(package="reskeras")
class ForgetBias(keras.initializers.Initializer):
    """Biases of an LSTM's four maps: `value` for the forget gate and 0 for the others (Gers et al. 2000).

    Keras's own `unit_forget_bias` knows the value 1 alone.

    Args:
        value: bias of the forget gate; the larger, the longer a new cell remembers.
    """

    def __init__(self, value=1.0):
        self.value = value

    def __call__(self, shape, dtype=None):
        gate = np.arange(shape[0]) // (shape[0] // 4)
        return ops.convert_to_tensor(np.where(gate == 1, self.value, 0.0), dtype=dtype or keras.config.floatx())

    def get_config(self):
        return {"value": self.value}


@keras.saving.register_keras_serializable(package="reskeras")
class Cell1997(keras.Layer):
    """One time step of the LSTM of 1997, for `keras.layers.RNN`; `LSTM1997` says what it computes.

    Args:
        units: size of the state.
    """

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.output_size = units
        self.state_size = [units, units]

    def build(self, input_shape):
        maps = 3 * self.units
        self.kernel = self.add_weight(shape=(input_shape[-1], maps), initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, maps), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(maps,), initializer="zeros", name="bias")

    def call(self, inputs, states):
        output, state = states
        maps = ops.matmul(inputs, self.kernel) + ops.matmul(output, self.recurrent_kernel) + self.bias
        write, candidate, read = ops.split(maps, 3, axis=-1)
        state = state + ops.sigmoid(write) * ops.tanh(candidate)
        output = ops.sigmoid(read) * ops.tanh(state)
        return output, [output, state]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="reskeras")
class LSTM1997(Composite):
    """Long short-term memory without a forget gate: the cell's state only ever accumulates.

    c_t = c_(t-1) + i_t g_t and h_t = o_t tanh(c_t), where i, o = sigmoid(W x_t + U h_(t-1) + b) and
    g = tanh(W x_t + U h_(t-1) + b), each with weights of its own: 3 units (features + units + 1) in all, against 4 of
    `keras.layers.LSTM`. Source: Hochreiter and Schmidhuber 1997, Neural Computation 9(8), section 4; with tanh for
    their two rescaled logistic functions, and with the whole gradient through time where theirs is cut off.

    `reskeras.portable` writes it as a `keras.layers.LSTM` whose forget gate is held open: its weights are 0 and its
    bias is 40, so that it is exactly 1, and so is its gradient 0. Training such a file leaves the gate open unless
    something else than the gradient moves the weights, such as weight decay.

    Args:
        units: size of the state.
        bidirectional: whether a second cell reads the sequence from its end; its output stands behind the first's.
        return_sequences: whether to give the output at every time step, or the last only: in each direction, the one
            after the whole sequence was read.

    Input shape: (batch, time, features); time steps that are masked are passed over. Output shape: (batch, time, units)
    or (batch, units), twice as wide where it is bidirectional.

    Example:
        >>> LSTM1997(8, return_sequences=True)(keras.Input((None, 3))).shape
        (None, None, 8)
    """

    axes = keras.layers.InputSpec(ndim=3)

    def __init__(self, units, bidirectional=False, return_sequences=False, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.bidirectional = bidirectional
        self.return_sequences = return_sequences
        cell = self.part(Cell1997, "lstm_cell", units=units)
        layer = self.part(keras.layers.RNN, "recurrence", cell=cell, return_sequences=return_sequences)
        if bidirectional:
            layer = self.part(keras.layers.Bidirectional, "recurrence", layer=layer)
        self.recurrence = layer

    def build(self, input_shape):
        self.recurrence.build(input_shape)
        self.built = True

    def call(self, x):
        return self.recurrence(x)

    def call_in_core_layers(self, x):
        core = _keras_lstm(
            self.units,
            self.bidirectional,
            self.return_sequences,
            self.recurrence.name,
            "recurrence",
            self.dtype_policy,
        )
        core.build(x.shape)
        core.set_weights([_with_open_gate(weight) for weight in self.recurrence.get_weights()])
        core.trainable = self.recurrence.trainable
        return core(x)

    def compute_mask(self, inputs, mask):
        return mask if self.return_sequences else None

    def compute_output_shape(self, input_shape):
        return self.recurrence.compute_output_shape(input_shape)


def _with_open_gate(weight: np.ndarray) -> np.ndarray:
    """Return a weight of three maps as one of four, the second that of a forget gate which is always 1."""
    write, candidate, read = np.split(weight, 3, axis=-1)
    return np.concatenate([write, np.full_like(write, HELD_OPEN if weight.ndim == 1 else 0), candidate, read], axis=-1)
