"""Branches behind one trained factor: blocks that start as the identity without any normalisation."""

import keras

from reskeras.layers.composite import Composite


@keras.saving.register_keras_serializable(package="reskeras")
class Scale(Composite):
    """y = a x with one trained number a.

    Args:
        initial: the a at the start.

    Input shape: any with at most one unknown size besides the batch. Output shape: the same.
    """

    def __init__(self, initial=0.0, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape):
        sizes = [-1 if size is None else size for size in input_shape[1:]]
        if sizes.count(-1) > 1:
            raise ValueError(
                f"Scale takes at most one unknown size besides the batch. Received: shape={tuple(input_shape)}"
            )
        # One number shared by all elements, as a Dense of one unit on a column: a weight of this layer's own could
        # not be saved in a file that loads without this package.
        self.column = self.part(keras.layers.Reshape, "column", target_shape=(-1, 1))
        self.factor = self.part(
            keras.layers.Dense,
            "factor",
            units=1,
            use_bias=False,
            kernel_initializer=keras.initializers.Constant(self.initial),
        )
        self.restored = self.part(keras.layers.Reshape, "restored", target_shape=tuple(sizes))
        self.column.build(input_shape)
        column = self.column.compute_output_shape(input_shape)
        self.factor.build(column)
        self.restored.build(column)
        self.built = True

    def call(self, x):
        return self.restored(self.factor(self.column(x)))

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="reskeras")
class ScaledAdd(Composite):
    """y = x + a f on the list [x, f], with one trained a (ReZero, 2003.04887, equation 1; SkipInit, 2002.10444).

    Args:
        initial: the a at the start; 0 makes the block start as the identity.

    Input shape: two tensors of one shape. Output shape: that of each.
    """

    def __init__(self, initial=0.0, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial
        self.scale = self.part(Scale, "scale", initial=initial)
        self.add = self.part(keras.layers.Add, "add")

    def build(self, input_shape):
        self.scale.build(input_shape[1])
        self.add.build(input_shape)
        self.built = True

    def call(self, inputs):
        x, f = inputs
        return self.add([x, self.scale(f)])

    def compute_output_shape(self, input_shape):
        return input_shape[0]
