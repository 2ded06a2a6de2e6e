"""DenseNets of `keras.applications`, taken over with their weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.src.applications.densenet import DenseNet

from reskeras.weights.keras_densenet import densenet_from_keras


def _randomise_normalizations(model):
    """Give scales, shifts, statistics and biases values that no fresh layer has, about as large as trained ones."""
    generator = np.random.default_rng(3)
    for variable in model.variables:
        if len(variable.shape) == 1:
            around_one = "gamma" in variable.path or "variance" in variable.path
            noise = generator.uniform(-0.5, 0.5, variable.shape)
            variable.assign((around_one + noise).astype("float32"))


# 121 layers, and the fewest that Keras's function can build.
@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (6, 12, 24, 16)])
def test_the_network_computes_what_keras_computes(blocks, backend):
    if backend == "jax" and sum(blocks) > 4:
        pytest.skip("JAX compiles every operation of both by itself, a minute of it; the small network has them all")
    source = DenseNet(blocks, weights=None, input_shape=(32, 32, 3), classes=7, classifier_activation=None)
    _randomise_normalizations(source)
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    network = densenet_from_keras(source)
    wanted, found = (keras.ops.convert_to_numpy(model(x)) for model in (source, network))
    difference = np.abs(found - wanted).max()
    print(f"{blocks}: largest difference {difference:.1e}, largest output {np.abs(wanted).max():.3g}")
    assert difference <= 1e-5
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3, "outputs that do not see the input show nothing"


def test_another_network_is_refused_with_what_it_is():
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match=r"Received: other with dense blocks of \(0, 0, 0, 0\) layers and no"):
        densenet_from_keras(keras.Model(inputs, keras.layers.Dense(2)(inputs), name="other"))
