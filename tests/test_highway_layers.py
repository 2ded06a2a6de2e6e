"""Highway layers: their formulas against numpy, in both data formats."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from reskeras.layers import Gate

RANDOM = np.random.default_rng(11)


def _x(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _convolved(x, kernel, bias):
    """Return the `same` convolution of (batch, ..., channels) with an odd kernel, summed window by window."""
    axes, side = x.ndim - 2, kernel.shape[0]
    padded = np.pad(x, [(0, 0), *[(side // 2, side // 2)] * axes, (0, 0)])
    total = np.zeros((*x.shape[:-1], kernel.shape[-1]))
    for offset in np.ndindex(*kernel.shape[:axes]):
        window = tuple(slice(start, start + size) for start, size in zip(offset, x.shape[1:-1], strict=True))
        total += padded[(slice(None), *window)] @ kernel[offset]
    return total + bias


def _randomised(layer, inputs):
    layer(inputs)
    layer.set_weights([_x(*weight.shape) for weight in layer.get_weights()])
    return _array(layer(inputs)), [np.asarray(weight) for weight in layer.get_weights()]


@pytest.mark.parametrize("shape", [(2, 7, 3), (2, 5, 6, 3)])
def test_a_convolutional_gate_is_a_sigmoid_of_a_convolution(shape):
    x, f = _x(*shape), _x(*shape)
    y, (kernel, bias) = _randomised(Gate(kernel_size=3, data_format="channels_last"), [x, f])
    t = _sigmoid(_convolved(x, kernel, bias))
    np.testing.assert_allclose(y, t * f + (1 - t) * x, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 3])
def test_an_uncoupled_gate_carries_by_a_gate_of_its_own(kernel):
    x, f = _x(2, 5, 6, 3), _x(2, 5, 6, 3)
    y, weights = _randomised(Gate(kernel_size=kernel, coupled=False, data_format="channels_last"), [x, f])
    kernels = [each.reshape(kernel, kernel, 3, 3) for each in weights[::2]]
    t, c = (_sigmoid(_convolved(x, each, bias)) for each, bias in zip(kernels, weights[1::2], strict=True))
    np.testing.assert_allclose(y, t * f + c * x, rtol=1e-5, atol=1e-5)


def test_an_uncoupled_gate_begins_as_the_coupled_one():
    """With kernels of zero, c = sigmoid(2) is 1 - sigmoid(-2)."""
    x, f = _x(3, 4), _x(3, 4)
    outputs = []
    for coupled in (True, False):
        gate = Gate(bias=-2.0, coupled=coupled)
        gate([x, f])
        gate.set_weights([each * (each.ndim == 1) for each in gate.get_weights()])
        outputs.append(_array(gate([x, f])))
    np.testing.assert_allclose(*outputs, rtol=1e-6)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("coupled", [True, False])
def test_channels_first_is_channels_last_with_axes_moved(kernel, coupled, backend):
    if backend == "tensorflow":
        pytest.skip("TensorFlow has no convolution with channels first on a CPU.")
    x, f = _x(2, 5, 6, 3), _x(2, 5, 6, 3)
    last, first = (Gate(-1.0, kernel, coupled, each) for each in ("channels_last", "channels_first"))
    wanted, weights = _randomised(last, [x, f])
    moved = [np.moveaxis(each, -1, 1) for each in (x, f)]
    first(moved)
    first.set_weights(weights)
    np.testing.assert_allclose(np.moveaxis(_array(first(moved)), 1, -1), wanted, rtol=1e-5, atol=1e-5)


def test_a_gate_on_vectors_has_no_kernel():
    with pytest.raises(ValueError, match=r"kernel_size must be 1\. Received: kernel_size=3 .*shape \(None, 4\)"):
        Gate(kernel_size=3).build([(None, 4), (None, 4)])
