"""Layers of users, written in the ways in which people write them, in a stack, as a branch and recomputed."""

import warnings

import keras
import numpy as np
import pytest

import reskeras
from reskeras.layers import Recompute, Residual, Stack

WIDTH, DEPTH = 6, 4


@keras.saving.register_keras_serializable(package="test_any_layer")
class Weights(keras.layers.Layer):
    """Makes its weights, without names, and does not say what shape it gives."""

    def build(self, input_shape):
        start = keras.initializers.VarianceScaling(0.1)
        self.kernel = self.add_weight(shape=(input_shape[-1],) * 2, initializer=start)
        self.scale = self.add_weight(shape=(), initializer=keras.initializers.Constant(0.5))

    def call(self, x):
        return x + self.scale * keras.ops.tanh(keras.ops.matmul(x, self.kernel))


@keras.saving.register_keras_serializable(package="test_any_layer")
class Parts(keras.layers.Layer):
    """Makes its parts at once, without names, and has no `build`."""

    def __init__(self, units=WIDTH, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.up = keras.layers.Dense(2 * units, "relu")
        self.norm = keras.layers.BatchNormalization()
        self.dropout = keras.layers.Dropout(0.1)
        self.down = keras.layers.Dense(units, kernel_initializer=keras.initializers.VarianceScaling(0.1))

    def call(self, x, training=None):
        inner = self.norm(self.up(x), training=training)
        return x + self.down(self.dropout(inner, training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="test_any_layer")
class PartsWithShape(Parts):
    """Says what shape it gives, and has no `build`."""

    def compute_output_shape(self, input_shape):
        return input_shape


def sequential() -> keras.Layer:
    """A network without an input, as a layer."""
    start = {"kernel_initializer": "he_normal"}
    return keras.Sequential([keras.layers.Dense(2 * WIDTH, "relu", **start), keras.layers.Dense(WIDTH, **start)])


MADE = [Weights, Parts, PartsWithShape, sequential]
HELD = {
    "stack": lambda make: [Stack(make(), DEPTH)],
    "stack of several": lambda make: [Stack([make(), make()], DEPTH // 2)],
    "stack, recomputed": lambda make: [Stack(make(), DEPTH, remat=True)],
    "stack of branches": lambda make: [Stack(Residual([make()]), DEPTH)],
    "branch": lambda make: [Residual([make()])],
    "recomputed": lambda make: [Recompute(make())],
}


def _data():
    generator = np.random.default_rng(0)
    return generator.normal(size=(24, WIDTH)).astype("float32"), generator.integers(0, 3, 24)


def _trained(layers) -> tuple[keras.Model, list[float]]:
    inputs = keras.Input((WIDTH,))
    stream = inputs
    for layer in layers:
        stream = layer(stream)
    model = keras.Model(inputs, keras.layers.Dense(3)(stream))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss)
    return model, model.fit(*_data(), batch_size=8, epochs=4, shuffle=False, verbose=0).history["loss"]


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("make", MADE)
def test_layers_of_users_train_and_are_found_again_in_files(make, held, tmp_path):
    x, _ = _data()
    keras.utils.set_random_seed(0)
    model, losses = _trained(HELD[held](make))
    assert losses[-1] < losses[0]
    path = tmp_path / "model.keras"
    model.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    if not held.startswith("stack"):
        return
    unrolled = reskeras.unroll(model)
    # One block after another rounds otherwise than a loop that a compiler has made.
    np.testing.assert_allclose(unrolled.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    apart, together = (
        np.concatenate([np.ravel(keras.ops.convert_to_numpy(each)) for each in it.trainable_weights])
        for it in (unrolled, model)
    )
    np.testing.assert_array_equal(np.sort(apart), np.sort(together))


@pytest.mark.parametrize("make", [Weights, sequential])
def test_a_stack_of_a_users_layers_learns_as_the_layers_themselves(make):
    keras.utils.set_random_seed(0)
    _, stacked = _trained([Stack(make(), DEPTH)])
    keras.utils.set_random_seed(0)
    _, alone = _trained([make() for _ in range(DEPTH)])
    np.testing.assert_allclose(stacked, alone, rtol=1e-5)
