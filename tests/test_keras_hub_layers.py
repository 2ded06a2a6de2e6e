"""Blocks against keras-hub's Transformer layers, with random weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from weights import randomise

from reskeras.installed import has_extra
from reskeras.layers import DecoderBlock, EncoderBlock
from reskeras.weights import fill_from_keras_hub

if not has_extra("text"):
    pytest.skip("keras-hub is not installed: pip install 'reskeras[text]'", allow_module_level=True)

RANDOM = np.random.default_rng(17)


@pytest.fixture(scope="module")
def keras_hub():
    """The package, imported here and not above: with it comes TensorFlow, into every process that collects."""
    import keras_hub

    return keras_hub


def _x(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_an_encoder_block_is_that_of_keras_hub(keras_hub, norm):
    layer, x = keras_hub.layers.TransformerEncoder(12, 2, activation="gelu", normalize_first=norm == "pre"), _x(2, 5, 8)
    layer.build((None, 5, 8))
    randomise(layer)
    block = EncoderBlock(2, 12, norm, "gelu")
    block.build((None, 5, 8))
    fill_from_keras_hub(block, layer)
    np.testing.assert_allclose(_array(block(x)), _array(layer(x)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_a_decoder_block_is_that_of_keras_hub(keras_hub, norm):
    layer = keras_hub.layers.TransformerDecoder(12, 2, normalize_first=norm == "pre")
    x, memory = _x(2, 5, 8), _x(2, 4, 8)
    layer.build((None, 5, 8), (None, 4, 8))
    randomise(layer)
    block = DecoderBlock(2, 12, norm)
    block.build((None, 5, 8), (None, 4, 8))
    fill_from_keras_hub(block, layer)
    np.testing.assert_allclose(_array(block(x, memory)), _array(layer(x, memory)), rtol=0, atol=1e-5)
    encoder = EncoderBlock(2, 12, norm)
    encoder.build((None, 5, 8))
    with pytest.raises(ValueError, match="crossattention/heads/key/bias"):
        fill_from_keras_hub(encoder, layer)
