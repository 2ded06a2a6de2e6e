"""What probes see at the outputs of blocks, against the backend's own differentiation, and what they leave alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from autodiff import Projection, precision
from networks import input_shape, tiny_options

import reskeras
from reskeras.backend import gathering
from reskeras.layers import Residual, Stack
from reskeras.runs.statistics import OF_BLOCKS

BACKEND = keras.backend.backend()
SAMPLES, WIDTH = 6, 5


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def weighed(y_true, y_pred):
    """The loss of `Projection` over the number of samples."""
    return keras.ops.sum(keras.ops.reshape(y_pred * y_true, (keras.ops.shape(y_pred)[0], -1)), -1)


def fit_once(model, x, folder, level="deep", optimizer=None, steps=1, **compile_options):
    """Watch a model for some steps on the same samples, with the factors of `Projection` for labels."""
    watched = reskeras.watch(model)
    watched.compile(optimizer or keras.optimizers.SGD(0.0), weighed, **compile_options)
    factors = np.random.default_rng(11).normal(size=(len(x), *model.output_shape[1:]))
    monitor = reskeras.GradientMonitor(folder, level=level)
    x, factors = np.tile(x, (steps, *[1] * (x.ndim - 1))), np.tile(factors, (steps, *[1] * (factors.ndim - 1)))
    watched.fit(x, factors, batch_size=len(x) // steps, shuffle=False, verbose=0, callbacks=[monitor])
    return monitor.run


def seen(run) -> dict[str, np.ndarray]:
    """Return what was measured of the blocks in the first step."""
    return {each.name: run.series(each.name, "block").median[0].astype(float) for each in OF_BLOCKS}


def chain_with_offsets(layers, shape, probed):
    """Return a model of layers one after another, to whose outputs its further inputs are added, and these shapes."""
    inputs = [keras.Input(shape)]
    stream = inputs[0]
    for layer in layers:
        stream = layer(stream)
        if layer.name in probed:
            inputs.append(keras.Input(stream.shape[1:]))
            stream = keras.layers.Add()([stream, inputs[-1]])
    return keras.Model(inputs, stream)


def reference(model, x, probed):
    """Return for each block its input, its output and the gradient of the loss at its output."""
    layers = [each for each in model.layers if not isinstance(each, keras.layers.InputLayer)]
    shapes = [tuple(each.output.shape[1:]) for each in layers if each.name in probed]
    offset = chain_with_offsets(layers, x.shape[1:], probed)
    inputs = [x, *(np.zeros((len(x), *shape), x.dtype) for shape in shapes)]
    projection = Projection(offset, inputs, (len(x), *model.output_shape[1:]))
    _, found = projection.value_and_gradients(projection.point())
    gradients = [each / len(x) for each in found[-len(shapes) :]]
    stream, streams = keras.ops.convert_to_tensor(x), []
    for layer in layers:
        before, stream = stream, layer(stream, training=True) if layer._call_has_training_arg else layer(stream)
        if layer.name in probed:
            streams.append((numpy(before), numpy(stream)))
    return [(*pair, np.asarray(gradient, float)) for pair, gradient in zip(streams, gradients, strict=True)]


def rms(values):
    return np.sqrt(np.mean(np.square(values, dtype=float)))


def cosine(a, b):
    return np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2))


def expected(before, after, gradient):
    """Return the statistics of a block as their definitions say, in numpy and without any trick."""
    rows = gradient.reshape(len(gradient), -1)
    pairs = [cosine(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
    tokens = np.sqrt(np.sum((after - after.mean(1, keepdims=True)) ** 2) / np.sum(after**2.0))
    return {
        "forward_rms": rms(after),
        "backward_norm": np.linalg.norm(gradient),
        "branch_ratio": rms(after - before) / rms(before) if before.shape == after.shape else np.nan,
        "dead_share": np.mean([not after[..., channel].any() for channel in range(after.shape[-1])]),
        "saturated_share": np.mean(np.abs(after) > 0.97),
        "gradient_cosine": np.mean(pairs),
        "token_residual": tokens if after.ndim == 3 else np.nan,
    }


@pytest.mark.parametrize(
    ("name", "skip", "stacked", "level"),
    [
        ("resnet", "add", True, "deep"),
        # That a level leaves out what it does is seen on every backend with blocks one after another.
        pytest.param("resnet", "add", True, "probes", marks=pytest.mark.any_backend),
        ("highway", "gate", True, "deep"),
        ("plain", "none", False, "deep"),
        ("plain", "none", False, "probes"),
    ],
)
def test_probes_equal_the_backends_own_autodiff(name, skip, stacked, level, tmp_path):
    keras.utils.set_random_seed(4)
    with precision("float64"):
        options = {**tiny_options(name, skip), **({"depth": 20} if name == "resnet" else {"depth": 8})}
        model = reskeras.build(name, input_shape=input_shape(name), classes=4, stacked=stacked, **options)
        x = np.random.default_rng(1).normal(size=(SAMPLES, *input_shape(name)))
        run = fit_once(model, x, tmp_path / "run", level)
        single = reskeras.unroll(model)
        names = run.series("backward_norm").names
        blocks = reference(single, x, names)
    assert list(names) == [layer.name for layer in single.layers if isinstance(layer, Residual)]
    found = seen(run)
    deep = {each.name for each in OF_BLOCKS if each.level == "deep"}
    for place, facts in enumerate(blocks):
        for statistic, value in expected(*facts).items():
            value = np.nan if level == "probes" and statistic in deep else value
            np.testing.assert_allclose(
                found[statistic][place], value, rtol=2e-5, atol=2e-6, err_msg=f"{statistic} of {names[place]}"
            )
    if level != "deep":
        return
    # The cosine of dE/dx before and after a block: before the second block is after the first.
    for place in range(1, len(blocks)):
        first, second = blocks[place - 1][2], blocks[place][2]
        if first.shape == second.shape:
            np.testing.assert_allclose(found["identity_cosine"][place], cosine(first, second), rtol=2e-5, atol=2e-6)
    openness = found["gate_openness"]
    assert (openness > 0).all() and (openness < 0.5).all() if skip == "gate" else np.isnan(openness).all()


@pytest.mark.skipif(BACKEND != "torch", reason="elsewhere a compiler makes of probes what suits the device")
def test_what_pytorch_measures_on_a_gpu_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(gathering, "seen_on", gathering.SeenOnDevice)
    test_probes_equal_the_backends_own_autodiff("resnet", "add", True, "probes", tmp_path)


def test_what_is_seen_of_large_outputs_is_as_exact(tmp_path):
    branches = [keras.layers.Dense(16, kernel_initializer=keras.initializers.RandomNormal(0, scale, seed=place))
                for place, scale in enumerate((1.0, 0.05, 1e-4, 0.0))]  # fmt: skip
    inputs = keras.Input((40, 40, 16))
    stream = inputs
    for each in branches:
        stream = Residual([each])(stream)
    model = keras.Model(inputs, stream)
    x = np.random.default_rng(1).normal(3, 1, (3, 40, 40, 16)).astype("float32")
    x[..., 5] = 0
    run = fit_once(model, x, tmp_path / "run", "probes")
    found = seen(run)
    for place, facts in enumerate(reference(model, x, run.series("backward_norm").names)):
        wanted = expected(*facts)
        for statistic in ("forward_rms", "branch_ratio", "backward_norm", "dead_share"):
            value = wanted[statistic]
            np.testing.assert_allclose(
                found[statistic][place], value, rtol=2e-5, err_msg=f"{statistic} of block {place}"
            )


def test_ends_of_skips_are_found_in_models_that_are_not_ours(tmp_path):
    """An addition's branch is what it adds to what came round: the identity in one block, a projection in the other."""
    keras.utils.set_random_seed(0)
    with precision("float64"):
        inputs = keras.Input((WIDTH,))
        first = keras.layers.Dense(WIDTH, name="inner")(inputs)
        second = keras.layers.Dense(WIDTH, "tanh")(first)
        joined = keras.layers.Add(name="block1")([second, first])
        third = keras.layers.Dense(7)(keras.layers.Dense(7, "relu")(joined))
        shortcut = keras.layers.Dense(7)(joined)
        last = third + shortcut
        model = keras.Model(inputs, keras.layers.Dense(3)(last))
        x = np.random.default_rng(1).normal(size=(SAMPLES, WIDTH))
        run = fit_once(model, x, tmp_path / "run", level="probes")
        tensors = keras.Model(inputs, [first, second, joined, third, shortcut, last])
        first, second, joined, third, shortcut, last = map(numpy, tensors(x))
    names = run.series("forward_rms").names
    assert names[0] == "block1" and len(names) == 2
    found = seen(run)
    np.testing.assert_allclose(found["forward_rms"], [rms(joined), rms(last)], rtol=1e-5)
    np.testing.assert_allclose(found["branch_ratio"], [rms(second) / rms(first), rms(third) / rms(shortcut)], rtol=1e-5)
    assert np.isnan(found["saturated_share"]).all()
    (kernel,) = (numpy(each) for each in model.layers[-1].trainable_weights[:1])
    factors = np.random.default_rng(11).normal(size=(SAMPLES, 3)) / SAMPLES
    np.testing.assert_allclose(found["backward_norm"][1], np.linalg.norm(factors @ kernel.T), rtol=1e-5)


def residual_network(depth=4, stacked=False, dtype=None):
    inputs = keras.Input((WIDTH,))
    block = [keras.layers.Dense(WIDTH, "tanh", dtype=dtype)]
    stream = inputs
    if stacked:
        stream = Stack(Residual(block), depth, name="blocks", dtype=dtype)(stream)
    for number in range(0 if stacked else depth):
        branch = keras.layers.Dense(WIDTH, "tanh", name=f"branch{number}", dtype=dtype)(stream)
        stream = keras.layers.Add(name=f"block{number}", dtype=dtype)([stream, branch])
    return keras.Model(inputs, keras.layers.Dense(3, name="head", dtype=dtype)(stream))


def training(folder, watched, level="deep", eagerly=False, stacked=False):
    keras.utils.set_random_seed(3)
    model = residual_network(stacked=stacked)
    model.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"], run_eagerly=eagerly)  # fmt: skip
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(64, WIDTH)).astype("float32"), generator.integers(0, 3, 64)
    trained, callbacks = model, []
    if watched:
        trained, callbacks = reskeras.watch(model), [reskeras.GradientMonitor(folder / "run", level=level)]
    history = trained.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0, callbacks=callbacks)
    return model, trained, history.history


@pytest.mark.parametrize("stacked", [True, False])
def test_watching_blocks_changes_nothing(stacked, tmp_path):
    (_, plain, losses), (model, watched, others) = (training(tmp_path, each, stacked=stacked) for each in (False, True))
    assert losses.keys() == others.keys()
    for name in losses:
        # To the last bit where nothing is compiled; a compiler may put other operations together.
        np.testing.assert_allclose(others[name], losses[name], rtol=0 if BACKEND == "torch" else 1e-6)
    assert len(watched.optimizer.variables) == len(plain.optimizer.variables)
    assert len(model.trainable_variables) == len(plain.trainable_variables)
    assert watched.count_params() == plain.count_params()
    for one, other in zip(
        [*model.variables, *watched.optimizer.variables], [*plain.variables, *plain.optimizer.variables], strict=True
    ):
        np.testing.assert_allclose(numpy(one), numpy(other), rtol=1e-5, atol=1e-7)
    # The model's own graph is as it was: each layer has one call, one output.
    assert all(len(layer._inbound_nodes) == 1 for layer in model.layers)


def test_a_watched_model_saves_the_model_that_is_watched(tmp_path, recwarn):
    model, watched, _ = training(tmp_path, True)
    watched.save(tmp_path / "saved.keras")
    again = keras.models.load_model(tmp_path / "saved.keras")
    assert not [str(each.message) for each in recwarn if "optimizer" in str(each.message)]
    assert type(again) is type(model) and type(again.optimizer).__name__ == "Adam"
    assert [each.path for each in again.variables] == [each.path for each in model.variables]
    assert len(again.optimizer.variables) == len(watched.optimizer.variables)
    for one, other in zip(again.optimizer.variables, watched.optimizer.variables, strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other))
    watched.save_weights(tmp_path / "saved.weights.h5")
    fresh = residual_network()
    fresh.load_weights(tmp_path / "saved.weights.h5")
    for one, other in zip(fresh.variables, model.variables, strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other))


def test_checkpoints_of_a_watched_training_load_with_their_optimizer(tmp_path, recwarn):
    model = residual_network()
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    x, y = np.ones((8, WIDTH), "float32"), np.ones((8, 3), "float32")
    keeper = keras.callbacks.ModelCheckpoint(tmp_path / "kept.keras")
    model.fit(x, y, verbose=0, callbacks=[reskeras.GradientMonitor(tmp_path / "run"), keeper])
    again = keras.models.load_model(tmp_path / "kept.keras")
    assert not [str(each.message) for each in recwarn if "optimizer" in str(each.message)]
    for one, other in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other))


def test_a_model_that_goes_on_training_is_watched_with_the_state_it_had(tmp_path):
    model, _, _ = training(tmp_path, False)
    watched = reskeras.watch(model)
    assert int(numpy(watched.optimizer.iterations)) == 24
    for one, other in zip(watched.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(numpy(one), numpy(other))
    x, y = np.ones((8, WIDTH), "float32"), np.ones(8, "int32")
    monitor = reskeras.GradientMonitor(tmp_path / "run", level="probes")
    watched.fit(x, y, verbose=0, callbacks=[monitor])
    assert monitor.run.series("backward_norm").last.tolist() == [25]


def test_a_level_can_be_changed_while_training_runs(tmp_path):
    levels = iter(["off", "norms", "probes", "deep", "norms"])
    monitor = reskeras.GradientMonitor(tmp_path / "run", level="norms")

    class Change(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            monitor.level = next(levels)

    watched = reskeras.watch(residual_network(stacked=True))
    watched.compile("sgd", "mse")
    x, y = np.ones((8, WIDTH), "float32"), np.ones((8, 3), "float32")
    watched.fit(x, y, batch_size=4, epochs=5, verbose=0, callbacks=[Change(), monitor])
    norms, probes = monitor.run.series("gradient_norm"), monitor.run.series("backward_norm")
    assert norms.last.tolist() == probes.last.tolist() == [3, 4, 5, 6, 7, 8, 9, 10]
    assert np.isfinite(norms.median).all()
    assert np.isfinite(probes.median).all(1).tolist() == [False, False, True, True, True, True, False, False]
    deep = np.isfinite(monitor.run.series("saturated_share").median).all(1)
    assert deep.tolist() == [False, False, False, False, True, True, False, False]
    told = [event["level"] for event in monitor.run.events() if event["event"] == "telemetry"]
    assert told == ["off", "norms", "probes", "deep", "norms", "norms"]


def test_models_that_cannot_be_probed_are_refused_with_the_reason(tmp_path):
    class Own(keras.Model):
        def call(self, x):
            return x

    class Stepping(keras.Model):
        def train_step(self, *arguments):
            return super().train_step(*arguments)

    inputs = keras.Input((WIDTH,))
    with pytest.raises(ValueError, match=r"calls its layers in code of its own \(Own\.call\)"):
        reskeras.watch(Own())
    with pytest.raises(ValueError, match=r"Stepping has a train_step of its own"):
        reskeras.watch(Stepping(inputs, keras.layers.Dense(2)(inputs)))
    with pytest.raises(ValueError, match=r"nothing to be probed"):
        reskeras.watch(keras.Model(inputs, keras.layers.ReLU()(inputs)))
    with pytest.raises(ValueError, match=r"no layer 'blok2' .* Did you mean block2\?"):
        reskeras.watch(residual_network(), at=["blok2"])
    with pytest.raises(ValueError, match=r"There is no level 'prob' .* Did you mean probes\?"):
        reskeras.GradientMonitor(tmp_path, level="prob")
    model = residual_network()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"has no probes: train reskeras\.watch\(model\)"):
        model.fit(np.ones((2, WIDTH)), np.ones((2, 3)), callbacks=[reskeras.GradientMonitor(tmp_path, level="deep")])
    monitor = reskeras.GradientMonitor(tmp_path / "run")
    model.fit(np.ones((2, WIDTH)), np.ones((2, 3)), verbose=0, callbacks=[monitor])
    with pytest.raises(ValueError, match=r"has no probes: train reskeras\.watch\(model\)"):
        monitor.level = "probes"
    assert monitor.level == "norms"


def test_probes_can_be_put_where_one_wants_inside_of_models_too(tmp_path):
    inner = keras.Sequential([keras.Input((WIDTH,)), keras.layers.Dense(4, "relu", name="one")], name="inner")
    inputs = keras.Input((WIDTH,))
    twice = keras.layers.Dense(WIDTH, name="shared")
    stream = twice(twice(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(inner(stream)))
    watched = reskeras.watch(model, at=["inner/one", "shared"])
    watched.compile("sgd", "mse")
    monitor = reskeras.GradientMonitor(tmp_path / "run", level="probes")
    x = np.random.default_rng(0).normal(size=(8, WIDTH)).astype("float32")
    found = [numpy(twice(x)), numpy(twice(twice(x))), numpy(inner(twice(twice(x))))]
    watched.fit(x, np.ones((8, 3)), verbose=0, callbacks=[monitor])
    series = monitor.run.series("forward_rms")
    assert series.names == ("shared", "shared#2", "inner/one")
    np.testing.assert_allclose(series.median[0], [rms(each) for each in found], rtol=1e-5)
