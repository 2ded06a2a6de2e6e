"""Samples of any kind as sequences of tokens with learned positions."""

import keras

from reskeras.layers.composite import Composite


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
    """

    def __init__(self, width, patch=1, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.patch = patch

    def build(self, input_shape):
        steps = self._arrange(tuple(input_shape[1:]))
        shape = input_shape
        for step in steps:
            step.build(shape)
            shape = step.compute_output_shape(shape)
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
