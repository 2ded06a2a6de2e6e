"""Highway layers, fully connected and convolutional: their input is carried by as much as a gate stays shut."""

import keras

from reskeras.blocks.highway import highway_convolution, highway_dense
from reskeras.layers.block import BlockLayer


@keras.saving.register_keras_serializable(package="reskeras")
class HighwayDense(BlockLayer):
    """y = t f + (1 - t) x with f = activation(W x + b) and t = sigmoid(W' x + b'), as many units out as in.

    Source: Srivastava et al. 2015, 1505.00387, equation 3.

    Args:
        activation: activation of f.
        gate_bias: the b' of every unit at the start; below zero, the layer starts by carrying x.
        coupled: whether x is carried by 1 - t; otherwise by a gate of its own, y = t f + c x (equation 2).
        kernel_initializer: how W starts.

    Input shape: (batch, ..., units). Output shape: the same.

    Example:
        >>> HighwayDense(gate_bias=-4.0)(keras.Input((50,))).shape
        (None, 50)
    """

    axes = keras.layers.InputSpec(min_ndim=2)

    def __init__(self, activation="relu", gate_bias=-2.0, coupled=True, kernel_initializer="he_normal", **kwargs):
        super().__init__("channels_last", **kwargs)
        self.activation = activation
        self.gate_bias = gate_bias
        self.coupled = coupled
        self.kernel_initializer = kernel_initializer

    def write(self, shape):
        return highway_dense(
            shape[-1],
            self.activation,
            self.gate_bias,
            coupled=self.coupled,
            initializer=self.kernel_initializer,
        )


@keras.saving.register_keras_serializable(package="reskeras")
class HighwayConv(BlockLayer):
    """y = t f + (1 - t) x with f = activation(W * x + b) and t = sigmoid(W' * x + b'), both convolutions of one size.

    Source: Srivastava et al. 2015, 1507.06228, section 2.1, and the authors' code.

    Args:
        kernel_size: side of both convolutions.
        activation: activation of f.
        gate_bias: the b' of every channel at the start; below zero, the layer starts by carrying x. The authors take
            -1 for MNIST and -2 for CIFAR.
        coupled: whether x is carried by 1 - t; otherwise by a gate of its own, y = t f + c x.
        kernel_initializer: how W starts.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's global setting.

    Input shape: (batch, time, channels) or (batch, height, width, channels). Output shape: the same.

    Example:
        >>> HighwayConv(3)(keras.Input((28, 28, 16))).shape
        (None, 28, 28, 16)
    """

    axes = keras.layers.InputSpec(min_ndim=3)

    def __init__(
        self,
        kernel_size=3,
        activation="relu",
        gate_bias=-2.0,
        coupled=True,
        kernel_initializer="he_normal",
        data_format=None,
        **kwargs,
    ):
        super().__init__(data_format, **kwargs)
        self.kernel_size = kernel_size
        self.activation = activation
        self.gate_bias = gate_bias
        self.coupled = coupled
        self.kernel_initializer = kernel_initializer

    def write(self, shape):
        return highway_convolution(
            shape[-1],
            self.kernel_size,
            self.activation,
            self.gate_bias,
            coupled=self.coupled,
            initializer=self.kernel_initializer,
        )
