"""Convolutional residual blocks: their formulas in numpy and in Keras's own layers, and the identities of 2016."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from autodiff import Projection as Sum
from weights import randomise

from reskeras.blocks import residual
from reskeras.layers import (
    BasicBlock,
    BottleneckBlock,
    PadChannels,
    PreActivationBlock,
    PreActivationBottleneck,
    WideBlock,
)
from reskeras.layers.making import make_block, make_chain

RANDOM = np.random.default_rng(5)
ALL_BLOCKS = (BasicBlock, BottleneckBlock, PreActivationBlock, PreActivationBottleneck, WideBlock)


def _x(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("layer", ALL_BLOCKS)
@pytest.mark.parametrize("normalization", ["batch", "none"])
def test_with_zero_init_a_block_is_exactly_the_identity_at_the_start(layer, normalization):
    # Otherwise one start in a hundred has no positive activation in its two inner channels.
    keras.utils.set_random_seed(1)
    # What a block with an activation after its sum gets is not negative.
    x = np.abs(_x(2, 6, 5, 8))
    block = layer(8, normalization=normalization, zero_init=True, dropout=0.0)
    np.testing.assert_array_equal(_array(block(x)), x)
    np.testing.assert_array_equal(_array(block(x, training=True)), x)
    assert np.abs(_array(layer(8, normalization=normalization)(x)) - x).max() > 0.01


def _windows(x, pool):
    """Return every second position of (batch, ..., channels), or the averages over windows of two that fit."""
    axes = range(1, x.ndim - 1)
    if pool == "first":
        return x[(slice(None), *(slice(None, None, 2) for _ in axes))]
    for axis in axes:
        pieces = np.split(x, range(2, x.shape[axis], 2), axis)
        x = np.concatenate([piece.mean(axis, keepdims=True) for piece in pieces], axis)
    return x


@pytest.mark.parametrize("pool", ["first", "average"])
@pytest.mark.parametrize("shape", [(2, 6, 4, 3), (2, 5, 7, 3), (2, 5, 3), (2, 1, 3)])
def test_padded_shortcuts_are_a_smaller_grid_and_zeros(shape, pool):
    x = _x(*shape)
    y = _array(PadChannels(5, 2, pool)(x))
    np.testing.assert_allclose(y[..., :3], _windows(x, pool), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(y[..., 3:], 0)
    # A branch that is zero leaves the shortcut alone.
    shortcut = {"first": "pad", "average": "average"}[pool]
    block = PreActivationBlock(5, 2, shortcut=shortcut, zero_init=True, normalization="none", activation="linear")
    np.testing.assert_array_equal(_array(block(x)), y)


def test_zeros_on_both_sides_put_the_kernel_over_every_second_position():
    """As in PyTorch: the centre of a 3x3 kernel lies over 0, 2, ...; that of Keras's `same`, over 1, 3, ..."""
    centre = np.zeros((3, 3, 1, 1), "float32")
    centre[1, 1] = 1
    x = _x(1, 6, 6, 1)
    for padding, first in (("both", 0), ("same", 1)):
        layers = make_chain(residual.Style(padding=padding).conv(1, 3, 2), x.shape[1:])
        y = keras.Sequential(layers)
        y.build(x.shape)
        y.set_weights([centre])
        np.testing.assert_allclose(_array(y(x)), x[:, first::2, first::2], rtol=1e-6)


def _drawn(layer, strides):
    """Return the paper's block from 6 to 8 channels in Keras's own layers, and those with weights, shortcut last."""
    made, x = [], keras.Input((8, 8, 6))

    def conv(x, filters, kernel, strides=1):
        made.append(keras.layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False))
        return made[-1](x)

    def norm(x):
        made.append(keras.layers.BatchNormalization(epsilon=1e-5))
        return made[-1](x)

    def norm_relu(x):
        return keras.layers.ReLU()(norm(x))

    if layer in (BasicBlock, BottleneckBlock):
        if layer is BasicBlock:
            f = norm(conv(norm_relu(conv(x, 8, 3, strides)), 8, 3))
        else:
            f = norm(conv(norm_relu(conv(norm_relu(conv(x, 2, 1, strides)), 2, 3)), 8, 1))
        y = keras.layers.ReLU()(keras.layers.Add()([norm(conv(x, 8, 1, strides)), f]))
    else:
        shared = norm_relu(x)
        if layer is PreActivationBlock:
            f = conv(norm_relu(conv(shared, 8, 3, strides)), 8, 3)
        else:
            f = conv(norm_relu(conv(norm_relu(conv(shared, 2, 1, strides)), 2, 3)), 8, 1)
        y = keras.layers.Add()([conv(shared, 8, 1, strides), f])
    return keras.Model(x, y), made


@pytest.mark.parametrize("layer", ALL_BLOCKS[:4])
def test_a_block_is_what_the_paper_draws(layer):
    x = _x(2, 8, 8, 6)
    block, (drawn, made) = layer(8, 2), _drawn(layer, 2)
    block.build(x.shape)
    randomise(block)
    parts = block.residual
    ours = [part for chain in (parts.before, parts.branch, parts.skip_path) for part in chain if part.weights]
    for mine, other in zip(ours, made, strict=True):
        other.set_weights(mine.get_weights())
    np.testing.assert_allclose(_array(block(x)), _array(drawn(x)), rtol=1e-5, atol=1e-5)


STAGE, WIDTH = 4, 3


@pytest.fixture(scope="module")
def stage():
    """Pre-activation blocks of one size with random weights, as models of their branches and of all together."""
    x = keras.Input((5, 5, WIDTH))
    write = residual.preactivation(residual.Style(), WIDTH, WIDTH)
    blocks, y = [], x
    for number in range(STAGE):
        blocks.append(make_block(write, (5, 5, WIDTH), f"block{number}"))
        y = blocks[-1](y)
    for number, block in enumerate(blocks):
        randomise(block, seed=number)
    branches = []
    for block in blocks:
        f = x
        for layer in block.branch:
            f = layer(f)
        branches.append(keras.Model(x, f))
    return keras.Model(x, y), blocks, branches


def test_the_last_signal_is_the_first_and_all_branches_between(stage):
    """x_L = x_l + sum of F(x_i), equation 4 of He et al. 2016 (1603.05027)."""
    whole, blocks, branches = stage
    x = _x(4, 5, 5, WIDTH)
    signal, total = x, np.zeros_like(x)
    for block, branch in zip(blocks, branches, strict=True):
        total += _array(branch(signal))
        signal = _array(block(signal))
    np.testing.assert_allclose(_array(whole(x)), x + total, rtol=0, atol=1e-5 * STAGE)


def test_the_gradient_is_that_of_the_skip_path_and_of_the_branches(stage):
    """dE/dx_l = dE/dx_L + sum of what comes through the branches, equation 5 of He et al. 2016, E = c x_L."""
    whole, blocks, branches = stage
    x = _x(4, 5, 5, WIDTH)
    energy = Sum(whole, x, x.shape)
    _, gradients = energy.value_and_gradients(energy.point())
    signals = [x]
    for block in blocks[:-1]:
        signals.append(_array(block(signals[-1], training=True)))
    arriving = energy.factors.astype("float32")
    by_skip = arriving.copy()
    for branch, signal in zip(reversed(branches), reversed(signals), strict=True):
        through = Sum(branch, signal, x.shape)
        through.factors = arriving
        _, found = through.value_and_gradients(through.point())
        arriving = arriving + found[-1]
    by_branches = arriving - by_skip
    assert np.abs(by_branches).max() > 0.1
    np.testing.assert_allclose(gradients[-1], by_skip + by_branches, rtol=0, atol=1e-5 * STAGE)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BasicBlock(8, shortcut="zeros"), r"shortcut must be one of projection, pad, .*; received 'zeros'"),
        (lambda: BottleneckBlock(8, stride_in="last"), r"stride_in must be one of first, middle; received 'last'"),
        (lambda: WideBlock(8, normalization="group"), r"normalization must be one of batch, layer, none; received"),
        (lambda: BasicBlock(8, skip="sum"), r"no skip 'sum'"),
        (lambda: BasicBlock(8, skip="none", drop_path=0.1).build((None, 4, 4, 8)), r"Stochastic depth needs a skip"),
        (lambda: BasicBlock(8, skip="none", zero_init=True), r"lets the gradient reach the branch, .*skip 'none'"),
        (lambda: PreActivationBlock(8, skip="scaled", zero_init=True), r"reach the branch, .*skip 'scaled'"),
        (lambda: BasicBlock(2, shortcut="pad").build((None, 4, 4, 3)), r"adds channels up to 2\. Received: 3"),
        (lambda: PadChannels(4, pool="max"), r"pool must be first or average\. Received: pool='max'"),
    ],
)
def test_wrong_arguments_say_what_came_and_what_fits(make, message):
    with pytest.raises(ValueError, match=message):
        make()
