"""Samples of any kind as sequences of tokens with learned positions."""

import keras
from keras import ops

from reskeras.layers import any_layer
from reskeras.layers.composite import Composite, mask_of


@keras.saving.register_keras_serializable(package="reskeras")
class Tokens(Composite):
    """Patches of an image, time steps of a sequence or features of a vector, each mapped to a vector of size `width`.

    Every position has a bias of its own, which is a learned position embedding. Patches (Dosovitskiy et al. 2020,
    2010.11929, equation 1) and time steps share one map; features are of different kinds, and each has its own
    (Gorishniy et al. 2021, 2106.11959, section 3.3).

    Args:
        width: size of each token.
        patch: side of the square patches of an image.

    Input shape: (batch, features), (batch, time, channels) or (batch, height, width, channels); sizes known, and
    sides that `patch` divides. Output shape: (batch, tokens, width).

    Raises:
        ValueError: where the patch does not divide the sides.

    Example:
        >>> Tokens(64, patch=4)(keras.Input((28, 28, 1))).shape
        (None, 49, 64)
    """

    def __init__(self, width, patch=1, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.patch = patch

    def build(self, input_shape):
        steps = self._arrange(tuple(input_shape[1:]))
        shape = any_layer.build_chain(steps, input_shape)
        equation = "btc,tcd->btd" if len(input_shape) == 2 else "btc,cd->btd"
        embed = self.part(
            keras.layers.EinsumDense,
            "embed",
            equation=equation,
            output_shape=(shape[1], self.width),
            bias_axes="td",
            # About as large as the mapped tokens: from positions near zero, a network of few layers takes hundreds
            # of steps to tell the patches of an image apart.
            bias_initializer=keras.initializers.RandomNormal(stddev=0.3),
        )
        embed.build(shape)
        self.steps = [*steps, embed]
        self.built = True

    def _arrange(self, shape):
        if len(shape) == 1:
            return [self.part(keras.layers.Reshape, "features", target_shape=(shape[0], 1))]
        if len(shape) == 2:
            return []
        height, width, channels = shape
        if height % self.patch or width % self.patch:
            raise ValueError(
                f"patch must divide both sides of the image. Received: patch={self.patch} and shape={shape}."
            )
        rows, columns, side = height // self.patch, width // self.patch, self.patch
        return [
            self.part(keras.layers.Reshape, "grid", target_shape=(rows, side, columns, side, channels)),
            self.part(keras.layers.Permute, "patches", dims=(1, 3, 2, 4, 5)),
            self.part(keras.layers.Reshape, "sequence", target_shape=(rows * columns, side * side * channels)),
        ]

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x

    def compute_output_shape(self, input_shape):
        if len(input_shape) == 4:
            return (input_shape[0], (input_shape[1] // self.patch) * (input_shape[2] // self.patch), self.width)
        return (input_shape[0], input_shape[1], self.width)


@keras.saving.register_keras_serializable(package="reskeras")
class Sequence(Composite):
    """The grid of a feature map as a sequence, row by row.

    Input shape: (batch, height, width, channels). Output shape: (batch, height * width, channels).

    Example:
        >>> Sequence()(keras.Input((14, 14, 64))).shape
        (None, 196, 64)
    """

    axes = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        self.rows = self.part(keras.layers.Reshape, "rows", target_shape=(-1, input_shape[-1]))
        self.rows.build(input_shape)
        self.built = True

    def call(self, x):
        return self.rows(x)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return (batch, None if None in (height, width) else height * width, channels)


@keras.saving.register_keras_serializable(package="reskeras")
class ClassToken(Composite):
    """A trained token in front of the others, for a head to read (Dosovitskiy et al. 2020, 2010.11929, equation 1).

    It starts at zero, as in the authors' code, and is never masked.

    Input shape: (batch, time, width). Output shape: (batch, time + 1, width).

    Example:
        >>> ClassToken()(keras.Input((196, 64))).shape
        (None, 197, 64)
    """

    axes = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape):
        one = (input_shape[0], 1, 1)
        self.one = self.part(keras.layers.Rescaling, "one", scale=0.0, offset=1.0)
        self.token = self.part(
            keras.layers.Dense, "token", units=input_shape[-1], use_bias=False, kernel_initializer="zeros"
        )
        self.joined = self.part(keras.layers.Concatenate, "joined", axis=1)
        self.token.build(one)
        self.joined.build([(*one[:-1], input_shape[-1]), input_shape])
        self.built = True

    def call(self, x):
        return self.joined([self.token(self.one(x[:, :1, :1])), x])

    def compute_mask(self, inputs, mask=None):
        if mask is None:
            return None
        return keras.ops.concatenate([keras.ops.ones_like(mask[:, :1]), mask], axis=1)

    def compute_output_shape(self, input_shape):
        batch, time, width = input_shape
        return (batch, None if time is None else time + 1, width)


@keras.saving.register_keras_serializable(package="reskeras")
class FirstToken(Composite):
    """The first token of a sequence, such as the class token. It has no mask.

    Input shape: (batch, time, width). Output shape: (batch, width).

    Example:
        >>> FirstToken()(keras.Input((None, 64))).shape
        (None, 64)
    """

    axes = keras.layers.InputSpec(ndim=3)

    def call(self, x):
        return x[:, 0]

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *input_shape[2:])


@keras.saving.register_keras_serializable(package="reskeras")
class TokenMean(Composite):
    """The mean of a sequence's tokens, those left out that are masked. It has no mask.

    Of a sequence that is all padding it is 0, where `keras.layers.GlobalAveragePooling1D` divides 0 by 0.

    Input shape: (batch, time, width). Output shape: (batch, width).

    Example:
        >>> TokenMean()(keras.Input((None, 64))).shape
        (None, 64)
    """

    axes = keras.layers.InputSpec(ndim=3)

    def call(self, x):
        mask = mask_of(x)
        if mask is None:
            return ops.mean(x, axis=1)
        real = ops.expand_dims(mask, -1)
        count = ops.sum(ops.cast(real, x.dtype), axis=1)
        return ops.sum(ops.where(real, x, 0), axis=1) / ops.maximum(count, 1)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[2])


@keras.saving.register_keras_serializable(package="reskeras")
class Bias(Composite):
    """y = x + b with one trained number for each unit, such as those of tied logits (BERT, 1810.04805).

    Args:
        bias_initializer: how b starts.

    Input shape: (batch, ..., units). Output shape: the same.

    Example:
        >>> Bias()(keras.Input((None, 1000))).shape
        (None, None, 1000)
    """

    axes = keras.layers.InputSpec(min_ndim=2)

    def __init__(self, bias_initializer="zeros", **kwargs):
        super().__init__(**kwargs)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        self.one = self.part(keras.layers.Rescaling, "one", scale=0.0, offset=1.0)
        self.units = self.part(
            keras.layers.Dense,
            "units",
            units=input_shape[-1],
            use_bias=False,
            kernel_initializer=self.bias_initializer,
        )
        self.sum = self.part(keras.layers.Add, "sum")
        one = (input_shape[0], *(1 for _ in input_shape[1:]))
        self.units.build(one)
        self.sum.build([input_shape, (*one[:-1], input_shape[-1])])
        self.built = True

    def call(self, x):
        return self.sum([x, self.units(self.one(x[(slice(None), *(slice(1) for _ in x.shape[1:]))]))])

    def compute_output_shape(self, input_shape):
        return input_shape
