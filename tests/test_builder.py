"""Every network of the catalogue, with every skip: its shapes, counts, gradients, names and files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from autodiff import gradients
from networks import CLASSES, TINY, input_shape, samples, tiny_options, tiny_plan
from weights import randomise

import reskeras
from reskeras.installed import installed_backends
from reskeras.options import OptionError
from reskeras.transforms.portable import portable


@pytest.fixture(scope="module")
def built():
    """A builder of tiny networks that makes each only once."""
    made = {}

    def build(name, skip):
        if (name, skip) not in made:
            keras.utils.set_random_seed(1)
            options = tiny_options(name, skip)
            made[name, skip] = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, **options)
        return made[name, skip]

    return build


@pytest.mark.parametrize(("name", "skip"), TINY)
def test_plan_tells_shapes_and_counts_of_the_built_model(built, name, skip):
    model, plan = built(name, skip), tiny_plan(name, skip)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == plan.parameters()
    for address, shape in plan.shapes():
        if address.startswith("stage"):
            assert tuple(model.get_layer(address).output.shape[1:]) == shape
    assert model.output_shape == (None, CLASSES)


@pytest.mark.parametrize(("name", "skip"), TINY)
def test_every_weight_gets_a_finite_gradient(built, name, skip):
    for path, gradient in gradients(built(name, skip), *samples(name)).items():
        assert np.isfinite(gradient).all(), path
        # Behind a factor that starts at 0, the branch's own weights get no gradient in the first step.
        if skip != "scaled":
            assert np.abs(gradient).max() > 0 or _without_effect(path), path


def _without_effect(path: str) -> bool:
    """Whether theory gives the weight no gradient: softmax does not see a bias shared by all keys (1706.03762)."""
    return "/key/bias" in path


@pytest.mark.parametrize(("name", "skip"), TINY)
def test_weights_are_named_by_their_address(built, name, skip):
    paths = [variable.path for variable in built(name, skip).trainable_variables]
    assert len(set(paths)) == len(paths)
    assert all(path.split("/")[0].startswith(("stem_", "stage", "head_")) for path in paths)
    assert not any("." in path for path in paths)


@pytest.mark.parametrize(("name", "skip"), TINY)
def test_own_file_loads_with_the_package(built, name, skip, tmp_path):
    model, (x, _) = built(name, skip), samples(name)
    model.save(tmp_path / "own.keras")
    loaded = keras.models.load_model(tmp_path / "own.keras")
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    np.testing.assert_array_equal(_predict(loaded, x), _predict(model, x))


@pytest.mark.parametrize(("name", "skip"), TINY)
def test_portable_model_is_of_keras_layers_alone(built, name, skip):
    model, (x, _) = built(name, skip), samples(name)
    before = [layer.name for layer in model.layers]
    flat = portable(model)
    assert all(type(layer).__module__.startswith("keras.") for layer in flat._flatten_layers())
    np.testing.assert_allclose(_predict(flat, x), _predict(model, x), rtol=0, atol=1e-6)
    assert [layer.name for layer in model.layers] == before
    addresses = {variable.path.rsplit("/", 1)[0].replace("/", "_") for variable in model.trainable_variables}
    assert {variable.path.rsplit("/", 1)[0].replace("/", "_") for variable in flat.trainable_variables} == addresses


def test_portable_keeps_what_is_frozen():
    model = reskeras.build("resnet", input_shape=(8, 8, 1), classes=3, depth=8, width=4)
    model.get_layer("stage2_block1").trainable = False
    flat = portable(model)
    frozen = [layer for layer in flat.layers if layer.name.startswith("stage2_block1") and layer.weights]
    assert frozen
    assert not any(layer.trainable for layer in frozen)
    assert len(flat.trainable_variables) == len(model.trainable_variables)


LOADER = """
import json, sys
sys.modules["reskeras"] = None
import numpy as np, keras
folder = sys.argv[1]
samples = np.load(folder + "/samples.npz")
found = {name: np.asarray(keras.models.load_model(f"{folder}/{name}.keras").predict(samples[name], verbose=0)).tolist()
         for name in samples.files}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with the portable file of every tiny network, their samples, and the predictions of the original."""
    folder, wanted, inputs = tmp_path_factory.mktemp("exported"), {}, {}
    for name, skip in TINY:
        keras.utils.set_random_seed(2)
        model = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, **tiny_options(name, skip))
        x, _ = samples(name)
        randomise(model)
        reskeras.save_portable(model, folder / f"{name}-{skip}.keras", x)
        probability = keras.ops.convert_to_numpy(keras.ops.softmax(model.predict(x, verbose=0)))
        wanted[f"{name}-{skip}"], inputs[f"{name}-{skip}"] = probability, x
    np.savez(folder / "samples.npz", **inputs)
    return folder, wanted


@pytest.mark.parametrize("reader", installed_backends())
def test_portable_files_load_without_the_package_on_every_backend(exported, reader):
    folder, wanted = exported
    environment = {**os.environ, "KERAS_BACKEND": reader, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(folder)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == wanted.keys()
    for name, probability in wanted.items():
        np.testing.assert_allclose(found[name], probability, rtol=0, atol=1e-5, err_msg=name)


def test_failing_export_leaves_the_file_that_was_there(tmp_path):
    model = reskeras.build("plain", input_shape=(4,), classes=2, depth=1, width=2)
    path = tmp_path / "model.keras"
    path.write_text("good")
    with pytest.raises(OSError):
        reskeras.save_portable(model, tmp_path / "absent" / "model.keras", np.zeros((1, 4), "float32"))
    assert path.read_text() == "good"
    assert [each.name for each in tmp_path.iterdir()] == ["model.keras"]


def test_deepest_networks_build_and_load_within_the_recursion_limit(tmp_path):
    # Keras walks a functional graph by recursion: what the options allow must stay inside Python's default limit, in
    # the file's reader too.
    model = reskeras.build("plain", input_shape=(4,), classes=2, depth=300, width=2, normalization="layer")
    flat = portable(model)
    flat.save(tmp_path / "deep.keras")
    assert len(keras.models.load_model(tmp_path / "deep.keras").layers) > 900


def test_logits_and_probabilities():
    arguments = {"input_shape": (4,), "classes": 2, "depth": 1, "width": 2}
    x = np.ones((3, 4), "float32")
    probabilities = _predict(reskeras.build("plain", classifier_activation="softmax", **arguments), x)
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-6)


def test_errors_come_from_the_declarations():
    with pytest.raises(OptionError, match=r"ResNet has no depth 57 .*Did you mean 56\?"):
        reskeras.build("resnet", input_shape=(8, 8, 1), classes=3, depth=57)


def _predict(model, x):
    return np.asarray(model.predict(x, verbose=0))


def test_package_offers_its_names():
    assert set(reskeras.__all__) <= set(dir(reskeras))
    for name in reskeras.__all__:
        assert getattr(reskeras, name) is not None
    with pytest.raises(AttributeError):
        _ = reskeras.nothing
    assert Path(reskeras.__file__).name == "__init__.py"
