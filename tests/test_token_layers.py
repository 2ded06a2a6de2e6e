"""Layers of token sequences: formulas against numpy, masks, and networks of them flattened for plain Keras."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from autodiff import paths

from reskeras.builder import build_plan
from reskeras.plan import Block, Plan, Skip, Stage
from reskeras.steps import (
    LSTM,
    Attention,
    Conv,
    Dense,
    Embedding,
    GlobalPool,
    Norm,
    Positions,
    Segments,
    SpelledEmbedding,
    TiedLogits,
)
from reskeras.steps import (
    ClassToken as ClassTokenStep,
)
from reskeras.steps import (
    CrossAttention as CrossAttentionStep,
)
from reskeras.steps import (
    FirstToken as FirstTokenStep,
)
from reskeras.steps import (
    Sequence as SequenceStep,
)
from reskeras.transforms.portable import portable

RANDOM = np.random.default_rng(11)
TOKENS = np.array([[3, 4, 5, 6, 7], [8, 9, 2, 0, 0]], "int32")
SOURCE = np.array([[5, 6, 7, 8], [9, 3, 0, 0]], "int32")
# Of padding, what stands where characters do is none of a word's.
SPELLED = np.concatenate([TOKENS[..., None], RANDOM.integers(0, 7, (2, 5, 3))], -1).astype("int32")
SEGMENTS = np.array([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0]], "int32")


def _block(*branch, norm="post", label="block"):
    """One part of a Transformer: the norm after the sum, so that the skip starts at what attention reads."""
    return Block((*branch,), Skip("add"), (Norm("layer"),) if norm == "post" else (), label)


def _post_norm_stage(*attentions, depth=2):
    return Stage(tuple(_block(each) for each in attentions) * depth)


STEM = (Embedding(11, 8, masked=True, scaled=True), Positions(6))
PLANS = {
    "language": Plan("language", (5,), 11, STEM, (_post_norm_stage(Attention(2, causal=True)),), (TiedLogits(11),)),
    "segments": Plan(
        "segments", (5,), 11, (Embedding(11, 8, masked=True), Segments(2), Positions(5), Norm("layer")),
        (_post_norm_stage(Attention(2)),), (TiedLogits(11, bias=True),),
    ),
    "pooled": Plan(
        "pooled", (5,), 3, (Embedding(11, 8, masked=True), Positions(5, "sinusoidal")),
        (_post_norm_stage(Attention(2, bias=False)),), (GlobalPool(), Dense(3)),
    ),
    "image": Plan(
        "image", (6, 4, 2), 3,
        (Conv(8, 2, 2, bias=True, padding="valid"), SequenceStep(), ClassTokenStep(), Positions(7)),
        (_post_norm_stage(Attention(2)),), (FirstTokenStep(), Dense(3)),
    ),
    "classtoken": Plan(
        "classtoken", (5,), 3, (Embedding(11, 8, masked=True), ClassTokenStep(), Positions(6)),
        (_post_norm_stage(Attention(2)),), (FirstTokenStep(), Dense(3)),
    ),
    "translation": Plan(
        "translation", (5,), 11, (Embedding(11, 8, masked=True, scaled=True, shared=True), Positions(5, "sinusoidal")),
        (_post_norm_stage(Attention(2, causal=True), CrossAttentionStep(2, 4)),), (TiedLogits(11),),
        encoder=Plan("encoder", (4,), 11, (Embedding(11, 8, masked=True, scaled=True), Positions(4, "sinusoidal")),
                     (_post_norm_stage(Attention(2)),), ()),
    ),
    "spelled": Plan(
        "spelled", (5, 4), 3, (SpelledEmbedding(11, 7, 8, 3, 4),),
        (Stage((Block((LSTM(4, bidirectional=True),)),)),), (Dense(3),),
    ),
}  # fmt: skip
INPUTS = {
    "language": {"samples": TOKENS},
    "segments": {"samples": TOKENS, "segments": SEGMENTS},
    "pooled": {"samples": TOKENS},
    "image": {"samples": RANDOM.normal(size=(2, 6, 4, 2)).astype("float32")},
    "classtoken": {"samples": TOKENS},
    "translation": {"source": SOURCE, "samples": TOKENS},
    "spelled": {"samples": SPELLED},
}


def _x(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _given(name):
    return INPUTS[name] if len(INPUTS[name]) > 1 else INPUTS[name]["samples"]


@pytest.fixture(scope="module")
def networks():
    """Every network here, with weights that no fresh layer has."""
    made = {}
    for name, plan in PLANS.items():
        made[name] = build_plan(plan)
        for variable in made[name].trainable_variables:
            variable.assign(RANDOM.normal(scale=0.4, size=variable.shape))
    return made


@pytest.mark.parametrize("name", PLANS)
def test_a_plan_of_tokens_counts_what_is_built(networks, name):
    model, plan = networks[name], PLANS[name]
    assert sum(int(np.prod(each.shape)) for each in model.trainable_variables) == plan.parameters()
    assert _array(model(_given(name))).shape[1:] == plan.shapes()[-1][1]


@pytest.mark.parametrize("name", PLANS)
def test_flattened_networks_of_tokens_are_keras_alone_and_predict_the_same(networks, name):
    flat = portable(networks[name])
    assert all(type(layer).__module__.startswith("keras.") for layer in flat._flatten_layers())
    assert len(flat.trainable_variables) == len(paths(networks[name].trainable_variables))
    np.testing.assert_allclose(_array(flat(_given(name))), _array(networks[name](_given(name))), rtol=0, atol=2e-6)


def test_words_of_one_number_are_told_apart_by_their_characters(networks):
    embedding = networks["spelled"].layers[1]
    words = np.array([[[1, 4, 5, 0], [1, 4, 6, 0], [2, 4, 5, 0], [0, 4, 5, 0]]], "int32")
    one, other, third, padding = _array(embedding(words))[0]
    assert np.array_equal(one[:5], other[:5]) and not np.isclose(one[5:], other[5:]).all()
    assert not np.isclose(one[:5], third[:5]).any() and np.array_equal(one[5:], third[5:])
    assert not padding.any()
    characters, kernel, bias = (_array(each) for each in embedding.weights[1:])
    rows = np.concatenate([np.zeros((1, 4)), characters[[4, 5, 0]], np.zeros((1, 4))])
    windows = np.stack([np.einsum("kc,kcf->f", rows[start : start + 3], kernel[0]) for start in range(3)])
    np.testing.assert_allclose(one[5:], windows.max(0) + bias, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["pooled", "classtoken", "translation", "spelled"])
@pytest.mark.parametrize("flattened", [False, True])
def test_padding_changes_nothing(networks, name, flattened):
    """What padding holds is different at every depth; with a mask, the outputs of real tokens cannot tell."""
    model = portable(networks[name]) if flattened else networks[name]
    short = {key: value[1:, :3] for key, value in INPUTS[name].items()}
    if "source" in short:
        short["source"] = short["source"][:, :2]
    variable_time = _with_unknown_time(model)
    padded = _array(variable_time(_given(name)))[1]
    alone = _array(variable_time(short if len(short) > 1 else short["samples"]))[0]
    np.testing.assert_allclose(padded[: len(alone)], alone, rtol=0, atol=1e-5)


def _with_unknown_time(model):
    """Return the same layers on sequences of any length."""
    inputs = [keras.Input((None, *each.shape[2:]), name=each.name, dtype=each.dtype) for each in model.inputs]
    packed = keras.tree.pack_sequence_as(model._inputs_struct, inputs)
    return keras.models.clone_model(model, input_tensors=packed, clone_function=lambda layer: layer)


LOADER = """
import json, sys
sys.modules["reskeras"] = None
import numpy as np, keras
folder, names = sys.argv[1], json.loads(sys.argv[2])
found = {}
for name in names:
    given = dict(np.load(f"{folder}/{name}.npz"))
    given = given if len(given) > 1 else given["samples"]
    model = keras.models.load_model(f"{folder}/{name}.keras")
    found[name] = np.asarray(keras.ops.convert_to_numpy(model(given))).tolist()
print(json.dumps(found))
"""


def test_flattened_networks_of_tokens_load_in_plain_keras(networks, tmp_path):
    for name, model in networks.items():
        portable(model).save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", **INPUTS[name])
    done = subprocess.run(
        [sys.executable, "-c", LOADER, str(tmp_path), json.dumps(list(networks))],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    for name, values in json.loads(done.stdout.splitlines()[-1]).items():
        np.testing.assert_allclose(values, _array(networks[name](_given(name))), rtol=0, atol=1e-5, err_msg=name)
