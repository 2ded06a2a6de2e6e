"""The highway gate: how much of each unit is transformed, and how much is carried."""

import keras

from reskeras.layers.composite import Composite, pooled_class
from reskeras.layers.probes import observe


@keras.saving.register_keras_serializable(package="reskeras")
class Gate(Composite):
    """y = t f + (1 - t) x with t = sigmoid(W x + b), on the list [x, f].

    Source: Srivastava et al. 2015, 1505.00387, equations 2 and 3; their convolutional networks (1507.06228) have a
    convolution for W.

    Args:
        bias: the b of every unit at the start; below zero, the layer starts by carrying x.
        kernel_size: side of the convolution that is W; 1 reads each position alone.
        coupled: whether x is carried by 1 - t; otherwise by a gate of its own, y = t f + c x, which starts with the
            bias -b, so that t and c begin near a sum of 1.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's global setting; means nothing to
            vectors.

    Input shape: two tensors of one shape, (batch, ..., units); with a `kernel_size` above 1, of one or two space axes.
    Output shape: that of each.

    Raises:
        ValueError: for a `kernel_size` above 1 on vectors.

    Example:
        >>> x, f = keras.Input((28, 28, 16)), keras.Input((28, 28, 16))
        >>> Gate(bias=-1.0, kernel_size=3)([x, f]).shape
        (None, 28, 28, 16)
    """

    def __init__(self, bias=-2.0, kernel_size=1, coupled=True, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.bias = bias
        self.kernel_size = kernel_size
        self.coupled = coupled
        self.data_format = keras.config.image_data_format() if data_format is None else data_format

    def build(self, input_shape):
        shape, read = input_shape[0], input_shape[0]
        self.moved = self.restored = None
        if self.data_format == "channels_first" and self.kernel_size == 1 and len(shape) > 2:
            # Dense reads the last axis; a 1x1 convolution would have a kernel of another shape.
            axes = len(shape) - 1
            self.moved = self.part(keras.layers.Permute, "moved", dims=(*range(2, axes + 1), 1))
            self.restored = self.part(keras.layers.Permute, "restored", dims=(axes, *range(1, axes)))
            self.moved.build(shape)
            read = self.moved.compute_output_shape(shape)
            self.restored.build(read)
        self.transform = self._gate("transform", read, self.bias)
        self.carry = None if self.coupled else self._gate("carry", read, -self.bias)
        self.weighed = self._joining(keras.layers.Subtract if self.coupled else keras.layers.Multiply, "weighed", shape)
        self.opened = self._joining(keras.layers.Multiply, "opened", shape)
        self.joined = self._joining(keras.layers.Add, "joined", shape)
        self.built = True

    def _gate(self, name, shape, bias):
        axes = len(shape) - 2
        if self.kernel_size > 1 and axes < 1:
            raise ValueError(
                f"A gate on vectors reads each alone: kernel_size must be 1. Received: kernel_size={self.kernel_size} "
                f"and an input of shape {tuple(shape)}."
            )
        start = {"activation": "sigmoid", "bias_initializer": keras.initializers.Constant(bias)}
        if self.kernel_size == 1:
            layer = self.part(keras.layers.Dense, name, units=shape[-1], **start)
        else:
            channels = shape[1] if self.data_format == "channels_first" else shape[-1]
            convolution = {"kernel_size": self.kernel_size, "padding": "same", "data_format": self.data_format}
            layer = self.part(pooled_class("Conv", axes), name, filters=channels, **convolution, **start)
        layer.build(shape)
        return layer

    def _joining(self, layer_class, name, shape):
        layer = self.part(layer_class, name)
        layer.build([shape, shape])
        return layer

    def call(self, inputs):
        x, f = inputs
        opening = self._opening(self.transform, x)
        observe("gate_openness", opening)
        if self.coupled:
            # x + t (f - x) is t f + (1 - t) x with one product less.
            return self.joined([x, self.opened([opening, self.weighed([f, x])])])
        return self.joined([self.weighed([x, self._opening(self.carry, x)]), self.opened([opening, f])])

    def _opening(self, gate, x):
        return self.restored(gate(self.moved(x))) if self.moved else gate(x)

    def compute_output_shape(self, input_shape):
        return input_shape[0]
