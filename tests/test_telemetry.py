"""Gradient norms against independent automatic differentiation, and what recording them leaves unchanged."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from autodiff import gradients, keras_loss, precision
from networks import CLASSES, EACH_PART_ONCE, input_shape, samples, tiny_options

import reskeras
from reskeras import backend
from reskeras.backend import torch_measuring
from reskeras.runs.folder import Run
from reskeras.telemetry import GradientMonitor, ring

TOLERANCE = 1e-5
"""Largest relative error of a norm."""

SAMPLES = 6


def _watched_fit(model, optimizer, x, y, folder, *, batch_size, epochs=1, **compile_options) -> Run:
    run = Run(folder)
    folder.mkdir(exist_ok=True)
    model.compile(optimizer, keras_loss(y), **compile_options)
    model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0, callbacks=[GradientMonitor(run)])
    return run


def _assert_norms(found: np.ndarray, wanted: np.ndarray, largest: float) -> None:
    # Relative to the weight's own norm, and for gradients that theory makes zero (the bias before a normalisation)
    # to the error of exponentials in float64 as XLA may approximate them, in relation to the network's largest.
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE, atol=1e-9 * largest)


@pytest.mark.parametrize(("name", "skip"), EACH_PART_ONCE)
def test_norms_of_every_network_equal_the_backends_own_autodiff(name, skip, tmp_path):
    # In float64: sums that cancel are rounded otherwise by each compiler, and in float32 that would show.
    keras.utils.set_random_seed(4)
    with precision("float64"):
        model = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, **tiny_options(name, skip))
        x, y = samples(name, SAMPLES)
        wanted = {path: np.linalg.norm(each.astype("float64")) for path, each in gradients(model, x, y).items()}
        run = _watched_fit(model, keras.optimizers.SGD(0.0), x, y, tmp_path / "run", batch_size=SAMPLES, epochs=3)
    for path, norm in wanted.items():
        # Behind a factor that starts at 0, the branch's own weights get no gradient in the first step; and softmax does
        # not see a bias that all keys share (1706.03762).
        assert np.isfinite(norm) and (norm > 0 or skip == "scaled" or "/key/bias" in path), path
    norms, weights = run.series("gradient_norm", "weight"), run.weights()
    assert norms.last.tolist() == [1, 2, 3]
    assert sorted(weight.path for weight in weights) == sorted(wanted)
    expected = np.array([wanted[weight.path] for weight in weights])
    for row in norms.median:
        _assert_norms(row, expected, expected.max())


def test_every_slice_of_a_stack_is_a_row_as_a_block_of_its_own(tmp_path):
    depth, width = 4, 6
    x = np.random.default_rng(0).normal(size=(SAMPLES, width))
    y = np.arange(SAMPLES) % CLASSES

    def blocks():
        return [keras.layers.Dense(width, activation="tanh"), reskeras.layers.HighwayDense()]

    def watched(layers, name):
        keras.utils.set_random_seed(4)
        inputs = keras.Input((width,))
        stream = keras.layers.Dense(width, name="stem")(inputs)
        for layer in layers():
            stream = layer(stream)
        model = keras.Model(inputs, keras.layers.Dense(CLASSES, name="head")(stream))
        model.get_layer("stem").bias.trainable = False
        run = _watched_fit(model, keras.optimizers.SGD(0.1), x, y, tmp_path / name, batch_size=SAMPLES, epochs=5)
        return run.weights(), run.series("gradient_norm", "weight").median

    def one_after_another():
        for number in range(1, depth + 1):
            for kind, layer in zip("ab", blocks(), strict=True):
                layer.name = f"{kind}{number}"
                yield layer

    names = [f"{kind}{number}" for number in range(1, depth + 1) for kind in "ab"]
    with precision("float64"):
        wanted, norms = watched(one_after_another, "separate")
        weights, found = watched(lambda: [reskeras.layers.Stack(blocks(), depth, names=names)], "stacked")

    def address(weight):
        # A list's layers are called by Keras; those one after another have the names that the slices get.
        return weight.block, weight.path.rsplit("/", 1)[1], weight.shape

    assert list(map(address, weights)) == list(map(address, wanted))
    assert [weight.block for weight in weights] == sorted(
        [weight.block for weight in weights], key=["stem", *names, "head"].index
    )
    np.testing.assert_allclose(found, norms, rtol=TOLERANCE)
    assert len(np.unique(found)) == found.size


def test_a_thousand_slices_are_a_thousand_blocks(tmp_path):
    x, y = np.ones((SAMPLES, 3), "float32"), np.zeros(SAMPLES, "int32")
    stack = reskeras.layers.Stack(reskeras.layers.Residual(keras.layers.Dense(3), "scaled"), 1000, name="block")
    model = keras.Sequential([keras.Input((3,)), stack, keras.layers.Dense(CLASSES, name="head")])
    run = _watched_fit(model, keras.optimizers.SGD(0.0), x, y, tmp_path, batch_size=SAMPLES, epochs=2)
    names, _, steps, norms, *_ = run.series("gradient_norm", "block")
    assert names[:-1] == tuple(f"block_{number}" for number in range(1, 1001))
    assert norms.shape == (len(steps), 1001) == (2, 1001)
    assert np.isfinite(norms).all() and (norms[:, :-1] > 0).all()


def test_a_longer_training_equals_a_loop_written_without_keras(tmp_path):
    """More steps than the ring has rows, each on other samples, with weights that move."""
    generator = np.random.default_rng(0)
    steps, batch, width = 3 * ring.MOST_ROWS // 2, 4, 5
    x = generator.normal(size=(steps * batch, width)).astype("float32")
    y = generator.integers(0, CLASSES, len(x)).astype("int32")
    inputs = keras.Input((width,))
    hidden = reskeras.layers.Residual([keras.layers.Dense(width, activation="tanh", name="inner")], name="block")(
        inputs
    )
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, name="head")(hidden))
    weights = [np.asarray(keras.ops.convert_to_numpy(v), "float64") for v in model.trainable_variables]
    run = _watched_fit(model, keras.optimizers.SGD(0.1), x, y, tmp_path / "run", batch_size=batch)
    rows = run.series("gradient_norm", "weight")
    assert rows.last.tolist() == list(range(1, steps + 1))
    for step in range(steps):
        found = _residual_gradients(weights, x[step * batch :][:batch].astype("float64"), y[step * batch :][:batch])
        norms = [np.linalg.norm(each) for each in found]
        # Weights drift apart by rounding, a little more at each of the steps.
        np.testing.assert_allclose(rows.median[step], norms, rtol=TOLERANCE * 10)
        weights = [weight - 0.1 * gradient for weight, gradient in zip(weights, found, strict=True)]


def _residual_gradients(weights, x, y):
    """Backpropagation by hand through softmax(V (x + tanh(W x + b)) + c), in float64."""
    kernel, bias, head, head_bias = weights
    branch = np.tanh(x @ kernel + bias)
    stream = x + branch
    logits = stream @ head + head_bias
    probability = np.exp(logits - logits.max(-1, keepdims=True))
    probability /= probability.sum(-1, keepdims=True)
    probability[np.arange(len(y)), y] -= 1
    up = probability / len(y)
    inner = (up @ head.T) * (1 - branch**2)
    return [x.T @ inner, inner.sum(0), stream.T @ up, up.sum(0)]


@pytest.mark.parametrize("settings", [{"clipnorm": 1e-3}, {"global_clipnorm": 1e-3}, {"clipvalue": 1e-3}])
def test_norms_are_taken_before_clipping(settings, tmp_path):
    keras.utils.set_random_seed(5)
    model = reskeras.build("plain", input_shape=(6,), classes=CLASSES, depth=2, width=8)
    x, y = samples("highway")
    x = x.reshape(len(x), -1)[:, :6]
    wanted = {path: np.linalg.norm(each) for path, each in gradients(model, x, y).items()}
    run = _watched_fit(model, keras.optimizers.SGD(0.0, **settings), x, y, tmp_path / "run", batch_size=len(x))
    expected = [wanted[weight.path] for weight in run.weights()]
    np.testing.assert_allclose(run.series("gradient_norm", "weight").median[0], expected, rtol=TOLERANCE)


@pytest.mark.parametrize("eagerly", [True, False])
def test_watching_changes_nothing(eagerly, tmp_path):
    def trained(watch):
        keras.utils.set_random_seed(6)
        model = reskeras.build("highway", input_shape=(6,), classes=CLASSES, depth=4, width=8)
        optimizer = keras.optimizers.Adam(1e-2)
        kind = type(optimizer)
        model.compile(optimizer, keras_loss(y), run_eagerly=eagerly)
        callbacks = [GradientMonitor(Run(tmp_path))] if watch else []
        # Without a compiler a step takes some backends very long.
        epochs = 1 if eagerly else 4
        history = model.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
        assert type(optimizer) is kind
        return model, optimizer, history.history["loss"]

    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(64, 6)).astype("float32"), generator.integers(0, CLASSES, 64)
    (plain, plain_optimizer, losses), (watched, watched_optimizer, watched_losses) = trained(False), trained(True)
    # To the last bit where nothing is compiled; a compiler may put other operations together.
    np.testing.assert_allclose(watched_losses, losses, rtol=0 if keras.backend.backend() == "torch" else 1e-6)
    assert len(watched_optimizer.variables) == len(plain_optimizer.variables)
    for one, other in zip(
        watched.variables + watched_optimizer.variables, plain.variables + plain_optimizer.variables, strict=True
    ):
        np.testing.assert_allclose(_numpy(one), _numpy(other), rtol=1e-5, atol=1e-7)
    watched.save(tmp_path / "watched.keras")
    again = keras.models.load_model(tmp_path / "watched.keras")
    for one, other in zip(again.optimizer.variables, watched_optimizer.variables, strict=True):
        np.testing.assert_array_equal(_numpy(one), _numpy(other))


def _numpy(variable):
    return keras.ops.convert_to_numpy(variable)


def test_a_second_fit_is_recorded_from_where_the_first_ended(tmp_path):
    model = reskeras.build("plain", input_shape=(6,), classes=CLASSES, depth=1, width=4)
    x, y = np.ones((8, 6), "float32"), np.zeros(8, "int32")
    optimizer = keras.optimizers.Adam()
    model.compile(optimizer, keras_loss(y))
    for _ in range(2):
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[GradientMonitor(Run(tmp_path))])
    assert Run(tmp_path).series("gradient_norm").last.tolist() == [1, 2, 3, 4]


def test_not_a_number_stays_in_its_own_row(tmp_path):
    model = reskeras.build("plain", input_shape=(6,), classes=CLASSES, depth=1, width=4)
    x, y = np.ones((12, 6), "float32"), np.zeros(12, "int32")
    x[4:8] = np.nan
    model.compile(keras.optimizers.SGD(0.0), keras_loss(y))
    weights = model.get_weights()

    class Restore(keras.callbacks.Callback):
        """0 times NaN is NaN: the weights are put back as they were before each step."""

        def on_epoch_begin(self, epoch, logs=None):
            self.model.set_weights(weights)

    callbacks = [Restore(), GradientMonitor(Run(tmp_path))]
    for part in (x[:4], x[4:8], x[8:]):
        model.fit(part, y[:4], batch_size=4, verbose=0, callbacks=callbacks)
    rows = Run(tmp_path).series("gradient_norm", "weight").largest
    assert np.isfinite(rows[0]).all()
    assert np.isnan(rows[1]).any()
    assert np.isfinite(rows[2]).all()


def test_frozen_layers_have_no_row(tmp_path):
    model = reskeras.build("plain", input_shape=(6,), classes=CLASSES, depth=3, width=6, stacked=False)
    model.get_layer("stage1_block2").trainable = False
    x, y = np.ones((4, 6), "float32"), np.zeros(4, "int32")
    run = _watched_fit(model, keras.optimizers.SGD(0.1), x, y, tmp_path / "run", batch_size=4)
    assert {weight.block for weight in run.weights()} == {"stage1_block1", "stage1_block3", "head_dense1"}


def test_layer_table_names_layers_and_blocks(tmp_path):
    model = reskeras.build("resnet", input_shape=(8, 8, 1), classes=CLASSES, depth=8, width=4)
    x, y = samples("resnet")
    run = _watched_fit(model, keras.optimizers.SGD(0.1), x, y, tmp_path / "run", batch_size=len(x))
    table = json.loads((run.folder / "weights.json").read_text())
    assert table["format"] == 2
    row = next(row for row in table["facts"]["weights"] if row["path"] == "stage2_block1/path_conv1/kernel")
    assert row == {
        "path": "stage2_block1/path_conv1/kernel",
        "layer": "stage2_block1_path_conv1",
        "block": "stage2_block1",
        "shape": [1, 1, 4, 8],
    }
    names, steps, _, norms, *_ = run.series("gradient_norm", "block")
    assert list(names) == ["stem_conv1", "stem_norm1", "stage1_block1", "stage2_block1", "stage3_block1", "head_dense1"]
    assert norms.shape == (len(steps), len(names))


def test_rows_of_a_ring_are_found_after_more_steps_without_measuring_than_it_holds():
    steps, _ = ring.new_rows(np.array([[5001, 0], [5002, 0], [-1, 0], [4, 0]], "float32"), 5)
    assert steps.tolist() == [5001, 5002]


def test_rows_of_a_copied_ring_across_the_wrap_of_the_counter():
    wrap = 2**24
    copied = np.full((64, 2), -1.0, "float32")
    for step in range(wrap - 3, wrap + 4):
        copied[(step - 1) % 64] = (step % wrap, step - wrap)
    steps, norms = ring.new_rows(copied, wrap - 2)
    assert steps.tolist() == list(range(wrap - 1, wrap + 4))
    assert norms[:, 0].tolist() == [-1, 0, 1, 2, 3]


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="there a callback cannot change weights within an epoch")
@pytest.mark.parametrize("units", [3, 1100], ids=["small", "large"])
def test_weights_that_are_changed_between_two_steps_are_measured_as_they_are(units, tmp_path):
    """PyTorch keeps what a step ends with for the next; a weight of 1,100 times 1,100 is gone through by pieces."""
    model = keras.Sequential([keras.Input((units,)), keras.layers.Dense(units, use_bias=False, name="dense")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    kernel, norms = model.get_layer("dense").kernel, []

    def value():
        return keras.ops.convert_to_numpy(kernel).astype(float).copy()

    class Halve(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                kernel.assign(kernel * 0.5)
            self.before = value()

        def on_train_batch_end(self, batch, logs=None):
            norms.append([np.linalg.norm(self.before), np.linalg.norm(value() - self.before)])

    x = np.random.default_rng(0).normal(size=(5, units)).astype("float32")
    monitor = reskeras.GradientMonitor(tmp_path / "run")
    model.fit(x, x[::-1], batch_size=1, shuffle=False, verbose=0, callbacks=[Halve(), monitor])
    found = [monitor.run.series(each, "layer").median[:, 0] for each in ("weight_norm", "update_ratio")]
    weight, update = np.array(norms).T
    assert len(norms) == 5 and weight[2] < 0.6 * weight[1]
    np.testing.assert_allclose(found[0], weight, rtol=TOLERANCE)
    # A difference of float32 numbers is as exact as these are.
    np.testing.assert_allclose(found[1], update / weight, rtol=1e-3)


@pytest.mark.parametrize(("shape", "stacked"), [((3000, 3333), False), ((10, 3, 50_021), True), ((40, 9), True)])
def test_norms_of_many_numbers_are_as_exact_as_of_few(shape, stacked):
    numbers = np.random.default_rng(0).normal(0, 0.03, shape).astype("float32")
    rows = numbers.reshape(len(numbers) if stacked else 1, -1)
    found = backend.norms([keras.ops.convert_to_tensor(numbers)], [stacked])
    wanted = np.linalg.norm(rows.astype(float), axis=1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), wanted, rtol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="only PyTorch's weights are gone through by pieces")
def test_changes_of_weights_of_all_sizes_at_once(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch_measuring, "PIECE", 50)
    generator = np.random.default_rng(0)
    shapes, stacked = [(7,), (40, 9), (13, 20), (3, 5), (200,), (40, 3)], [False, True, False, True, False, True]
    before, after = ([generator.normal(size=shape).astype("float32") for shape in shapes] for _ in range(2))
    tensors = [torch.from_numpy(each.copy()) for each in before]
    found = torch_measuring.changes(tensors, [torch.from_numpy(each) for each in after], stacked)

    def norms(arrays):
        rows = [each.reshape(len(each) if many else 1, -1) for each, many in zip(arrays, stacked, strict=True)]
        return np.concatenate([np.linalg.norm(each.astype(float), axis=1) for each in rows])

    differences = [new - old for new, old in zip(after, before, strict=True)]
    for ours, wanted in zip(found, (norms(differences), norms(after)), strict=True):
        np.testing.assert_allclose(ours.numpy(), wanted, rtol=1e-6)
    assert all(np.array_equal(each.numpy(), new) for each, new in zip(tensors, after, strict=True))
