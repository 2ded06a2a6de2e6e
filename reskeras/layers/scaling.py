"""Skips that scale: branches behind a factor, which let networks grow deep with little or no normalisation."""

from __future__ import annotations

import keras

from reskeras.layers import any_layer
from reskeras.layers.composite import Composite

PER = ("layer", "channel")


@keras.saving.register_keras_serializable(package="reskeras")
class Scale(Composite):
    """y = a x with one number a, or with one for each channel.

    Args:
        initial: a at the start; for good where it is not trained.
        per: `"layer"` for one number, `"channel"` for one a channel.
        trained: whether a is trained.
        data_format: where the input has its channels: `"channels_last"`, `"channels_first"`, or None for Keras's global
            setting.

    Input shape: (batch, ..., channels); any size may be unknown, but the channels where each has its number.
    Output shape: the same.

    Raises:
        ValueError: for another `per`, or for a number of each of an unknown number of channels.

    Example:
        >>> Scale(0.5, per="channel")(keras.Input((32, 64))).shape
        (None, 32, 64)
    """

    def __init__(self, initial=0.0, per="layer", trained=True, data_format=None, **kwargs):
        super().__init__(**kwargs)
        if per not in PER:
            raise ValueError(f"per must be one of {', '.join(PER)}. Received: per={per!r}")
        self.initial = initial
        self.per = per
        self.trained = trained
        self.data_format = keras.config.image_data_format() if data_format is None else data_format

    def build(self, input_shape):
        axis = 1 if self.data_format == "channels_first" else len(input_shape) - 1
        if self.per == "channel" and input_shape[axis] is None:
            raise ValueError(f"A scale for each channel needs their number. Received: shape={tuple(input_shape)}")
        # What holds a is a layer of Keras's own: a weight of this layer could not be saved in a file that loads
        # without this package. On a sequence it must keep the mask too, which EinsumDense and Reshape do not.
        self.product = None
        if not self.trained:
            self.parts = [self.part(keras.layers.Rescaling, "constant", scale=self.initial)]
        elif self.per == "channel" and len(input_shape) != 3:
            self.parts = [self._of_each_channel(axis, input_shape)]
        else:
            self.parts = self._as_a_tensor(axis, input_shape)
            self.product = self.part(keras.layers.Multiply, "product")
        shape = any_layer.build_chain(self.parts, tuple(input_shape))
        if self.product is not None:
            self.product.build([shape, tuple(input_shape)])
        self.built = True

    def _of_each_channel(self, axis, shape):
        # Each axis by a letter: where "..." stands for several, Keras 3.15 infers their sizes in reverse.
        letters = "abcdefg"[: len(shape)]
        return self.part(
            keras.layers.EinsumDense,
            "factor",
            equation=f"{letters},{letters[axis]}->{letters}",
            output_shape=tuple(shape[1:]),
            kernel_initializer=keras.initializers.Constant(self.initial),
        )

    def _as_a_tensor(self, axis, shape):
        """Return layers that make a tensor full of a out of the input: -1 everywhere, where PReLU has its slope."""
        own = () if self.per == "layer" else (axis,)
        return [
            *self._one_channel(axis, shape),
            self.part(keras.layers.Rescaling, "minus_one", scale=0.0, offset=-1.0),
            self.part(
                keras.layers.PReLU,
                "factor",
                shared_axes=[each for each in range(1, len(shape)) if each not in own],
                alpha_initializer=keras.initializers.Constant(self.initial),
            ),
            self.part(keras.layers.Rescaling, "sign", scale=-1.0),
        ]

    def _one_channel(self, axis, shape):
        """Return a layer that keeps one channel of an image: a feature map full of a would cost as much as the map."""
        if len(shape) != 4 or shape[axis] is None:
            return []
        # The layer crops what it takes for rows and columns.
        rest = (0, shape[axis] - 1)
        cropping, taken_as = ((rest, (0, 0)), "channels_last") if axis == 1 else (((0, 0), rest), "channels_first")
        return [self.part(keras.layers.Cropping2D, "one_channel", cropping=cropping, data_format=taken_as)]

    def call(self, x):
        y = x
        for part in self.parts:
            y = part(y)
        return y if self.product is None else self.product([y, x])

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="reskeras")
class ScaledAdd(Composite):
    """y = c x + a f on the list [x, f]: the skips of ReZero, SkipInit, LayerScale and DeepNorm.

    | paper | arguments |
    |---|---|
    | ReZero, Bachlechner et al. 2020, 2003.04887, equation 1 | none |
    | SkipInit, De and Smith 2020, 2002.10444, section 4 | none |
    | LayerScale, Touvron et al. 2021, 2103.17239, equation 4 | `layerscale(depth), per="channel"` |
    | DeepNorm, Wang et al. 2022, 2203.00555, equation 4, before its norm | `1.0, trained=False, carry=alpha` |
    | constant scaling, He et al. 2016, 1603.05027, table 1 | `0.5, trained=False, carry=0.5` |

    The numbers are in `reskeras.blocks.scales`.

    Args:
        initial: a at the start, for good where it is not trained; 0 makes the block start as the identity.
        per: `"layer"` for one a, `"channel"` for one a channel.
        trained: whether a is trained.
        carry: the constant c.
        data_format: where the inputs have their channels: `"channels_last"`, `"channels_first"`, or None for Keras's
            global setting.

    Input shape: two tensors of one shape, (batch, ..., channels). Output shape: that of each.

    Raises:
        ValueError: for another `per`, or inputs of two shapes.

    Example:
        >>> x, f = keras.Input((32, 64)), keras.Input((32, 64))
        >>> ScaledAdd(1e-5, per="channel")([x, f]).shape
        (None, 32, 64)
    """

    def __init__(self, initial=0.0, per="layer", trained=True, carry=1.0, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial
        self.per = per
        self.trained = trained
        self.carry = carry
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        settings = {"initial": initial, "per": per, "trained": trained, "data_format": self.data_format}
        self.scale = self.part(Scale, "scale", **settings) if trained or initial != 1 else None
        self.carried = self.part(keras.layers.Rescaling, "carried", scale=carry) if carry != 1 else None
        self.add = self.part(keras.layers.Add, "add")

    def build(self, input_shape):
        x, f = (tuple(shape) for shape in input_shape)
        if x != f:
            raise ValueError(f"ScaledAdd adds two tensors of one shape. Received: shapes {x} and {f}")
        for part, shape in ((self.carried, x), (self.scale, f), (self.add, [x, f])):
            if part is not None:
                part.build(shape)
        self.built = True

    def call(self, inputs):
        x, f = inputs
        x = x if self.carried is None else self.carried(x)
        f = f if self.scale is None else self.scale(f)
        return self.add([x, f])

    def compute_mask(self, inputs, previous_mask):
        return self.add.compute_mask(inputs, previous_mask)

    def compute_output_shape(self, input_shape):
        return input_shape[0]
