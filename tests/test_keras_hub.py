"""Weights of keras-hub's backbones in networks of this package: the same outputs for the same tokens."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from weights import randomise

from reskeras.installed import has_extra
from reskeras.weights import bert_from_keras_hub, gpt2_from_keras_hub

if not has_extra("text"):
    pytest.skip("keras-hub is not installed: pip install 'reskeras[text]'", allow_module_level=True)

SIZES = {"vocabulary_size": 23, "num_layers": 3, "num_heads": 4, "hidden_dim": 16, "intermediate_dim": 48}
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def keras_hub_models():
    """Return the module, imported here and not above: with it comes TensorFlow, into every process that collects."""
    from keras_hub import models

    return models


@pytest.fixture(scope="module")
def bert():
    backbone = keras_hub_models().BertBackbone(**SIZES, max_sequence_length=12)
    randomise(backbone)
    return backbone


@pytest.fixture(scope="module")
def gpt2():
    backbone = keras_hub_models().GPT2Backbone(**SIZES, max_sequence_length=12)
    randomise(backbone)
    return backbone


def tokens(length: int) -> np.ndarray:
    """Return sentences of which all but the first end in padding."""
    numbers = np.random.default_rng(0).integers(1, 23, (4, length)).astype("int32")
    for row in range(1, 4):
        numbers[row, length - 2 * row :] = 0
    return numbers


def segments(length: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (4, length)).astype("int32")


@pytest.mark.parametrize("length", [12, 9])
def test_bert_gives_the_pooled_output_of_the_backbone(bert, length):
    x, kinds = tokens(length), segments(length)
    model = bert_from_keras_hub(bert, tokens=length)
    wanted = bert.predict({"token_ids": x, "segment_ids": kinds, "padding_mask": (x != 0).astype("int32")}, verbose=0)
    found = model.predict({"samples": x, "segments": kinds}, verbose=0)
    np.testing.assert_allclose(found, wanted["pooled_output"], **TOLERANCE)
    assert model.count_params() == bert.count_params()


def test_bert_for_pretraining_reads_the_words_and_the_pair_from_the_backbone(bert):
    x, kinds = tokens(12), segments(12)
    model = bert_from_keras_hub(bert, head="pretraining")
    stream = keras.Model(
        model.inputs, [model.get_layer("stage1_feedforward3").output, model.get_layer("pair_dense1").output]
    )
    wanted = bert.predict({"token_ids": x, "segment_ids": kinds, "padding_mask": (x != 0).astype("int32")}, verbose=0)
    words, pooled = stream.predict([x, kinds], verbose=0)
    np.testing.assert_allclose(words[x != 0], wanted["sequence_output"][x != 0], **TOLERANCE)
    np.testing.assert_allclose(np.tanh(pooled), wanted["pooled_output"], **TOLERANCE)


@pytest.mark.parametrize("length", [12, 5])
def test_gpt2_gives_the_logits_of_the_backbone(gpt2, length):
    x = tokens(12)[:1, :length]
    model = gpt2_from_keras_hub(gpt2, tokens=length)
    wanted = gpt2.predict({"token_ids": x, "padding_mask": np.ones_like(x)}, verbose=0)
    logits = wanted @ keras.ops.convert_to_numpy(gpt2.token_embedding.embeddings).T
    np.testing.assert_allclose(model.predict(x, verbose=0), logits, **TOLERANCE)


def test_a_backbone_of_other_sizes_is_refused():
    backbone = keras_hub_models().GPT2Backbone(**{**SIZES, "intermediate_dim": 40})
    with pytest.raises(ValueError, match="intermediate_dim=40 and hidden_dim=16"):
        gpt2_from_keras_hub(backbone)
