"""Batch normalisation in one kernel: the numbers of Keras's layer, and Keras's layer in files."""

from __future__ import annotations

import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from autodiff import Projection, precision
from weights import randomise

import reskeras.backend
from reskeras import steps
from reskeras.layers import BatchNormalization, Recompute, Residual
from reskeras.layers.making import make_layer
from reskeras.transforms.portable import portable

Core = keras.layers.BatchNormalization
IMAGES, SEQUENCES, VECTORS = (4, 32, 16, 16), (8, 64, 64), (512, 64)
"""Large enough that PyTorch's kernel is faster than Keras's operations."""

TOLERANCES = {"float64": 1e-11, "float32": 1e-4, "mixed_bfloat16": 0.01, "mixed_float16": 2e-3}
"""Of what is computed in each precision, relative to the largest number."""


def _array(tensor) -> np.ndarray:
    narrow = keras.backend.standardize_dtype(tensor.dtype) in ("bfloat16", "float16")
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32") if narrow else tensor).astype("float64")


def _samples(shape, seed=0) -> np.ndarray:
    return 3 + 2 * np.random.default_rng(seed).normal(size=shape)


def _assert_close(found, wanted, tolerance):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * (1e-3 + np.abs(wanted).max()))


@pytest.fixture
def calls(monkeypatch) -> list[bool]:
    """Whether a kernel computed, for each call of the layer."""
    found, ask = [], reskeras.backend.batch_norm

    def batch_norm(*arguments):
        answer = ask(*arguments)
        found.append(answer is not None)
        return answer

    monkeypatch.setattr(reskeras.backend, "batch_norm", batch_norm)
    return found


def _pair(shape, policy="float32", trainable=True, **arguments) -> list[keras.Model]:
    """Return a model of Keras's layer and one of ours, of equal weights, for any batch."""
    models = []
    for layer_class in (Core, BatchNormalization):
        with precision(policy):
            inputs = keras.Input(shape[1:])
            model = keras.Model(inputs, layer_class(**arguments)(inputs))
            randomise(model)
        model.trainable = trainable
        models.append(model)
    return models


def _train(model: keras.Model, x: np.ndarray, policy="float32"):
    """Return what a model gives in training, its gradients for weights and input, and its statistics afterwards."""
    with precision(policy):
        x = x.astype(keras.config.floatx())
        projection = Projection(model, x, x.shape)
        _, gradients = projection.value_and_gradients(projection.point())
        y = _array(model(x, training=True))
        statistics = [_array(each) for each in model.non_trainable_variables]
    return y, [each.astype("float64") for each in gradients], statistics


def _assert_trained_alike(models, x, policy="float32"):
    (y, gradients, statistics), found = (_train(model, x, policy) for model in models)
    tolerance = TOLERANCES[policy]
    _assert_close(found[0], y, tolerance)
    for one, other in zip(found[1], gradients, strict=True):
        assert np.abs(other).max() > 0
        _assert_close(one, other, tolerance)
    for one, other in zip(found[2], statistics, strict=True):
        # Computed in float32 at least, whatever the precision of the layer.
        _assert_close(one, other, min(tolerance, 1e-5))


@pytest.mark.parametrize("policy", TOLERANCES)
@pytest.mark.parametrize("shape", [IMAGES, SEQUENCES, VECTORS], ids=["images", "sequences", "vectors"])
def test_training_is_that_of_keras(shape, policy, backend, calls):
    _assert_trained_alike(_pair(shape, policy, momentum=0.8), _samples(shape), policy)
    kernel = {"torch": True, "tensorflow": policy != "float64" and shape != VECTORS, "jax": False}[backend]
    assert calls == [kernel] * 2


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has float64 only where it is told to")
def test_double_precision_needs_the_setting_of_keras_alone():
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        layer = BatchNormalization()
        y = layer(keras.ops.convert_to_tensor(_samples(IMAGES), "float64"), training=True)
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])
    assert keras.backend.standardize_dtype(y.dtype) == "float64"
    _assert_close(_array(y).std((0, 1, 2)), np.ones(IMAGES[-1]), 1e-3)


@pytest.mark.parametrize("arguments", [{"center": False}, {"scale": False}, {"epsilon": 1e-7}], ids=str)
def test_options_are_those_of_keras(arguments, calls, backend):
    _assert_trained_alike(_pair(IMAGES, **arguments), _samples(IMAGES))
    assert calls == [backend != "jax"] * 2


def test_moments_are_exact_where_the_mean_is_large():
    """Against numpy: Keras's own on PyTorch lose these digits."""
    x = 1000 + _samples(IMAGES)
    _, model = _pair(IMAGES, momentum=0.0)
    _, _, (mean, variance) = _train(model, x)
    np.testing.assert_allclose(mean, x.mean((0, 1, 2)), rtol=1e-6)
    if keras.backend.backend() != "jax":
        np.testing.assert_allclose(variance, x.astype("float32").var((0, 1, 2), dtype="float64"), rtol=1e-3)


@pytest.mark.parametrize("policy", TOLERANCES)
def test_prediction_is_that_of_keras(policy, backend, calls):
    x = _samples(IMAGES)
    core, ours = _pair(IMAGES, policy)
    with precision(policy):
        wanted, found = (_array(model(x.astype(keras.config.floatx()))) for model in (core, ours))
    _assert_close(found, wanted, TOLERANCES[policy])
    assert calls == [backend == "torch" or (backend == "tensorflow" and policy != "float64")]


def test_a_frozen_layer_normalises_as_in_prediction_and_keeps_its_statistics(backend, calls):
    models = _pair(IMAGES, trainable=False)
    before = [_array(each) for each in models[1].variables]
    _assert_trained_alike(models, _samples(IMAGES))
    np.testing.assert_array_equal(before, [_array(each) for each in models[1].variables])
    assert calls == [backend != "jax"] * 2


def test_channels_first(backend, calls):
    shape = (4, 16, 32, 16)
    _assert_trained_alike(_pair(shape, axis=1), _samples(shape))
    assert calls == [backend == "torch"] * 2


@pytest.mark.parametrize("shape", [(1, 1, 1, 8), (2, 2, 2, 3), (3, 40_000)], ids=str)
def test_few_values(shape):
    x = _samples(shape).astype("float32")
    core, ours = _pair(shape, momentum=0.5)
    for one, other in zip(_train(ours, x)[::2], _train(core, x)[::2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_an_empty_batch_gives_an_empty_batch():
    for training in (False, True):
        y = [model(np.ones((0, 4, 4, 3), "float32"), training=training) for model in _pair((2, 4, 4, 3))]
        assert y[0].shape == y[1].shape == (0, 4, 4, 3)


@pytest.mark.parametrize("training", [True, False])
def test_a_mask_is_for_keras(training, calls):
    x, mask = _samples(SEQUENCES).astype("float32"), np.random.default_rng(1).random(SEQUENCES[:2]) < 0.7
    core, ours = (model.layers[-1] for model in _pair(SEQUENCES))
    wanted, found = (_array(layer(x, training=training, mask=mask)) for layer in (core, ours))
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(_array(ours.moving_variance), _array(core.moving_variance))
    assert not calls


@pytest.mark.parametrize("option", ["renorm", "synchronized"])
def test_further_ways_to_normalise_are_for_keras(option, backend, calls):
    if option == "synchronized" and backend != "tensorflow":
        pytest.skip("TensorFlow's alone")
    (y, _, statistics), found = (_train(model, _samples(IMAGES)) for model in _pair(IMAGES, **{option: True}))
    np.testing.assert_array_equal(found[0], y)
    np.testing.assert_array_equal(found[2], statistics)
    assert not calls


def _train_twice(model, x):
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x, np.ones((len(x), 1), "float32"), batch_size=len(x) // 2, shuffle=False, verbose=0)
    return [_array(each) for each in model.variables]


def test_recomputed_training_is_equal_to_the_last_bit(backend):
    if backend == "jax":
        pytest.skip("it is Keras's layer there")
    shape, found = (8, 32, 16, 16), []
    for wrap in (lambda layer: layer, Recompute):
        inputs = keras.Input(shape[1:])
        keras.utils.set_random_seed(1)
        block = wrap(Residual([BatchNormalization(), keras.layers.ReLU()]))
        pooled = keras.layers.GlobalAveragePooling2D()(block(inputs))
        found.append(_train_twice(keras.Model(inputs, keras.layers.Dense(1)(pooled)), _samples(shape, 1)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_it_trains_inside_what_the_backend_compiles(jit_compile, backend):
    if backend == "jax":
        pytest.skip("every other test of training is compiled")
    x = _samples(IMAGES).astype("float32")
    (y, _, statistics), (_, ours) = _train((pair := _pair(IMAGES))[0], x), pair
    call = {"tensorflow": _compiled_loop, "torch": _compiled}[backend](ours, jit_compile)
    _assert_close(_array(call(keras.ops.convert_to_tensor(x))), y, 1e-5)
    for one, other in zip(ours.non_trainable_variables, statistics, strict=True):
        _assert_close(_array(one), other, 1e-5)


def _compiled_loop(model, jit_compile):
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)
    def call(x):
        """Through a loop of one turn, the statistics coming back as values."""
        state = [variable.value for variable in model.non_trainable_variables]
        weights = [variable.value for variable in model.trainable_variables]

        def body(turn, _, state):
            y, new = model.stateless_call(weights, state, x, training=True)
            return turn + 1, tf.ensure_shape(y, x.shape), new

        _, y, state = tf.while_loop(lambda turn, *_: turn < 1, body, (0, x, state), maximum_iterations=1)
        return y, state

    def run(x):
        y, state = call(x)
        for variable, value in zip(model.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return y

    return run


def _compiled(model, jit_compile):
    import torch

    # Without the compiler of C++, which a machine may lack; the graph is taken and differentiated all the same.
    compiled = torch.compile(model, backend="aot_eager" if jit_compile else "eager")
    return lambda x: compiled(x, training=True)


def test_networks_and_blocks_are_made_with_it():
    assert type(make_layer(steps.Norm(), (4, 4, 3), "norm")) is BatchNormalization


LOADER = """
import sys
sys.modules["reskeras"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
assert type(model.layers[-1]) is keras.layers.BatchNormalization, type(model.layers[-1])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3]), verbose=0))
"""


def test_its_file_is_one_of_keras(tmp_path):
    x = _samples((2, 3, 4, 5)).astype("float32")
    core, ours = _pair(x.shape, momentum=0.8, scale=False)
    ours.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    arguments = [str(tmp_path / name) for name in ("model.keras", "y.npy", "x.npy")]
    done = subprocess.run([sys.executable, "-c", LOADER, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), _array(core(x)), rtol=1e-5, atol=1e-5)


def test_here_it_comes_back_as_itself_and_the_layer_of_keras_as_that():
    inputs = keras.Input((4, 3))
    ours = Residual([BatchNormalization(name="inner")])(BatchNormalization(name="ours")(inputs))
    model = keras.Model(inputs, Core(name="core")(ours))
    again = keras.Model.from_config(model.get_config())
    assert [type(again.get_layer(name)) for name in ("ours", "core")] == [BatchNormalization, Core]
    assert type(again.layers[2].branch[0]) is BatchNormalization
    assert type(pickle.loads(pickle.dumps(model.get_layer("ours")))) is BatchNormalization


def test_a_portable_network_holds_the_layer_of_keras():
    inputs = keras.Input((4, 3))
    x = Residual([BatchNormalization()])(BatchNormalization()(inputs))
    model = keras.Model(inputs, keras.layers.TimeDistributed(BatchNormalization())(x))
    randomise(model)
    flat = portable(model)
    kinds = [type(layer) for layer in flat.layers if isinstance(layer, Core)]
    assert kinds == [Core, Core]
    assert type(flat.layers[-1].layer) is Core
    samples = _samples((2, 4, 3)).astype("float32")
    np.testing.assert_allclose(_array(flat(samples)), _array(model(samples)), rtol=1e-5, atol=1e-5)
