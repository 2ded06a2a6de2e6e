"""What a Stack runs is recorded where the backend does not compile it, and only what is the same when done again."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reskeras import backend as backend_package
from reskeras.layers import HighwayDense, Residual, Stack

DEPTH, WIDTH = 8, 6


@pytest.fixture(autouse=True)
def records(backend):
    if backend != "torch":
        pytest.skip("the other backends compile the body")


class Doubled(keras.layers.Layer):
    """y = sin x, of which the gradient is said to be twice what it is."""

    def call(self, x):
        @keras.ops.custom_gradient
        def sine(x):
            return keras.ops.sin(x), lambda *_, upstream: 2 * upstream * keras.ops.cos(x)

        return sine(x)

    def compute_output_shape(self, input_shape):
        return input_shape


class Counted(keras.layers.Layer):
    """A layer that Python sees whenever it is called, and PyTorch's own generator of random numbers too if asked."""

    calls = 0

    def __init__(self, noise=False, **kwargs):
        super().__init__(**kwargs)
        self.noise = noise

    def call(self, x):
        import torch

        Counted.calls += 1
        return x + 0.1 * torch.rand_like(x) if self.noise else x * 1.0

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "noise": self.noise}


BLOCKS = {
    "highway": lambda: HighwayDense(),
    "normalised": lambda: Residual([keras.layers.Dense(WIDTH), keras.layers.BatchNormalization()]),
    "convolution": lambda: Residual(keras.layers.Conv1D(WIDTH, 3, padding="same", activity_regularizer="l2")),
    "dropout": lambda: Residual([keras.layers.Dense(WIDTH), keras.layers.Dropout(0.5)]),
    "gradient": lambda: Residual([keras.layers.Dense(WIDTH), Doubled()]),
}
RECORDED = ("highway", "normalised", "convolution")


def _trained(block, monkeypatch, recording=True):
    """Return losses and weights after three steps on batches of two sizes, and whether the bodies were recorded."""
    found, original = [], backend_package.recorded
    monkeypatch.setattr(backend_package, "recorded", lambda *given: found.append(original(*given)) or found[-1])
    monkeypatch.setattr(backend_package, "can_record", lambda tensor: recording and tensor.device.type != "meta")
    keras.utils.set_random_seed(3)
    generator = np.random.default_rng(1)
    x = generator.normal(size=(10, 5, WIDTH)).astype("float32")
    model = keras.Sequential([keras.Input((5, WIDTH)), Stack(block(), DEPTH), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), keras.losses.MeanSquaredError())
    history = model.fit(x, x[..., :1], batch_size=4, epochs=2, shuffle=False, verbose=0)
    monkeypatch.undo()
    return history.history["loss"], model.get_weights(), [each is not None for each in found]


@pytest.mark.parametrize("name", BLOCKS)
def test_recorded_or_not_the_numbers_are_the_same(name, monkeypatch):
    losses, weights, recorded = _trained(BLOCKS[name], monkeypatch)
    assert recorded == [name in RECORDED] * 2
    wanted_losses, wanted, nothing = _trained(BLOCKS[name], monkeypatch, recording=False)
    assert not nothing
    np.testing.assert_array_equal(losses, wanted_losses)
    for found, expected in zip(weights, wanted, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_recorded_body_is_not_run_again():
    stack = Stack(Counted(), DEPTH)
    x = np.ones((2, WIDTH), "float32")
    stack(x)
    before = Counted.calls
    stack(x)
    assert Counted.calls == before
    stack(np.ones((3, WIDTH), "float32"))
    assert Counted.calls > before


def test_random_numbers_of_the_backends_own_are_drawn_for_each_slice():
    import torch

    stack = Stack(Counted(noise=True), DEPTH)
    x = np.zeros((2, WIDTH), "float32")
    stack(x)
    torch.manual_seed(0)
    first, second = stack(x), stack(x)
    torch.manual_seed(0)
    wanted = sum(0.1 * torch.rand(2, WIDTH) for _ in range(DEPTH))
    torch.testing.assert_close(first.detach(), wanted)
    assert (first != second).all()


def test_what_freezes_is_recorded_anew():
    stack = Stack(keras.layers.BatchNormalization(momentum=0.5), DEPTH)
    x = np.random.default_rng(0).normal(size=(4, WIDTH)).astype("float32")
    stack(x, training=True)
    statistics = [each for each in stack.stacked if each.name.startswith("moving")]
    assert len(statistics) == 2
    before = [keras.ops.convert_to_numpy(each).copy() for each in statistics]
    stack.trainable = False
    stack(x, training=True)
    for found, wanted in zip(statistics, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), wanted)
