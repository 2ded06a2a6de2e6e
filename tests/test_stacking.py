"""A stack and the layers that it stands for: the same weights, names and numbers, in both directions."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from networks import CLASSES, input_shape, predict, samples, skips, tiny_options
from test_stacked_families import DEPTHS
from weights import randomise

import reskeras
from reskeras.layers import DropPath, Residual, Stack
from reskeras.transforms.portable import portable
from reskeras.transforms.stacking import roll, unroll

# One of each kind: convolutions, gates, pairs and triples of blocks with a memory, recurrence, several outputs.
NAMES = ("resnet", "highway", "plain", "gpt", "translator", "lstm_tagger", "alphago_zero")


def _network(name, stacked=True):
    keras.utils.set_random_seed(4)
    options = {**tiny_options(name, skips(name)[0]), "depth": DEPTHS[name]}
    model = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, stacked=stacked, **options)
    randomise(model)
    return model


def _stacks(model):
    return [layer for layer in model.layers if isinstance(layer, Stack)]


@pytest.mark.parametrize("name", NAMES)
def test_unrolled_networks_are_those_of_separate_blocks(name):
    model = _network(name)
    flat = unroll(model)
    assert _stacks(model) and not _stacks(flat)
    separate = _network(name, stacked=False)
    assert {(each.path, each.shape) for each in flat.weights} == {(each.path, each.shape) for each in separate.weights}
    x, _ = samples(name, padded=True)
    for found, wanted in zip(predict(flat, x), predict(model, x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet", "highway", "plain", "gpt", "lstm_tagger", "alphago_zero"])
def test_rolled_networks_are_those_of_stacks_and_back_again(name):
    separate = _network(name, stacked=False)
    rolled = roll(separate)
    assert [stack.names for stack in _stacks(rolled)] == [stack.names for stack in _stacks(_network(name))]
    x, _ = samples(name, padded=True)
    again = unroll(rolled)
    weights = {each.path: each for each in separate.weights}
    for each in again.weights:
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(each), keras.ops.convert_to_numpy(weights.pop(each.path))
        )
    assert not weights
    for found, wanted in zip(predict(rolled, x), predict(separate, x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["resnet", "translator"])
def test_a_portable_file_of_stacks_is_that_of_separate_blocks(name):
    model = _network(name)
    flat = portable(model)
    assert [layer.name for layer in flat.layers] == [layer.name for layer in portable(unroll(model)).layers]
    assert all(type(layer).__module__.startswith("keras.") for layer in flat.layers)
    x, _ = samples(name)
    for found, wanted in zip(predict(flat, x), predict(model, x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_rates_and_frozen_blocks_are_kept():
    inputs = keras.Input((6,))
    x = inputs
    rates = [0.1, 0.2, 0.4]
    for number, rate in enumerate(rates):
        x = Residual([keras.layers.Dense(6), DropPath(rate)], name=f"b{number}")(x)
    separate = keras.Model(inputs, x)
    rolled = roll(separate)
    (stack,) = _stacks(rolled)
    assert stack.drop_path == rates and stack.names == ["b0", "b1", "b2"]
    stack.trainable = False
    again = unroll(rolled)
    assert [layer.branch[1].rate for layer in again.layers[1:]] == rates
    assert again.count_params() == separate.count_params() and not again.trainable_variables


def test_what_is_not_equal_is_not_rolled():
    inputs = keras.Input((6,))
    first = keras.layers.Dense(6, activation="relu", name="a")(inputs)
    second = keras.layers.Dense(6, activation="tanh", name="b")(first)
    third = keras.layers.Dense(6, activation="tanh", name="c")(second)
    model = keras.Model(inputs, [third, second])
    assert not _stacks(roll(model)), "the second output reads what b gives"
    rolled = roll(keras.Model(inputs, third))
    assert [stack.names for stack in _stacks(rolled)] == [["b", "c"]]
    assert rolled.get_layer("a").activation is keras.activations.relu


def test_ten_thousand_blocks_are_built_trained_saved_and_loaded(tmp_path, backend):
    """With the gates of ReZero (2003.04887), each of which starts at 0."""
    # The other backends take half a minute and more for ten thousand: PyTorch runs each block from Python.
    depth = 10_000 if backend == "jax" else 2_000
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,))
    stack = Stack(Residual(keras.layers.Dense(4, activation="relu"), "scaled"), depth, name="deep")
    model = keras.Model(inputs, keras.layers.Dense(2)(stack(inputs)))
    assert model.count_params() == depth * (4 * 4 + 4 + 1) + 10
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    before = model.predict(x, verbose=0)
    model.train_on_batch(x, np.ones((3, 2), "float32"))
    after = model.predict(x, verbose=0)
    assert np.isfinite(after).all() and np.abs(after - before).max() > 0
    model.save(tmp_path / "own.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "own.keras").predict(x, verbose=0), after)
