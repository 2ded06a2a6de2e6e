"""Weights of PyTorch's Transformer layers in blocks of this package."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from reskeras.layers.attention import CrossAttention, SelfAttention
from reskeras.layers.transformer import DecoderBlock, EncoderBlock

_ATTENTIONS = {SelfAttention: "self_attn", CrossAttention: "multihead_attn"}


def fill_from_torch(block: EncoderBlock | DecoderBlock, state: Mapping[str, np.ndarray]) -> None:
    """Give a block the weights of a `torch.nn.TransformerEncoderLayer` or `TransformerDecoderLayer`.

    The block computes what the layer does with `norm="pre"` where the layer has `norm_first=True` and else
    `norm="post"`, and with the same activation, heads, and epsilon.

    Args:
        block: a built `EncoderBlock` for an encoder layer, or `DecoderBlock` for a decoder layer.
        state: the layer's state as arrays: `{name: each.numpy() for name, each in layer.state_dict().items()}`.

    Raises:
        ValueError: where the state has not the weights that the block has.

    Example:
        >>> block = EncoderBlock(heads=8, feed_forward=2048)
        >>> block.build((None, None, 512))
        >>> fill_from_torch(block, {name: each.numpy() for name, each in layer.state_dict().items()})
    """
    rest = {name: np.asarray(value) for name, value in state.items()}
    try:
        for number, part in enumerate(_parts(block), 1):
            for layer in (*part.branch, *part.after):
                _fill(layer, rest, f"norm{number}")
    except KeyError as missing:
        raise ValueError(
            f"The state lacks {missing}, which {block.name} has. Received: {', '.join(state)}. A decoder layer fits a "
            "DecoderBlock, an encoder layer an EncoderBlock, and a layer without biases neither."
        ) from None
    if rest:
        raise ValueError(f"{block.name} has no place for these weights of the state: {', '.join(rest)}.")


def _parts(block) -> list:
    return [
        getattr(block, name) for name in ("attention", "crossattention", "feedforward") if getattr(block, name, None)
    ]


def _fill(layer: keras.Layer, state: dict[str, np.ndarray], norm: str) -> None:
    """Move the weights of one layer from the state into it."""
    if type(layer) in _ATTENTIONS:
        _fill_attention(layer.attention, state, _ATTENTIONS[type(layer)])
    elif isinstance(layer, keras.layers.LayerNormalization):
        layer.set_weights([state.pop(f"{norm}.weight"), state.pop(f"{norm}.bias")])
    elif isinstance(layer, keras.layers.Dense):
        name = "linear1" if "linear1.weight" in state else "linear2"
        layer.set_weights([state.pop(f"{name}.weight").T, state.pop(f"{name}.bias")])


def _fill_attention(attention: keras.layers.MultiHeadAttention, state: dict[str, np.ndarray], name: str) -> None:
    heads, size = attention.num_heads, attention.key_dim
    maps = (attention.query_dense, attention.key_dense, attention.value_dense)
    # PyTorch stacks the three maps, each (heads x size, width).
    kernels, biases = (np.split(state.pop(f"{name}.in_proj_{kind}"), 3) for kind in ("weight", "bias"))
    for part, kernel, bias in zip(maps, kernels, biases, strict=True):
        part.set_weights([kernel.T.reshape(-1, heads, size), bias.reshape(heads, size)])
    kernel, bias = (state.pop(f"{name}.out_proj.{kind}") for kind in ("weight", "bias"))
    attention.output_dense.set_weights([kernel.T.reshape(heads, size, -1), bias])
