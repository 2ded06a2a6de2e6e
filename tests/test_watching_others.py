"""Models that are not ours, watched as they are."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest
from autodiff import gradients, precision

import reskeras

BACKEND = keras.backend.backend()
CLASSES = 4


def images(count=4, size=32):
    generator = np.random.default_rng(0)
    return generator.normal(size=(count, size, size, 3)), generator.integers(0, CLASSES, count)


def watched_step(model, x, y, folder, **compile_options):
    watched = reskeras.watch(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    watched.compile(keras.optimizers.SGD(0.0), loss, **compile_options)
    monitor = reskeras.GradientMonitor(folder, level="probes")
    watched.fit(x, y, batch_size=len(y), verbose=0, callbacks=[monitor])
    return monitor.run


def check_blocks(run):
    for statistic in ("forward_rms", "backward_norm"):
        values = run.series(statistic).median[0]
        assert np.isfinite(values).all() and (values > 0).all(), statistic


def check_weights(run, model, x, y):
    found = run.series("gradient_norm", "weight")
    wanted = {path: np.linalg.norm(each.astype("float64")) for path, each in gradients(model, x, y).items()}
    assert sorted(found.names) == sorted(wanted)
    largest = max(wanted.values())
    for name, norm in zip(found.names, found.median[0], strict=True):
        # Sums that cancel, as before a normalisation, are rounded otherwise by each way of computing them.
        assert norm == pytest.approx(wanted[name], rel=1e-5, abs=1e-9 * largest), name


@pytest.mark.any_backend
def test_mobilenet_is_watched_at_the_ends_of_its_skips(tmp_path):
    keras.utils.set_random_seed(0)
    # In float64: the statistics of four samples make much of what is rounded.
    with precision("float64"):
        model = keras.applications.MobileNetV2(
            (32, 32, 3), alpha=0.35, weights=None, classes=CLASSES, classifier_activation=None
        )
        x, y = images()
        # To compile it for one step takes TensorFlow longer than the step; JAX compiles each operation otherwise.
        run = watched_step(model, x, y, tmp_path / "run", run_eagerly=BACKEND != "jax")
        if BACKEND != "jax":
            check_weights(run, model, x, y)
    adds = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert list(run.series("backward_norm").names) == adds and len(adds) == 10
    assert np.isfinite(run.series("branch_ratio").median[0]).all()
    check_blocks(run)


@pytest.mark.skipif(BACKEND == "jax", reason="a step without a compiler takes JAX long; MobileNetV2 is alike")
def test_resnet50_is_watched_at_the_ends_of_its_skips(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.applications.ResNet50V2(
        input_shape=(32, 32, 3), weights=None, classes=CLASSES, classifier_activation=None
    )
    x, y = images()
    run = watched_step(model, x, y, tmp_path / "run", run_eagerly=True)
    names = run.series("backward_norm").names
    assert len(names) == 16 and names[0] == "conv2_block1_out" and names[-1] == "conv5_block3_out"
    check_blocks(run)


def test_bert_of_keras_hub_is_watched_layer_by_layer(tmp_path):
    keras_hub = pytest.importorskip("keras_hub")
    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=50, num_layers=3, num_heads=2, hidden_dim=8, intermediate_dim=16, max_sequence_length=7
    )
    logits = keras.layers.Dense(CLASSES, name="logits")(backbone.output["pooled_output"])
    model = keras.Model(backbone.input, logits)
    generator = np.random.default_rng(0)
    x = {
        "token_ids": generator.integers(1, 50, (4, 7)),
        "segment_ids": np.zeros((4, 7), "int32"),
        "padding_mask": np.ones((4, 7), "int32"),
    }
    y = generator.integers(0, CLASSES, 4)
    run = watched_step(model, x, y, tmp_path / "run")
    names = run.series("backward_norm").names
    layers = [name for name in names if "transformer_layer" in name]
    assert [name.rsplit("/", 1)[-1] for name in layers] == [f"transformer_layer_{number}" for number in range(3)]
    assert np.isfinite(run.series("branch_ratio").median[0][[names.index(each) for each in layers]]).all()


@pytest.mark.skipif(BACKEND != "torch", reason="other backends compile by themselves")
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler of C++")
def test_a_compiled_step_of_pytorch(tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.Dense(6, "tanh")(inputs)))
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(4, 6)).astype("float32"), generator.integers(0, CLASSES, 4)
    run = watched_step(model, x, y, tmp_path / "run", jit_compile=True)
    check_weights(run, model, x, y)
    check_blocks(run)


@pytest.mark.skipif(BACKEND != "torch", reason="no other backend has layers that write over their inputs")
def test_an_output_that_a_layer_writes_over_is_not_measured_wrong(tmp_path):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    inputs = keras.Input((4,))
    first = keras.layers.Dense(4, name="first")(inputs)
    stream = keras.layers.TorchModuleWrapper(torch.nn.ReLU(inplace=True), output_shape=(None, 4))(first)
    watched = reskeras.watch(keras.Model(inputs, keras.layers.Dense(4, name="second")(stream)))
    watched.compile(keras.optimizers.SGD(0.0), "mse")
    monitor = reskeras.GradientMonitor(tmp_path / "run", level="probes")
    watched.fit(x, x, epochs=3, verbose=0, callbacks=[monitor])
    found = {each: monitor.run.series(each, "block") for each in ("forward_rms", "backward_norm")}
    assert list(found["forward_rms"].names)[:1] == ["first"]
    outputs = [keras.ops.convert_to_numpy(each(x)) for each in (watched.watched.get_layer("first"), watched.watched)]
    wanted = [np.sqrt(np.mean(each**2)) for each in outputs]
    assert len(found["forward_rms"].median) == 3
    for forward, backward in zip(*(each.median for each in found.values()), strict=True):
        np.testing.assert_allclose(forward[[0, -1]], wanted, rtol=1e-5)
        assert np.isnan(backward[0]) and backward[-1] > 0


@pytest.mark.skipif(BACKEND != "torch", reason="no other backend has layers that write over their inputs")
def test_what_a_block_adds_to_is_measured_as_it_was_written_over(tmp_path):
    torch = pytest.importorskip("torch")
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    inputs = keras.Input((4,))
    first = keras.layers.Add(name="first")([inputs, keras.layers.Dense(4)(inputs)])
    stream = keras.layers.TorchModuleWrapper(torch.nn.ReLU(inplace=True), output_shape=(None, 4))(first)
    second = keras.layers.Add(name="second")([stream, keras.layers.Dense(4, name="branch")(stream)])
    watched = reskeras.watch(keras.Model(inputs, second))
    watched.compile(keras.optimizers.SGD(0.0), "mse")
    monitor = reskeras.GradientMonitor(tmp_path / "run", level="probes")
    watched.fit(x, x, epochs=3, verbose=0, callbacks=[monitor])
    found = monitor.run.series("branch_ratio", "block")
    skip = np.maximum(keras.ops.convert_to_numpy(keras.Model(inputs, first)(x)), 0)
    branch = keras.ops.convert_to_numpy(watched.watched.get_layer("branch")(skip))
    wanted = np.sqrt(np.mean(branch**2) / np.mean(skip**2))
    assert len(found.median) == 3
    np.testing.assert_allclose(found.median[:, found.names.index("second")], wanted, rtol=1e-5)
