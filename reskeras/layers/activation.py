"""The GELU of GPT-2, for which Keras has a function and no name."""

import math

import keras

from reskeras.layers.composite import Composite


@keras.saving.register_keras_serializable(package="reskeras")
class TanhGELU(Composite):
    """GELU by its approximation x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) (1606.08415, section 2; GPT-2).

    It differs from the exact GELU by less than 0.0005; weights trained with one are used with the same.

    Input shape: any. Output shape: the same.

    Example:
        >>> TanhGELU()(keras.Input((7, 64))).shape
        (None, 7, 64)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # (1 + tanh(u)) / 2 is sigmoid(2 u), and 2 u is x (a + b x^2).
        a = 2 * math.sqrt(2 / math.pi)
        self.square = self.part(keras.layers.Multiply, "square")
        self.factor = self.part(keras.layers.Rescaling, "factor", scale=0.044715 * a, offset=a)
        self.inner = self.part(keras.layers.Multiply, "inner")
        self.share = self.part(keras.layers.Activation, "share", activation="sigmoid")
        self.product = self.part(keras.layers.Multiply, "product")

    def build(self, input_shape):
        for layer in (self.square, self.inner, self.product):
            layer.build([input_shape, input_shape])
        self.built = True

    def call(self, x):
        inner = self.inner([x, self.factor(self.square([x, x]))])
        return self.product([x, self.share(inner)])

    def compute_output_shape(self, input_shape):
        return input_shape
