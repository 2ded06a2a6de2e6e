"""Networks deeper than Keras's recursion allows: built, written, and loaded without this package."""

from __future__ import annotations

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from networks import CLASSES, input_shape, predict, recursion, samples, skips, tiny_options
from weights import randomise

import reskeras
from reskeras.layers.deep import DeepModel, functional, in_order
from reskeras.transforms.portable import portable

SHORT = 9
FAMILIES = {
    **{"resnet": {}, "densenet": {}, "highway": {"depth": 10}, "lstm_tagger": {"depth": 10}},
    **{"translator": {}, "bert": {}, "gpt": {}, "alphago_zero": {}},
}
"""Convolutions, concatenations, gates, masks, a memory, several inputs, a table read at both ends, two outputs."""


@pytest.mark.any_backend
@pytest.mark.parametrize("name", FAMILIES)
def test_a_nested_model_is_the_flat_one(name, tmp_path):
    keras.utils.set_random_seed(1)
    options = {**tiny_options(name, skips(name)[0]), **FAMILIES[name]}
    model = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, **options)
    randomise(model)
    flat, nested = portable(model), portable(model, SHORT)
    assert recursion(flat) > SHORT
    inner = nested.get_layer(f"{model.name}_layers")
    assert max(recursion(inner), recursion(nested)) <= SHORT
    # Each layer is in one of the two, under the name that it has in the flat model.
    names = [layer.name for layer in [*nested.layers, *inner.layers]]
    inputs = [layer.name for layer in flat.layers if isinstance(layer, keras.layers.InputLayer)]
    assert sorted(names) == sorted([*(layer.name for layer in flat.layers), *inputs, inner.name])
    assert sorted(each.path for each in nested.weights) == sorted(each.path for each in flat.weights)
    assert nested.output_names == flat.output_names
    x, _ = samples(name, padded=True)
    nested.save(tmp_path / "nested.keras")
    for each in (nested, keras.models.load_model(tmp_path / "nested.keras")):
        for found, wanted in zip(predict(each, x), predict(flat, x), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


def test_a_nested_model_keeps_what_is_frozen():
    model = reskeras.build("resnet", input_shape=(8, 8, 1), classes=3, depth=14, width=2, stacked=False)
    model.get_layer("stage1_block2").trainable = False
    model.get_layer("stage3_block2").trainable = False
    flat, nested = portable(model), portable(model, SHORT)
    paths = sorted(each.path for each in flat.trainable_variables)
    assert len(paths) == len(model.trainable_variables) < len(flat.weights)
    assert sorted(each.path for each in nested.trainable_variables) == paths


def test_the_original_is_left_as_it_is():
    model = reskeras.build("highway", input_shape=(4,), classes=2, depth=4, width=3)
    calls = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
    portable(model)
    assert [len(layer._inbound_nodes) for layer in model._flatten_layers()] == calls


def test_short_networks_are_not_nested():
    model = reskeras.build("resnet", input_shape=(8, 8, 1), classes=3, depth=14, width=2)
    assert not isinstance(model, DeepModel)
    flat = portable(model)
    assert not any(isinstance(layer, keras.Model) for layer in flat._flatten_layers(include_self=False))


def test_a_chain_with_two_ends_is_one_flat_model_and_so_is_its_file(tmp_path):
    x = inputs = keras.Input((2,), name="samples")
    names = [f"layer{number}" for number in range(1202)]
    chain = [x := keras.layers.ReLU(name=name)(x) for name in names]
    assert [node.operation.name for node, _ in in_order([chain[-1]])] == ["samples", *names]
    outputs = {"end": chain[-1], "middle": chain[700]}
    model = functional(inputs, outputs)
    assert isinstance(model, DeepModel)
    model.save(tmp_path / "deep.keras")
    for each in (model, keras.models.load_model(tmp_path / "deep.keras")):
        assert [layer.name for layer in each.layers] == ["samples", *names]
        assert {key: y._keras_history[0].name for key, y in each.output.items()} == {
            "end": "layer1201",
            "middle": "layer700",
        }
        assert each.output_names == ["layer1201", "layer700"]
        found = each(np.array([[-1.0, 2.0]], "float32"))
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(found["end"]), [[0, 2]])


LOADER = """
import sys
sys.modules["reskeras"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
x, y = np.load(sys.argv[2]).values()
assert sys.getrecursionlimit() == 1000
found = keras.ops.convert_to_numpy(model(x))
assert np.abs(found - y).max() <= 1e-5, np.abs(found - y).max()
before = model.get_weights()
model.compile("sgd", keras.losses.MeanSquaredError(), run_eagerly=True)
model.fit(x, y + 1, verbose=0)
assert all(np.isfinite(each).all() for each in model.get_weights())
assert any((new != old).any() for new, old in zip(model.get_weights(), before))
"""


# What is deep is Python's walk over the graph, whatever computes.
@pytest.mark.any_backend
def test_a_chain_of_1202_layers_is_loaded_and_trained_further_without_this_package(tmp_path):
    keras.utils.set_random_seed(1)
    tensor = inputs = keras.Input((4,), name="samples")
    for number in range(601):
        tensor = keras.layers.Dense(4, kernel_initializer="orthogonal", name=f"dense{number}")(tensor)
        tensor = keras.layers.Activation("tanh", name=f"activation{number}")(tensor)
    model = functional(inputs, tensor, name="deep")
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    y = keras.ops.convert_to_numpy(model(x))
    assert np.abs(y).max() > 1e-3
    portable(model).save(tmp_path / "deep.keras")
    np.savez(tmp_path / "samples.npz", x, y)
    command = [sys.executable, "-c", LOADER, str(tmp_path / "deep.keras"), str(tmp_path / "samples.npz")]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
