"""Public layers: their formulas against numpy."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reskeras import layers
from reskeras.layers import DropPath, Gate, PadChannels, Residual, Scale, ScaledAdd, SelfAttention, Tokens

RANDOM = np.random.default_rng(7)


def _x(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _dense(units=4, **options):
    return keras.layers.Dense(units, **options)


def test_residual_is_the_sum_of_input_and_branch():
    branch, x = _dense(activation="tanh"), _x(3, 4)
    y = Residual(branch)(x)
    np.testing.assert_allclose(_array(y), x + np.tanh(x @ _array(branch.kernel)), rtol=1e-5, atol=1e-6)


def test_gate_mixes_what_is_computed_with_what_is_carried():
    gate, x, f = Gate(bias=-2.0), _x(3, 4), _x(3, 4)
    y = _array(gate([x, f]))
    t = _sigmoid(x @ _array(gate.transform.kernel) + _array(gate.transform.bias))
    np.testing.assert_allclose(_array(gate.transform.bias), -2.0)
    np.testing.assert_allclose(y, t * f + (1 - t) * x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 5, 4, 3), (2, 5, 3)])
def test_pad_channels_takes_every_second_position_and_adds_zeros(shape):
    x = _x(*shape)
    y = _array(PadChannels(5, strides=2)(x))
    kept = x[:, ::2, ::2] if len(shape) == 4 else x[:, ::2]
    np.testing.assert_array_equal(y[..., :3], kept)
    np.testing.assert_array_equal(y[..., 3:], 0)


def test_tokens_of_an_image_are_its_patches_row_by_row():
    layer, x = Tokens(5, patch=2), _x(2, 4, 6, 3)
    y = _array(layer(x))
    kernel, bias = (_array(weight) for weight in layer.trainable_variables)
    patches = [x[:, r : r + 2, c : c + 2].reshape(2, -1) for r in (0, 2) for c in (0, 2, 4)]
    np.testing.assert_allclose(y, np.stack(patches, 1) @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_self_attention_is_softmax_of_scaled_products():
    layer, x = SelfAttention(2), _x(2, 5, 4)
    y = _array(layer(x))
    weights = {variable.path.split("heads/")[1]: _array(variable) for variable in layer.trainable_variables}
    q, k, v = (
        np.einsum("btd,dhe->bhte", x, weights[f"{n}/kernel"]) + weights[f"{n}/bias"][:, None]
        for n in ("query", "key", "value")
    )
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(2)
    share = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    out = np.einsum("bhte,hed->btd", share @ v, weights["attention_output/kernel"]) + weights["attention_output/bias"]
    np.testing.assert_allclose(y, out, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SelfAttention(3).build((None, 5, 4)), r"heads=3 and a width of 4"),
        (lambda: PadChannels(2).build((None, 4, 4, 3)), r"adds channels up to 2\. Received: 3"),
        (lambda: Tokens(4, patch=3).build((None, 8, 8, 1)), r"patch=3 and shape=\(8, 8, 1\)"),
        (lambda: Scale(per="channel").build((None, None)), r"each channel needs their number.*\(None, None\)"),
        (lambda: Scale(per="head"), r"per must be one of layer, channel\. Received: per='head'"),
        (lambda: ScaledAdd().build([(2, 3), (2, 4)]), r"one shape\. Received: shapes \(2, 3\) and \(2, 4\)"),
        (lambda: DropPath(1.0), r"rate must be at least 0 and less than 1\. Received: rate=1\.0"),
        (lambda: DropPath(0.5, per="step"), r"per must be one of sample, batch\. Received: per='step'"),
        (lambda: DropPath(0.5, scale="both"), r"scale must be one of train, test\. Received: scale='both'"),
        (lambda: SelfAttention(0).build((None, 5, 4)), r"heads=0 and a width of 4\. Did you mean heads=1"),
        (lambda: layers.BasicBlock(4, strides=0), r"strides must be a whole number from 1\. Received: strides=0"),
        (lambda: layers.BasicBlock(0), r"filters must be a whole number from 1\. Received: filters=0"),
        (lambda: layers.ResidualMLPBlock(0), r"units must be a whole number from 1\. Received: units=0"),
        (lambda: layers.PositionEmbedding(2.5), r"most must be a whole number from 1\. Received: most=2\.5"),
        (lambda: layers.Transition(1.5), r"compression must be above 0 and at most 1\. Received: compression=1\.5"),
        (lambda: layers.DenselyConnected(4).build((None, 5)), r"an axis of time or space"),
    ],
)
def test_wrong_arguments_say_what_came_and_what_fits(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("name", "arguments", "fits"),
    [
        *((name, (8,), "min_ndim=3") for name in ("BasicBlock", "BottleneckBlock", "PreActivationBlock", "WideBlock")),
        *((name, (8,), "min_ndim=3") for name in ("PreActivationBottleneck", "Projection", "PadChannels")),
        *((name, (), "min_ndim=3") for name in ("Transition", "HighwayConv")),
        ("DenseBlock", (2, 4), "min_ndim=3"),
        *((name, (4,), "ndim=3") for name in ("StackedLSTM", "LSTM1997", "PositionEmbedding", "SelfAttention")),
        *((name, (), "ndim=3") for name in ("ClassToken", "FirstToken")),
        ("EncoderBlock", (1, 4), "ndim=3"),
        ("Sequence", (), "ndim=4"),
        *((name, (), "min_ndim=2") for name in ("HighwayDense", "Bias")),
        ("ResidualMLPBlock", (4,), "min_ndim=2"),
        ("SkipLayerMLP", ((3,), 2), "min_ndim=2"),
    ],
)
def test_an_input_of_too_few_axes_is_refused_with_what_fits(name, arguments, fits):
    axes = int(fits[-1]) - 1
    with pytest.raises(ValueError, match=f"expected {fits}, found ndim={axes}"):
        getattr(layers, name)(*arguments)(keras.Input((4,) * (axes - 1)))


def test_unknown_batch_and_time():
    inputs = keras.Input((None, 4))
    outputs = Residual([SelfAttention(2), Scale(1.0)], skip="gate")(inputs)
    assert outputs.shape == (None, None, 4)
    model = keras.Model(inputs, outputs)
    for time in (2, 7):
        assert _array(model(_x(3, time, 4))).shape == (3, time, 4)
