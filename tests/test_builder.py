"""Every network of the catalogue, with every skip: its shapes, counts, gradients, names and files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from autodiff import paths
from networks import (
    CLASSES,
    EACH_PART,
    EACH_PART_ONCE,
    TINY,
    input_shape,
    output_shape,
    predict,
    samples,
    tiny_options,
    tiny_plan,
)
from weights import randomise

import reskeras
from reskeras.builder import build_plan
from reskeras.installed import installed_backends
from reskeras.layers import Residual
from reskeras.layers.composite import NotPortable
from reskeras.options import OptionError
from reskeras.plan import Head, Plan
from reskeras.steps import Activation, Dense
from reskeras.transforms import portable as portable_module
from reskeras.transforms.portable import portable


@cache
def built(name, skip):
    """Return a tiny network with random weights, made once."""
    model = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, **tiny_options(name, skip))
    randomise(model)
    return model


@cache
def predicted(name, skip):
    """Return what a tiny network predicts of samples."""
    return predict(built(name, skip), samples(name, padded=True)[0])


@pytest.mark.any_backend
@pytest.mark.parametrize(("name", "skip"), TINY)
def test_plan_tells_shapes_and_counts_of_the_built_model(name, skip):
    model, plan = built(name, skip), tiny_plan(name, skip)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == plan.parameters()
    apart = reskeras.unroll(model)
    for address, shape in plan.shapes():
        if address.startswith("stage"):
            assert tuple(apart.get_layer(address).output.shape[1:]) == shape
    outputs = model.output if plan.further_heads else {"output": model.output}
    assert {key: each.shape for key, each in outputs.items()} == {k: (None, *s) for k, s in plan.outputs().items()}
    assert plan.outputs()["output"] == output_shape(name, input_shape(name))


@pytest.mark.any_backend
@pytest.mark.parametrize(("name", "skip"), TINY)
def test_weights_are_named_by_their_address(name, skip):
    found = paths(built(name, skip).trainable_variables)
    assert len(set(found)) == len(found)
    further = tuple(f"{head.name}_" for head in tiny_plan(name, skip).further_heads)
    address = r"(encoder_)?(stem_|stage\d+_|head_)"
    assert all(re.match(address, path) or path.startswith(further) for path in found)
    assert not any("." in path for path in found)


@pytest.mark.parametrize(("name", "skip"), EACH_PART_ONCE)
def test_own_file_loads_with_the_package(name, skip, tmp_path):
    model, (x, _) = built(name, skip), samples(name, padded=True)
    model.save(tmp_path / "own.keras")
    loaded = keras.models.load_model(tmp_path / "own.keras")
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    for found, wanted in zip(predict(loaded, x), predicted(name, skip), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.any_backend
@pytest.mark.parametrize(("name", "skip"), TINY)
def test_portable_model_is_of_keras_layers_alone(name, skip):
    model = built(name, skip)
    before = [layer.name for layer in model.layers]
    flat = portable(model)
    assert all(type(layer).__module__.startswith("keras.") for layer in flat._flatten_layers())
    assert [layer.name for layer in model.layers] == before
    found, addresses = (
        {path.rsplit("/", 1)[0].replace("/", "_") for path in paths(each.trainable_variables)} for each in (flat, model)
    )
    assert found == addresses


def test_portable_keeps_what_is_frozen():
    model = reskeras.build("resnet", input_shape=(8, 8, 1), classes=3, depth=8, width=4)
    model.get_layer("stage2_block1").trainable = False
    flat = portable(model)
    frozen = [layer for layer in flat.layers if layer.name.startswith("stage2_block1") and layer.weights]
    assert frozen
    assert not any(layer.trainable for layer in frozen)
    assert len(flat.trainable_variables) == len(model.trainable_variables)


LOADER = """
import pathlib, sys
sys.modules["reskeras"] = None
import numpy as np, keras
for path in (pathlib.Path(sys.argv[1], f"{name}.keras") for name in sys.argv[2:]):
    inputs = dict(np.load(path.with_suffix(".inputs.npz")))
    x = inputs if len(inputs) > 1 else inputs["samples"]
    found = keras.tree.flatten(keras.models.load_model(path).predict(x, verbose=0))
    np.savez(path.with_suffix(f".{keras.backend.backend()}.npz"), *found)
"""


WRITTEN = sorted(EACH_PART)
"""Networks whose files are read in a process of its own: every kind of part. tests/test_golden.py has every family."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with the portable files of tiny networks, and samples."""
    folder = tmp_path_factory.mktemp("exported")
    for name, skip in WRITTEN:
        reskeras.portable(built(name, skip)).save(folder / f"{name}-{skip}.keras")
        x, _ = samples(name, padded=True)
        np.savez(folder / f"{name}-{skip}.inputs.npz", **(x if isinstance(x, dict) else {"samples": x}))
    return folder


def _readers() -> list[str]:
    """Return who reads the files of the backend under test.

    A file does not know who wrote it: where TensorFlow is installed, all read what it writes, and no other's.
    """
    backend, installed = keras.backend.backend(), installed_backends()
    if backend == "tensorflow":
        return installed
    return [] if "tensorflow" in installed else [backend]


@pytest.mark.parametrize("reader", _readers())
def test_portable_files_load_without_the_package_on_every_backend(exported, reader):
    names = [f"{name}-{skip}" for name, skip in WRITTEN]
    command = [sys.executable, "-c", LOADER, str(exported), *names]
    environment = {**os.environ, "KERAS_BACKEND": reader}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, skip in WRITTEN:
        found = np.load(exported / f"{name}-{skip}.{reader}.npz")
        for each, wanted in zip(found.values(), predicted(name, skip), strict=True):
            np.testing.assert_allclose(each, wanted, rtol=0, atol=1e-5, err_msg=f"{name} {skip}")


def test_a_network_of_several_inputs_and_outputs_is_portable(tmp_path):
    plan = Plan("two-headed", (4,), 3, (Dense(5),), (), (Dense(3),), (Head("value", (Dense(1), Activation("tanh"))),))
    network = build_plan(plan)
    assert {key: each.shape for key, each in network.output.items()} == {"output": (None, 3), "value": (None, 1)}
    inputs = {name: keras.Input((4,), name=name) for name in ("source", "samples")}
    joined = keras.layers.Add()([Residual([keras.layers.Dense(4)])(inputs["source"]), inputs["samples"]])
    model = keras.Model(inputs, network(joined))
    x = {name: np.random.default_rng(i).normal(size=(2, 4)).astype("float32") for i, name in enumerate(inputs)}
    reskeras.save_portable(network, tmp_path / "heads.keras", x["samples"], None)
    reskeras.save_portable(model, str(tmp_path / "both.keras"), x)
    loaded = keras.models.load_model(tmp_path / "both.keras")
    found, wanted = loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    shares = np.exp(wanted["output"]) / np.exp(wanted["output"]).sum(-1, keepdims=True)
    np.testing.assert_allclose(found["output"], shares, atol=1e-6)
    np.testing.assert_allclose(found["value"], wanted["value"], atol=1e-6)


def test_failing_export_leaves_the_file_that_was_there(tmp_path):
    model = reskeras.build("plain", input_shape=(4,), classes=2, depth=1, width=2)
    path = tmp_path / "model.keras"
    path.write_text("good")
    with pytest.raises(OSError):
        reskeras.save_portable(model, tmp_path / "absent" / "model.keras", np.zeros((1, 4), "float32"))
    assert path.read_text() == "good"
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


def test_logits_and_probabilities():
    arguments = {"input_shape": (4,), "classes": 2, "depth": 1, "width": 2}
    x = np.ones((3, 4), "float32")
    (probabilities,) = predict(reskeras.build("plain", classifier_activation="softmax", **arguments), x)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-6)


def test_errors_come_from_the_declarations():
    with pytest.raises(OptionError, match=r"ResNet has no depth 57 .*Did you mean 56\?"):
        reskeras.build("resnet", input_shape=(8, 8, 1), classes=3, depth=57)


def test_package_offers_its_names():
    assert set(reskeras.__all__) <= set(dir(reskeras))
    for name in reskeras.__all__:
        assert getattr(reskeras, name) is not None
    with pytest.raises(AttributeError):
        _ = reskeras.nothing
    assert Path(reskeras.__file__).name == "__init__.py"


class Predicting:
    """Stands for a model of which only the predictions count."""

    def __init__(self, values):
        self._values = np.asarray(values, "float32")

    def predict(self, samples, verbose):
        return self._values


@pytest.mark.any_backend
@pytest.mark.parametrize("size", [1.0, 1e6])
def test_a_file_is_refused_where_its_predictions_are_others_than_rounding_explains(size):
    wanted = np.array([[0.25, 0.75], [1.0, 0.0]]) * size
    portable_module._compare(Predicting(wanted + 5e-4 * size), Predicting(wanted), None)
    with pytest.raises(NotPortable, match="predictions differ from the model's by"):
        portable_module._compare(Predicting(wanted + 2e-3 * size), Predicting(wanted), None)
