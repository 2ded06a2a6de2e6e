"""Densely connected layers, blocks of them, and the transition between two blocks."""

from __future__ import annotations

import keras

from reskeras.blocks.dense import dense_layer, transition
from reskeras.layers import any_layer
from reskeras.layers.block import UNKNOWN_SIZE
from reskeras.layers.composite import Composite
from reskeras.layers.making import make_chain
from reskeras.layers.recompute import SummedGradients, call_recomputed
from reskeras.steps import Shape, Step


class _Chain(Composite):
    """Layers one after another, on the channels where `data_format` has them."""

    def __init__(self, data_format=None, **kwargs):
        super().__init__(**kwargs)
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        self.axis = 1 if self.data_format == "channels_first" else -1

    def sample(self, shape) -> Shape:
        """Return the shape of one sample, channels last; an axis of unknown size stands as a long one."""
        sizes = [UNKNOWN_SIZE if size is None else size for size in shape[1:]]
        return (*sizes[1:], sizes[0]) if self.axis == 1 else tuple(sizes)

    def build_chain(self, steps: tuple[Step, ...], shape) -> None:
        """Make and build a layer for each step."""
        self.chain = make_chain(steps, self.sample(shape), data_format=self.data_format, dtype=self.dtype_policy)
        any_layer.build_chain(self.chain, shape)
        self.built = True

    def call(self, x):
        for layer in self.chain:
            x = layer(x)
        return x


@keras.saving.register_keras_serializable(package="reskeras")
class DenselyConnected(_Chain):
    """f = H([x0, x1, ...]): what one densely connected layer adds to all channels before it.

    H is normalisation, ReLU and a convolution, and with a bottleneck the same of a 1x1 convolution before it. Source:
    Huang et al. 2017, 1608.06993, equation 2.

    Args:
        growth_rate: channels of f; k in the paper.
        bottleneck: whether a 1x1 convolution to 4k channels stands before the convolution (DenseNet-B).
        dropout: dropout after each convolution.
        kernel_size: side of the convolution.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's global setting.

    Input shape: a tensor (batch, time, channels) or (batch, height, width, channels), or a list of such tensors that
    differ in their channels alone. Output shape: the same with `growth_rate` channels.

    Example:
        >>> image, earlier = keras.Input((32, 32, 16)), keras.Input((32, 32, 12))
        >>> DenselyConnected(12)([image, earlier]).shape
        (None, 32, 32, 12)
    """

    def __init__(self, growth_rate, bottleneck=False, dropout=0.0, kernel_size=3, data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        self.growth_rate = growth_rate
        self.bottleneck = bottleneck
        self.dropout = dropout
        self.kernel_size = kernel_size

    def build(self, input_shape):
        shape, self.join = _joined(input_shape, self.axis), None
        if _is_list(input_shape):
            self.join = self.part(keras.layers.Concatenate, "join", axis=self.axis)
            self.join.build(input_shape)
        block = dense_layer(self.growth_rate, self.bottleneck, self.dropout, kernel=self.kernel_size)
        self.build_chain(block.branch, shape)

    def call(self, inputs):
        return super().call(self.join(inputs) if self.join else inputs)

    def compute_output_shape(self, input_shape):
        return _with_channels(_joined(input_shape, self.axis), self.growth_rate, self.axis)


@keras.saving.register_keras_serializable(package="reskeras")
class DenseBlock(Composite):
    """[x, f1, f2, ...] with fi = H([x, f1, ..., f(i-1)]): densely connected layers, each of which reads all before it.

    Source: Huang et al. 2017, 1608.06993, section 3.

    Args:
        depth: number of layers.
        growth_rate: channels that each layer adds; k in the paper.
        bottleneck, dropout, kernel_size: as in `DenselyConnected`.
        recompute: whether the backward pass computes each layer again from the channels that all share. Joined and
            normalised inputs, of which L layers keep about L^2 / 2 times k channels, are then not kept: what is kept
            grows linearly with the depth (Pleiss et al. 2017, 1707.06990). Weights and results stay the same.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's global setting.

    Input shape: (batch, time, channels) or (batch, height, width, channels).
    Output shape: the same with `depth * growth_rate` channels more.

    Example:
        >>> DenseBlock(6, 32, bottleneck=True)(keras.Input((56, 56, 64))).shape
        (None, 56, 56, 256)
    """

    axes = keras.layers.InputSpec(min_ndim=3)

    def __init__(
        self,
        depth,
        growth_rate,
        bottleneck=False,
        dropout=0.0,
        kernel_size=3,
        recompute=False,
        data_format=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.depth = depth
        self.growth_rate = growth_rate
        self.bottleneck = bottleneck
        self.dropout = dropout
        self.kernel_size = kernel_size
        self.recompute = recompute
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        self.axis = 1 if self.data_format == "channels_first" else -1

    def build(self, input_shape):
        arguments = {name: getattr(self, name) for name in ("growth_rate", "bottleneck", "dropout", "kernel_size")}
        pieces, self.blocks, self.sums = [tuple(input_shape)], [], []
        for number in range(1, self.depth + 1):
            layer = self.part(DenselyConnected, f"layer{number}", **arguments, data_format=self.data_format)
            layer.build(pieces if len(pieces) > 1 else pieces[0])
            pieces.append(_with_channels(input_shape, self.growth_rate, self.axis))
            self.blocks.append(layer)
            self.sums.append(self.part(SummedGradients, f"sums{number}", pieces=number, axis=self.axis))
        self.join = self.part(keras.layers.Concatenate, "join", axis=self.axis)
        self.join.build(pieces)
        self.built = True

    def call(self, x, training=None):
        pieces = [x]
        again = self.recompute and training
        for place, layer in enumerate(self.blocks):
            # In either case, so that gradients are summed in the same order.
            pieces = self.sums[place](pieces) if again else self.sums[place].joined(pieces)
            inputs = pieces if place else x
            pieces = [*pieces, call_recomputed(layer, inputs) if again else layer(inputs)]
        return self.join(pieces)

    def compute_output_shape(self, input_shape):
        channels = input_shape[self.axis] + self.depth * self.growth_rate
        return _with_channels(input_shape, channels, self.axis)


@keras.saving.register_keras_serializable(package="reskeras")
class Transition(_Chain):
    """What stands between two dense blocks: normalisation, ReLU, 1x1 convolution to fewer channels, average of 2x2.

    Source: Huang et al. 2017, 1608.06993, section 3, pooling layers and compression.

    Args:
        compression: share of the channels that is kept, rounded down; theta in the paper, 0.5 in DenseNet-BC.
        dropout: dropout after the convolution.
        data_format: `"channels_last"`, `"channels_first"`, or None for Keras's global setting.

    Input shape: (batch, time, channels) or (batch, height, width, channels).
    Output shape: (batch, ..., compression * channels), each other axis halved, rounded down.

    Raises:
        ValueError: for a compression that is not above 0 and at most 1.

    Example:
        >>> Transition(0.5)(keras.Input((56, 56, 256))).shape
        (None, 28, 28, 128)
    """

    axes = keras.layers.InputSpec(min_ndim=3)

    def __init__(self, compression=0.5, dropout=0.0, data_format=None, **kwargs):
        super().__init__(data_format, **kwargs)
        if not 0 < compression <= 1:
            raise ValueError(f"compression must be above 0 and at most 1. Received: compression={compression}")
        self.compression = compression
        self.dropout = dropout

    def build(self, input_shape):
        self.build_chain(transition(self.sample(input_shape), self.compression, self.dropout).branch, input_shape)

    def compute_mask(self, inputs, previous_mask):
        # The mask is of time steps that are no more.
        return None

    def compute_output_shape(self, input_shape):
        sample = transition(self.sample(input_shape), self.compression).output_shape(self.sample(input_shape))
        space = input_shape[2:] if self.axis == 1 else input_shape[1:-1]
        halved = [None if size is None else new for size, new in zip(space, sample, strict=False)]
        return (input_shape[0], sample[-1], *halved) if self.axis == 1 else (input_shape[0], *halved, sample[-1])


def _is_list(shapes) -> bool:
    """Return whether these are several shapes, and not one."""
    return isinstance(shapes[0], (tuple, list))


def _joined(shapes, axis: int) -> tuple:
    """Return the shape of tensors joined along their channels, or of a single tensor."""
    if not _is_list(shapes):
        return tuple(shapes)
    return _with_channels(shapes[0], sum(shape[axis] for shape in shapes), axis)


def _with_channels(shape, channels: int, axis: int) -> tuple:
    sizes = list(shape)
    sizes[axis] = channels
    return tuple(sizes)
