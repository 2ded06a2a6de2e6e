"""DenseNets of `keras.applications`, taken over with their weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.src.applications.densenet import DenseNet
from weights import randomise_normalizations

from reskeras.weights.keras_densenet import densenet_from_keras


# 121 layers, and the fewest that Keras's function can build.
@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (6, 12, 24, 16)])
def test_the_network_computes_what_keras_computes(blocks, backend):
    if backend == "jax" and len(set(blocks)) > 1:
        pytest.skip("JAX compiles each operation of 121 layers; the shortest network has every kind of them")
    source = DenseNet(blocks, weights=None, input_shape=(32, 32, 3), classes=7, classifier_activation=None)
    randomise_normalizations(source)
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    network = densenet_from_keras(source)
    wanted, found = (model.predict(x, verbose=0) for model in (source, network))
    difference = np.abs(found - wanted).max()
    print(f"{blocks}: largest difference {difference:.1e}, largest output {np.abs(wanted).max():.3g}")
    assert difference <= 1e-5
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3, "outputs that do not see the input show nothing"


def test_another_network_is_refused_with_what_it_is():
    inputs = keras.Input((4,))
    with pytest.raises(ValueError, match=r"Received: other with dense blocks of \(0, 0, 0, 0\) layers and no"):
        densenet_from_keras(keras.Model(inputs, keras.layers.Dense(2)(inputs), name="other"))
