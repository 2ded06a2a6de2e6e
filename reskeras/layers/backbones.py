"""Networks around the backbones of keras-hub: of one input, flat, so that each of its layers can be watched."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras

from reskeras.architectures.keras_hub import weights_file
from reskeras.installed import ExtraMissing, how_to_install
from reskeras.layers.deep import functional
from reskeras.layers.tokens import FirstToken
from reskeras.plan import Backbone, Plan
from reskeras.steps import PlanError


def backbone_network(plan: Plan) -> keras.Model:
    """Return the network of a plan that has a backbone: from token numbers to logits, its layers called as keras-hub
    calls them.

    Raises:
        ExtraMissing: where keras-hub is not installed.
        PlanError: where the weights to begin with are of other sizes, or cannot be read.
    """
    backbone = _made(plan.backbone)
    if plan.backbone.weights:
        _fill(backbone, plan.backbone.weights)
    tokens = keras.Input(plan.input_shape, name="samples", dtype="int32")
    network = _bert if plan.backbone.kind == "bert" else _gpt2
    return functional(tokens, network(backbone, tokens, plan), name=plan.name.replace("-", "_"))


def _made(wanted: Backbone) -> keras.Model:
    try:
        import keras_hub
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"{wanted.kind} is built by keras-hub, which is not installed. Install it with {how_to_install('text')}",
            name=error.name,
        ) from error
    make = {"bert": keras_hub.models.BertBackbone, "gpt2": keras_hub.models.GPT2Backbone}[wanted.kind]
    return make(
        vocabulary_size=wanted.vocabulary,
        num_layers=wanted.depth,
        num_heads=wanted.heads,
        hidden_dim=wanted.width,
        intermediate_dim=wanted.units,
        dropout=wanted.dropout,
        max_sequence_length=wanted.positions,
    )


def _fill(backbone: keras.Model, path: str) -> None:
    file = weights_file(path)
    if file is None:
        raise PlanError(f"There are no weights at {path}.")
    try:
        with warnings.catch_warnings():
            # Keras warns of operations without weights, such as the choice of the first token.
            warnings.simplefilter("ignore", UserWarning)
            backbone.load_weights(Path(file))
    except (ValueError, OSError, KeyError, TypeError) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise PlanError(
            f"{file} holds no weights of a backbone of these sizes (vocabulary {backbone.vocabulary_size:,}, depth "
            f"{backbone.num_layers}, width {backbone.hidden_dim}, positions {backbone.max_sequence_length}): {first}"
        ) from None


def _bert(backbone: keras.Model, tokens: keras.KerasTensor, plan: Plan) -> keras.KerasTensor:
    there = keras.ops.not_equal(tokens, 0)
    words = backbone.token_embedding(tokens)
    parts = (words, backbone.position_embedding(words), backbone.segment_embedding(keras.ops.zeros_like(tokens)))
    x = backbone.embeddings_dropout(backbone.embeddings_layer_norm(backbone.embeddings_add(parts)))
    for layer in backbone.transformer_layers:
        x = layer(x, padding_mask=there)
    x = backbone.pooled_dense(FirstToken(name="head_firsttoken1")(x))
    if plan.backbone.dropout:
        x = keras.layers.Dropout(plan.backbone.dropout, name="head_dropout1")(x)
    start = keras.initializers.TruncatedNormal(stddev=0.02)
    return keras.layers.Dense(plan.classes, kernel_initializer=start, dtype="float32", name="head_dense1")(x)


def _gpt2(backbone: keras.Model, tokens: keras.KerasTensor, plan: Plan) -> keras.KerasTensor:
    words = backbone.token_embedding(tokens)
    x = backbone.embeddings_dropout(backbone.embeddings_add((words, backbone.position_embedding(words))))
    for layer in backbone.transformer_layers:
        x = layer(x)
    logits = backbone.token_embedding(backbone.layer_norm(x), reverse=True)
    return keras.layers.Activation("linear", dtype="float32", name="head_logits1")(logits)
