"""Weights of keras-hub's BERT and GPT-2 in networks of this package."""

from __future__ import annotations

import re
from collections.abc import Mapping

import keras

from reskeras.builder import build

_LAYER = r"stage1_(attention|feedforward)(\d+)/(.*)"

_PLACES = {
    "stem_embedding1/table": "token_embedding",
    "stem_positions1/table": "position_embedding",
    "stem_segments1/table": "segment_embedding",
    "stem_norm1": "embeddings_layer_norm",
}

_PARTS = {
    "attention": {"norm1": "self_attention_layer_norm", "after_norm1": "self_attention_layer_norm"},
    "feedforward": {
        "dense1": "feedforward_intermediate_dense",
        "dense2": "feedforward_output_dense",
        "norm1": "feedforward_layer_norm",
        "after_norm1": "feedforward_layer_norm",
    },
}


def bert_from_keras_hub(backbone: keras.Model, tokens: int | None = None, **options) -> keras.Model:
    """Return a network like `reskeras.build("bert", ...)` with the weights of a keras-hub `BertBackbone`.

    Padding is token 0, as in BERT's vocabulary, where the backbone takes a mask of its own.

    Args:
        backbone: the backbone.
        tokens: length of the sequences; None for the backbone's longest.
        **options: `classes`, `head` (`"features"` for what the backbone calls its pooled output), `dropout` and
            `drop_path` as `build` takes them. What the backbone has no weights for starts as in a new network.

    Raises:
        ValueError: where the backbone's sizes are none that a network here has.

    Example:
        >>> backbone = keras_hub.models.BertBackbone.from_preset("bert_base_en_uncased")
        >>> model = bert_from_keras_hub(backbone, tokens=128, head="classes", classes=2)
    """
    head = options.setdefault("head", "features")
    options.setdefault("classes", 2)
    model = _build_like(
        "bert",
        backbone,
        tokens,
        vocabulary=backbone.vocabulary_size,
        segments=backbone.num_segments,
        activation="gelu_tanh",
        **options,
    )
    pooler = "pair_dense1" if head == "pretraining" else "head_dense1"
    return _filled(model, backbone, {**_PLACES, pooler: "pooled_dense"}, "self_attention_layer")


def gpt2_from_keras_hub(backbone: keras.Model, tokens: int | None = None, **options) -> keras.Model:
    """Return a network like `reskeras.build("gpt", ...)` with the weights of a keras-hub `GPT2Backbone`.

    Its logits are the backbone's output times the backbone's own table of words.

    Args:
        backbone: the backbone.
        tokens: length of the sequences; None for the backbone's longest.
        **options: `dropout` and `drop_path` as `build` takes them.

    Raises:
        ValueError: where the backbone's sizes are none that a network here has.

    Example:
        >>> backbone = keras_hub.models.GPT2Backbone.from_preset("gpt2_base_en")
        >>> model = gpt2_from_keras_hub(backbone, tokens=256)
    """
    model = _build_like("gpt", backbone, tokens, classes=backbone.vocabulary_size, **options)
    return _filled(model, backbone, {**_PLACES, "head_norm1": "layer_norm"}, "self_attention")


def _build_like(family: str, backbone: keras.Model, tokens: int | None, **options) -> keras.Model:
    multiple, rest = divmod(backbone.intermediate_dim, backbone.hidden_dim)
    if rest:
        raise ValueError(
            "The units of a feed-forward part must be a multiple of the width. Received: a backbone with "
            f"intermediate_dim={backbone.intermediate_dim} and hidden_dim={backbone.hidden_dim}."
        )
    options.setdefault("dropout", backbone.dropout)
    return build(
        family,
        input_shape=(tokens or backbone.max_sequence_length,),
        depth=backbone.num_layers,
        width=backbone.hidden_dim,
        heads=backbone.num_heads,
        feed_forward=multiple,
        positions=backbone.max_sequence_length,
        stacked=False,
        **options,
    )


def _filled(model: keras.Model, backbone: keras.Model, places: Mapping[str, str], attention: str) -> keras.Model:
    # As numpy arrays: on JAX the two would share one array, which training or predicting with either then frees.
    theirs = {variable.path: keras.ops.convert_to_numpy(variable) for variable in backbone.weights}
    for variable in model.weights:
        path = _their_path(variable.path, places, attention)
        if path in theirs:
            variable.assign(theirs.pop(path))
    if theirs:
        raise ValueError(f"The network has no place for these weights of the backbone: {', '.join(theirs)}.")
    return model


def _their_path(path: str, places: Mapping[str, str], attention: str) -> str:
    if found := re.fullmatch(_LAYER, path):
        part, number, inner = found.groups()
        inner = inner.replace("attention1/heads", attention)
        place, weight = inner.rsplit("/", 1)
        return f"transformer_layer_{int(number) - 1}/{_PARTS[part].get(place, place)}/{weight}"
    place, weight = path.rsplit("/", 1)
    return f"{places.get(place, place)}/{weight}"
