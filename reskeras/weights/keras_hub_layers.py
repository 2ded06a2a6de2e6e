"""Weights of keras-hub's Transformer layers in blocks of this package."""

from __future__ import annotations

import keras

from reskeras.layers.transformer import DecoderBlock, EncoderBlock

_NAMES = {
    "self_attention": ("attention", "heads"),
    "self_attention_layer": ("attention", "heads"),
    "self_attention_layer_norm": ("attention", "norm"),
    "cross_attention": ("crossattention", "heads"),
    "cross_attention_layer_norm": ("crossattention", "norm"),
    "feedforward_intermediate_dense": ("feedforward", "dense1"),
    "feedforward_output_dense": ("feedforward", "dense2"),
    "feedforward_layer_norm": ("feedforward", "norm"),
}


def fill_from_keras_hub(block: EncoderBlock | DecoderBlock, layer: keras.Layer) -> None:
    """Give a block the weights of a `keras_hub.layers.TransformerEncoder` or `TransformerDecoder`.

    The block computes what the layer does with `norm="pre"` where the layer has `normalize_first=True` and else
    `norm="post"`, and with the same activation, heads and epsilon. `keras_nlp` offers the same layers.

    Args:
        block: a built `EncoderBlock` for an encoder; for a decoder a built `DecoderBlock`, or a causal `EncoderBlock`
            where it has no attention to a memory.
        layer: the built layer.

    Raises:
        ValueError: where the two have not the same weights.

    Example:
        >>> block = EncoderBlock(heads=8, feed_forward=2048)
        >>> block.build((None, None, 512))
        >>> fill_from_keras_hub(block, layer)
    """
    theirs = {_place(variable.path): variable for variable in layer.weights}
    ours = {_own_place(part, variable.path): variable for part in block._layers for variable in part.weights}
    if unlike := sorted("/".join(place) for place in theirs.keys() ^ ours.keys()):
        raise ValueError(f"{block.name} and {layer.name} do not both have these weights: {', '.join(unlike)}.")
    for place, variable in ours.items():
        # By way of numpy: on JAX the two would share one array, which training or predicting with either then frees.
        variable.assign(keras.ops.convert_to_numpy(theirs[place]))


def _place(path: str) -> tuple[str, ...]:
    _, name, *rest = path.split("/")
    return (*_NAMES.get(name, (name,)), *rest)


def _own_place(part: keras.Layer, path: str) -> tuple[str, ...]:
    """Return (part, layer, weight) as `_place` does: the only norm of a part is called so, its attention heads."""
    names = path[path.rindex(f"{part.name}/") + len(part.name) + 1 :].split("/")
    inner = [name for name in names if not name.startswith(("attention1", "crossattention1"))]
    return (part.name, "norm" if "norm" in inner[0] else inner[0], *inner[1:])
