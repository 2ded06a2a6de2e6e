"""Skips that scale, and stochastic depth: formulas against numpy, the papers' numbers, random gates while training."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reskeras.blocks import scales, stochastic_depth
from reskeras.layers import DropPath, Scale, ScaledAdd
from reskeras.layers.making import make_skip
from reskeras.plan import Skip

RANDOM = np.random.default_rng(7)


def _x(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("shape", [(3, 4), (3, 5, 4), (3, 5, 2, 4)])
def test_a_scaled_sum_starts_as_the_identity_and_learns_one_number(shape):
    layer, x, f = ScaledAdd(), _x(*shape), _x(*shape)
    np.testing.assert_array_equal(_array(layer([x, f])), x)
    layer.set_weights([np.full_like(layer.get_weights()[0], 0.25)])
    assert layer.count_params() == 1
    np.testing.assert_allclose(_array(layer([x, f])), x + 0.25 * f, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 4), (3, 5, 4), (3, 5, 2, 4)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_a_scale_of_each_channel_multiplies_its_channel(shape, data_format):
    axis = 1 if data_format == "channels_first" else -1
    layer, x = Scale(0.1, per="channel", data_format=data_format), _x(*shape)
    np.testing.assert_allclose(_array(layer(x)), 0.1 * x, rtol=1e-6)
    factors = np.arange(1, shape[axis] + 1, dtype="float32")
    layer.set_weights([factors.reshape(layer.get_weights()[0].shape)])
    wanted = np.moveaxis(np.moveaxis(x, axis, -1) * factors, -1, axis)
    np.testing.assert_allclose(_array(layer(x)), wanted, rtol=1e-6)


@pytest.mark.parametrize(("carry", "factor"), [(1.5, 1.0), (0.5, 0.5), (1.0, -0.25)])
def test_constants_carry_and_scale_without_weights(carry, factor):
    layer, x, f = ScaledAdd(factor, trained=False, carry=carry), _x(3, 4), _x(3, 4)
    np.testing.assert_allclose(_array(layer([x, f])), carry * x + factor * f, rtol=1e-6, atol=1e-7)
    assert not layer.weights


@pytest.mark.parametrize(
    ("skip", "weights"),
    [
        (Skip("scaled", scale=0.2), 1),
        (Skip("scaled", scale=1e-5, per="channel"), 6),
        (Skip("scaled", scale=0.5, trained=False, carry=2.0), 0),
    ],
)
def test_a_plan_says_what_a_scaled_skip_is(skip, weights):
    layer, x, f = make_skip(skip, (5, 6)), _x(2, 5, 6), _x(2, 5, 6)
    np.testing.assert_allclose(_array(layer([x, f])), skip.carry * x + skip.scale * f, rtol=1e-6, atol=1e-7)
    assert layer.count_params() == weights == skip.cost((5, 6), (5, 6)).parameters


def test_scale_rules_are_those_of_the_papers():
    # Wang et al. 2022: 200 layers of encoder alone, and 18 + 18 layers, by the formulas worked out by hand.
    assert scales.deepnorm(200) == pytest.approx((4.47214, 0.158114), rel=1e-5)
    encoder, decoder = scales.deepnorm_pair(18, 18)
    assert encoder == pytest.approx((0.81 * 18 ** (5 / 16), 0.87 * 18 ** (-5 / 16)))
    assert decoder == pytest.approx((54**0.25, 216**-0.25))
    assert [scales.layerscale(depth) for depth in (12, 18, 24, 36, 48)] == [0.1, 0.1, 1e-5, 1e-6, 1e-6]
    # Basic blocks have two layers: L^(-1/2); bottlenecks three: L^(-1/4).
    assert scales.fixup(16) == pytest.approx(0.25)
    assert scales.fixup(16, layers=3) == pytest.approx(0.5)
    assert scales.skipinit(100) == pytest.approx(0.1)
    with pytest.raises(ValueError, match=r"2 layers or more\. Received: layers=1"):
        scales.fixup(16, layers=1)


def test_rates_of_stochastic_depth_are_those_of_the_paper():
    for blocks, expected in ((54, 40.25), (600, 449.75)):
        rates = stochastic_depth.linear(blocks, 0.5)
        assert stochastic_depth.expected_blocks(rates) == pytest.approx(expected)
        assert (rates[0], rates[-1]) == pytest.approx((0.5 / blocks, 0.5))
    np.testing.assert_allclose(stochastic_depth.linear(12, 0.1, from_zero=True), np.linspace(0, 0.1, 12))
    assert stochastic_depth.linear(1, 0.3, from_zero=True) == (0.0,)
    assert stochastic_depth.uniform(3, 0.2) == (0.2, 0.2, 0.2)


@pytest.mark.parametrize("per", ["sample", "batch"])
@pytest.mark.parametrize("scale", ["train", "test"])
def test_a_branch_is_dropped_as_a_whole_and_scaled_where_it_was_asked(per, scale):
    layer, x = DropPath(0.25, per=per, scale=scale, seed=3), 1 + np.abs(_x(40, 3, 2))
    gates = np.concatenate([_array(layer(x, training=True)) / x for _ in range(40)])
    kept = 1 / 0.75 if scale == "train" else 1.0
    assert {round(float(gate), 5) for gate in gates.ravel()} == {0.0, round(kept, 5)}
    np.testing.assert_allclose(gates, np.broadcast_to(gates[:, :1, :1], gates.shape), rtol=1e-5)
    steps = gates[:, 0, 0].reshape(40, 40)
    assert all(len(set(np.round(step, 5))) == (1 if per == "batch" else 2) for step in steps)
    # Of 1600 gates of samples, or of 40 of batches, three quarters within four standard deviations.
    assert abs((gates > 0).mean() - 0.75) < 4 * np.sqrt(0.75 * 0.25 / (1600 if per == "sample" else 40))
    np.testing.assert_allclose(_array(layer(x)), x if scale == "train" else 0.75 * x, rtol=1e-6)


class _Sums(keras.layers.Layer):
    """Writes down the sum of what goes through in each training step."""

    def build(self, input_shape):
        self.step = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)
        self.seen = self.add_weight(shape=(8,), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            here = keras.ops.cast(keras.ops.arange(8) == self.step, "float32")
            self.seen.assign(self.seen + here * keras.ops.sum(x))
            self.step.assign_add(1)
        return x


def _sums_of_a_fit(seed):
    """Return the sum of a branch of ones behind DropPath in each of eight steps of a compiled training."""
    inputs = keras.Input((4,))
    record = _Sums()
    outputs = keras.layers.Dense(1)(record(DropPath(0.5, per="batch", scale="test", seed=seed)(inputs)))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    model.fit(np.ones((16, 4), "float32"), np.zeros((16, 1), "float32"), batch_size=2, verbose=0)
    return _array(record.seen)


def test_gates_differ_from_step_to_step_of_a_fit_and_are_those_of_the_seed():
    first, again, other = (_sums_of_a_fit(seed) for seed in (11, 11, 5))
    assert set(first) == {0.0, 8.0}
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
