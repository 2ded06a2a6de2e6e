"""The highway gate: how much of each unit is transformed, and how much is carried."""

import keras

from reskeras.layers.composite import Composite


@keras.saving.register_keras_serializable(package="reskeras")
class Gate(Composite):
    """y = t f + (1 - t) x with t = sigmoid(W x + b), on the list [x, f].

    Source: Srivastava et al. 2015, 1505.00387, equation 3.

    Args:
        bias: the b of every unit at the start; below zero, the layer starts by carrying x.

    Input shape: two tensors of one shape, (batch, ..., units). Output shape: that of each.
    """

    def __init__(self, bias=-2.0, **kwargs):
        super().__init__(**kwargs)
        self.bias = bias

    def build(self, input_shape):
        shape = input_shape[0]
        self.transform = self.part(
            keras.layers.Dense,
            "transform",
            units=shape[-1],
            activation="sigmoid",
            bias_initializer=keras.initializers.Constant(self.bias),
        )
        self.difference = self.part(keras.layers.Subtract, "difference")
        self.opened = self.part(keras.layers.Multiply, "opened")
        self.joined = self.part(keras.layers.Add, "joined")
        self.transform.build(shape)
        for layer in (self.difference, self.opened, self.joined):
            layer.build([shape, shape])
        self.built = True

    def call(self, inputs):
        x, f = inputs
        # x + t (f - x) is t f + (1 - t) x with one product less.
        return self.joined([x, self.opened([self.transform(x), self.difference([f, x])])])

    def compute_output_shape(self, input_shape):
        return input_shape[0]
