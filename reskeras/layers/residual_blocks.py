"""The convolutional residual blocks of the papers, each as one layer."""

from __future__ import annotations

import keras

from reskeras.blocks import residual
from reskeras.layers.block import BlockLayer
from reskeras.layers.composite import check_counts, configuration
from reskeras.plan import Block, Skip
from reskeras.steps import Conv, DropPath, Shape


class _ResidualBlock(BlockLayer):
    """What the blocks here have in common; a subclass says which function of `reskeras.blocks.residual` writes it."""

    axes = keras.layers.InputSpec(min_ndim=3)

    def __init__(
        self,
        filters,
        strides=1,
        kernel_size=3,
        activation="relu",
        normalization="batch",
        kernel_initializer="he_normal",
        padding="same",
        shortcut="projection",
        skip="add",
        zero_init=False,
        dropout=0.0,
        drop_path=0.0,
        data_format=None,
        **kwargs,
    ):
        super().__init__(data_format, **kwargs)
        check_counts(filters=filters, strides=strides)
        self.filters = filters
        self.strides = strides
        self.kernel_size = kernel_size
        self.activation = activation
        self.normalization = normalization
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.padding = padding
        self.shortcut = shortcut
        self.skip = skip
        self.zero_init = zero_init
        self.dropout = dropout
        self.drop_path = drop_path
        # Wrong arguments are told here, before the layer is built.
        self.style()

    def style(self, **further) -> residual.Style:
        """Return how the block is written."""
        return residual.Style(
            normalization=self.normalization,
            activation=self.activation,
            initializer=self.kernel_initializer,
            kernel=self.kernel_size,
            padding=self.padding,
            skip=Skip(self.skip),
            shortcut=self.shortcut,
            silent=self.zero_init,
            dropout=self.dropout,
            drop_path=DropPath(self.drop_path) if self.drop_path else None,
            **further,
        )

    def get_config(self):
        # Subclasses name only the arguments in which they differ.
        return {**super().get_config(), **configuration(self, _ResidualBlock)}

    def write(self, shape: Shape) -> Block:
        return type(self).writer(self.style(), shape[-1], self.filters, self.strides)


@keras.saving.register_keras_serializable(package="reskeras")
class BasicBlock(_ResidualBlock):
    """y = relu(x + f(x)) with f of two convolutions: conv, norm, relu, conv, norm.

    Source: He et al. 2015 (1512.03385), equation 2 and figure 5 left.

    Args:
        filters: channels of the output.
        strides: stride of the first convolution and of the shortcut, along each space axis.
        kernel_size: side of the convolutions.
        activation: an activation as Keras takes it.
        normalization: `"batch"`, `"layer"`, or `"none"`, with which convolutions have biases.
        kernel_initializer: how the kernels start.
        padding: `"same"` as Keras pads, or `"both"` for as many zeros on either side where a convolution strides, as
            PyTorch, Caffe and `keras.applications` do.
        shortcut: how x changes shape: `"projection"`, a 1x1 convolution with normalisation (option B of the paper);
            `"pad"`, zeros for the new channels (option A); `"average"`, the same at averages over windows (Huang et
            al. 2016, 1603.09382); `"everywhere"`, a 1x1 convolution whether the shape changes or not (option C).
        skip: how f rejoins x: `"add"`, `"none"`, `"gate"` or `"scaled"`, as in `Residual`.
        zero_init: whether f starts at zero, by the scale of its last normalisation (Goyal et al. 2017, 1706.02677), or
            by its last kernel where no normalisation follows that. The block then starts as the identity of inputs that
            are not negative, as those behind a ReLU are.
        dropout: dropout before the last convolution.
        drop_path: probability that f is dropped for a sample in training; otherwise it is divided by 1 - drop_path.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's global setting.

    Input shape: (batch, time, channels) or (batch, height, width, channels).
    Output shape: (batch, ..., filters), each space axis divided by `strides`, rounded up.

    Raises:
        ValueError: for a choice that does not exist, or where a padded shortcut would have to drop channels.

    Example:
        >>> BasicBlock(64, strides=2)(keras.Input((32, 32, 16))).shape
        (None, 16, 16, 64)
    """

    writer = staticmethod(residual.basic)


@keras.saving.register_keras_serializable(package="reskeras")
class PreActivationBlock(_ResidualBlock):
    """y = x + f(x) with f of two convolutions, each behind its normalisation: norm, relu, conv, norm, relu, conv.

    Where the shape changes, the first normalisation and activation come before the shortcut too, which is then a bare
    1x1 convolution. Source: He et al. 2016 (1603.05027), figure 4 e, and the authors' code.

    Args:
        zero_init: whether f starts at zero, by its last kernel: the block then starts as the identity. The scale of the
            last normalisation would do so too, but before a ReLU it would get no gradient.
        filters, strides, kernel_size, activation, normalization, kernel_initializer, padding, shortcut, skip, dropout,
            drop_path, data_format: as in `BasicBlock`.

    Input shape: (batch, time, channels) or (batch, height, width, channels).
    Output shape: (batch, ..., filters), each space axis divided by `strides`, rounded up.

    Raises:
        ValueError: as `BasicBlock`.

    Example:
        >>> PreActivationBlock(64, strides=2)(keras.Input((128, 16))).shape
        (None, 64, 64)
    """

    writer = staticmethod(residual.preactivation)


@keras.saving.register_keras_serializable(package="reskeras")
class WideBlock(PreActivationBlock):
    """The pre-activation block of wide residual networks, with dropout between its two convolutions.

    It is `PreActivationBlock` with the dropout that the paper found best, and the `filters` are meant to be k times
    those of a residual network. Source: Zagoruyko and Komodakis 2016 (1605.07146), figure 1 d and section 2.4.

    Args:
        dropout: dropout before the second convolution, 0.3 in the paper on CIFAR and 0.4 on SVHN.
        filters, strides, kernel_size, activation, normalization, kernel_initializer, padding, shortcut, skip,
            zero_init, drop_path, data_format: as in `PreActivationBlock`.

    Input shape: (batch, time, channels) or (batch, height, width, channels).
    Output shape: (batch, ..., filters), each space axis divided by `strides`, rounded up.

    Raises:
        ValueError: as `BasicBlock`.

    Example:
        >>> WideBlock(160, dropout=0.3)(keras.Input((32, 32, 16))).shape
        (None, 32, 32, 160)
    """

    def __init__(self, filters, strides=1, dropout=0.3, **kwargs):
        super().__init__(filters, strides, dropout=dropout, **kwargs)


class _Bottleneck(_ResidualBlock):
    """What both bottlenecks have beside the other arguments."""

    def __init__(self, filters, strides=1, bottleneck=0.25, stride_in="first", **kwargs):
        self.bottleneck = bottleneck
        self.stride_in = stride_in
        super().__init__(filters, strides, **kwargs)

    def style(self):
        return super().style(inner=self.bottleneck, stride_in=self.stride_in)


@keras.saving.register_keras_serializable(package="reskeras")
class BottleneckBlock(_Bottleneck):
    """y = relu(x + f(x)) with f of a 1x1, a 3x3 and a 1x1 convolution, each with its normalisation.

    Source: He et al. 2015 (1512.03385), figure 5 right.

    Args:
        filters: channels of the output, four times the paper's inner ones.
        bottleneck: share of `filters` inside, 0.25 in the paper; 0.5 makes the block of WRN-50-2.
        stride_in: which convolution strides: the `"first"` 1x1 as in the paper, or the `"middle"` one, as in what is
            called version 1.5.
        kernel_size: side of the middle convolution.
        strides, activation, normalization, kernel_initializer, padding, shortcut, skip, zero_init, dropout, drop_path,
            data_format: as in `BasicBlock`.

    Input shape: (batch, time, channels) or (batch, height, width, channels).
    Output shape: (batch, ..., filters), each space axis divided by `strides`, rounded up.

    Raises:
        ValueError: as `BasicBlock`.

    Example:
        >>> BottleneckBlock(256, strides=2, stride_in="middle")(keras.Input((56, 56, 64))).shape
        (None, 28, 28, 256)
    """

    writer = staticmethod(residual.bottleneck)


@keras.saving.register_keras_serializable(package="reskeras")
class PreActivationBottleneck(_Bottleneck):
    """y = x + f(x) with f of a 1x1, a 3x3 and a 1x1 convolution, each behind its normalisation and activation.

    Source: He et al. 2016 (1603.05027), with the first activation shared where the shape changes, as in
    `PreActivationBlock`.

    Args:
        zero_init: as in `PreActivationBlock`.
        filters, strides, bottleneck, stride_in, kernel_size, activation, normalization, kernel_initializer, padding,
            shortcut, skip, dropout, drop_path, data_format: as in `BottleneckBlock`.

    Input shape: (batch, time, channels) or (batch, height, width, channels).
    Output shape: (batch, ..., filters), each space axis divided by `strides`, rounded up.

    Raises:
        ValueError: as `BasicBlock`.

    Example:
        >>> PreActivationBottleneck(64)(keras.Input((32, 32, 16))).shape
        (None, 32, 32, 64)
    """

    writer = staticmethod(residual.preactivation_bottleneck)


@keras.saving.register_keras_serializable(package="reskeras")
class Projection(BlockLayer):
    """A 1x1 convolution that gives x the shape of a branch: W_s of He et al. 2015 (1512.03385), equation 2.

    Args:
        filters: channels of the output.
        strides: step between the positions that are kept, along each space axis.
        normalization: `"batch"` or `"layer"` behind the convolution, or `"none"` for a bare one, as in pre-activation
            blocks.
        use_bias: whether the convolution has a bias.
        kernel_initializer: how the kernel starts.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's global setting.

    Input shape: (batch, time, channels) or (batch, height, width, channels).
    Output shape: (batch, ..., filters), each space axis divided by `strides`, rounded up.

    Raises:
        ValueError: for an unknown normalisation.

    Example:
        >>> Projection(64, strides=2)(keras.Input((9, 9, 16))).shape
        (None, 5, 5, 64)
    """

    axes = keras.layers.InputSpec(min_ndim=3)

    def __init__(
        self,
        filters,
        strides=1,
        normalization="batch",
        use_bias=False,
        kernel_initializer="he_normal",
        data_format=None,
        **kwargs,
    ):
        super().__init__(data_format, **kwargs)
        self.filters = filters
        self.strides = strides
        self.normalization = normalization
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.style = residual.Style(normalization=normalization)

    def write(self, shape: Shape) -> Block:
        conv = Conv(self.filters, 1, self.strides, bias=self.use_bias, initializer=self.kernel_initializer)
        return Block((conv, *self.style.norm()), Skip("none"))
