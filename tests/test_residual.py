"""Residual: what its branch and skip add up to, paths that fit by themselves, layers of a user's own, errors."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from autodiff import Projection
from keras import layers
from weights import randomise

from reskeras.layers import Residual, SelfAttention


def _x(*shape):
    return np.random.default_rng(7).normal(size=shape).astype("float32")


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _attention():
    return [layers.LayerNormalization(), SelfAttention(2)]


@pytest.mark.parametrize(
    ("make_branch", "shape", "depth"),
    [(lambda: [layers.Dense(4, activation="tanh"), layers.Dense(4)], (4,), 12), (_attention, (5, 4), 6)],
    ids=["dense", "attention"],
)
def test_signals_of_a_deep_chain_are_those_of_identity_mappings(make_branch, shape, depth):
    """Equations 4 and 5 of He et al. 2016 (1603.05027): x_L = x_l + sum F, dE/dx_l = dE/dx_L + d(sum F)/dx_l."""
    x = inputs = keras.Input(shape)
    inner = []
    for _ in range(depth):
        branch = keras.Sequential(make_branch())
        inner.append(branch(x))
        x = Residual(branch)(x)
    chain, branches = keras.Model(inputs, x), keras.Model(inputs, layers.Add()(inner))
    randomise(chain)
    sample = _x(3, *shape)
    np.testing.assert_allclose(_array(chain(sample)), sample + _array(branches(sample)), rtol=0, atol=1e-5 * depth)
    through_chain, through_branches = (Projection(model, sample, sample.shape) for model in (chain, branches))
    whole = through_chain.value_and_gradients(through_chain.point())[1][-1]
    part = through_branches.value_and_gradients(through_branches.point())[1][-1]
    assert np.abs(part).max() > 0.1
    np.testing.assert_allclose(whole, through_chain.factors + part, rtol=0, atol=1e-5 * depth)


def test_a_projection_is_one_linear_map_of_the_positions_that_the_branch_keeps():
    block, x = Residual(layers.Conv2D(5, 3, strides=2, padding="same"), skip_path="projection"), _x(2, 7, 4, 3)
    y = _array(block(x))
    (path,) = block.skip_path
    carried = x[:, ::2, ::2] @ _array(path.kernel)[0, 0]
    np.testing.assert_allclose(y, carried + _array(block.branch[0](x)), rtol=1e-5, atol=1e-5)


def test_padding_adds_zeros_for_the_channels_that_are_missing():
    block, x = Residual(layers.Conv2D(5, 3, strides=2, padding="same"), skip_path="pad"), _x(2, 7, 4, 3)
    carried = np.pad(x[:, ::2, ::2], [(0, 0)] * 3 + [(0, 2)])
    np.testing.assert_allclose(_array(block(x)), carried + _array(block.branch[0](x)), rtol=1e-5, atol=1e-5)


def test_a_path_is_the_identity_where_the_shape_stays():
    block = Residual(layers.Dense(4), skip_path="projection")
    block.build((None, 4))
    assert block.skip_path == []


def test_channels_are_where_the_branch_has_them(backend):
    if backend == "tensorflow":
        pytest.skip("TensorFlow on a CPU has no convolutions with channels first")
    x = _x(2, 3, 4, 4)
    convolution = {"padding": "same", "data_format": "channels_first"}
    joined = Residual(layers.Conv2D(5, 3, **convolution), skip="concat")
    assert tuple(joined(x).shape) == (2, 8, 4, 4)
    smaller = Residual(layers.Conv2D(6, 3, strides=2, **convolution), skip_path="projection", skip="layerscale")
    assert tuple(smaller(x).shape) == (2, 6, 2, 2)
    assert sorted(tuple(weight.shape) for weight in smaller.skip.weights) == [(6,)]


@keras.saving.register_keras_serializable(package="test_residual")
class Twice(layers.Layer):
    """A layer of a user's own, with a weight and an argument."""

    def __init__(self, start=2.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.factor = self.add_weight(shape=(), initializer=keras.initializers.Constant(self.start))

    def call(self, x):
        return self.factor * x

    def get_config(self):
        return {**super().get_config(), "start": self.start}


def test_a_layer_of_a_users_own_is_made_residual_saved_and_loaded(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, Residual(Residual([Twice(3.0), Twice()]))(inputs))
    randomise(model)
    x = _x(2, 4)
    a, b = (float(_array(weight)) for weight in model.trainable_variables)
    np.testing.assert_allclose(_array(model(x)), x + (x + a * b * x), rtol=1e-5)
    model.save(tmp_path / "own.keras")
    loaded = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(_array(loaded(x)), _array(model(x)))
    assert loaded.layers[1].branch[0].branch[0].start == 3.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Residual(layers.Dense(4), skip="sum"), r"skip must be one of add, none, .*Received: skip='sum'"),
        (lambda: Residual(layers.Dense(4), skip_path="A"), r"projection or pad, or layers\. Received: skip_path='A'"),
        (
            lambda: Residual(layers.Dense(5)).build((None, 4)),
            r"the branch gives \(None, 5\) and the skip path \(None, 4\).*such as 'projection'",
        ),
        (
            lambda: Residual(layers.Conv1D(2, 3), skip="concat").build((None, 5, 4)),
            r"one shape but for the channels; the branch gives \(None, 3, 2\) and the skip path \(None, 5, 4\)",
        ),
        (
            lambda: Residual(layers.Flatten(), skip_path="projection").build((None, 5, 4)),
            r"No 'projection' leads from \(None, 5, 4\).*to \(None, 20\)",
        ),
        (
            lambda: Residual(layers.Conv1D(4, 3), skip_path="pad").build((None, 9, 4)),
            r"No 'pad' leads from \(None, 9, 4\).*to \(None, 7, 4\)",
        ),
        (
            lambda: Residual(layers.Dense(5), skip_path="pad").build((None, 4)),
            r"'pad' is for one or two space axes of one stride.*from \(None, 4\) to \(None, 5\)",
        ),
    ],
)
def test_what_does_not_fit_says_what_came_and_what_would(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class _Masked(layers.Layer):
    """x with a mask of any shape."""

    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def call(self, x):
        return keras.ops.copy(x)

    def compute_mask(self, inputs, previous_mask):
        return keras.ops.convert_to_tensor(self.mask)


@pytest.mark.parametrize("shape", [(2,), (2, 5, 5), (2, 6)])
def test_a_mask_that_is_not_of_the_time_steps_is_refused(shape):
    x = _Masked(np.ones(shape, bool))(_x(2, 5, 4))
    with pytest.raises(ValueError, match=r"mask of shape \(batch, time\).*Received: a mask of shape .* \(2, 5, 4\)"):
        Residual(layers.Dense(4))(x)


def test_padding_of_any_length_changes_nothing():
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(11, 4, mask_zero=True)(inputs)
    pooled = layers.GlobalAveragePooling1D()(Residual(Residual(SelfAttention(2)), skip="layerscale")(x))
    model = keras.Model(inputs, pooled)
    short, long = (_array(model(np.array([[3, 4] + [0] * zeros], "int32"))) for zeros in (1, 4))
    np.testing.assert_allclose(short, long, rtol=0, atol=1e-6)
