"""ResNets of `keras.applications`, taken over with their weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from weights import randomise_normalizations

from reskeras.weights import resnet_from_keras


def test_the_network_computes_what_keras_computes(backend):
    if backend == "jax":
        pytest.skip("JAX compiles each operation of 50 layers; the shortest DenseNet has every kind of them")
    source = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None)
    randomise_normalizations(source)
    x = np.random.default_rng(0).normal(size=(2, 64, 64, 3)).astype("float32")
    network = resnet_from_keras(source)
    wanted, found = (model.predict(x, verbose=0) for model in (source, network))
    largest, difference = np.abs(wanted).max(), np.abs(found - wanted).max()
    print(f"largest difference {difference:.1e}, largest output {largest:.3g}")
    assert difference <= 1e-5 * max(largest, 1)
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3 * largest, "outputs that do not see the input show nothing"
    assert network.count_params() < source.count_params()


def test_another_network_is_refused_with_what_it_is():
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match=r"Received: other with stages of \(0, 0, 0, 0\) blocks and no classifier"):
        resnet_from_keras(keras.Model(inputs, keras.layers.Dense(2)(inputs), name="other"))
