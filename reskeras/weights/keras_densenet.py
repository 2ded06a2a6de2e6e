"""Weights of the DenseNets of `keras.applications` in networks of this package."""

from __future__ import annotations

import re

import keras

from reskeras.architectures.imagenet_densenet import LAYERS
from reskeras.builder import build

_ENDS = {
    "stem_conv1": ["conv1_conv"],
    "stem_norm1": ["conv1_bn"],
    "head_norm1": ["bn"],
    "head_dense1": ["predictions"],
}


def densenet_from_keras(source: keras.Model) -> keras.Model:
    """Return a network `densenet-121`, `densenet-169` or `densenet-201` with the weights of Keras's own.

    The network gives logits, where Keras's gives probabilities; input shape and classes are those of `source`.

    Args:
        source: what `keras.applications.DenseNet121`, `DenseNet169` or `DenseNet201` gives, with its classifier.

    Raises:
        ValueError: where `source` is not such a network.

    Example:
        >>> network = densenet_from_keras(keras.applications.DenseNet121())
        >>> network.output_shape
        (None, 1000)
    """
    theirs = {layer.name: layer for layer in source.layers}
    counts = tuple(_count(theirs, stage) for stage in range(2, 6))
    depth = next((depth for depth, layers in LAYERS.items() if layers == counts), None)
    if depth is None or "predictions" not in theirs:
        raise ValueError(
            "densenet_from_keras takes a DenseNet of keras.applications with its classifier (include_top=True). "
            f"Received: {source.name} with dense blocks of {counts} layers and "
            f"{'a' if 'predictions' in theirs else 'no'} classifier."
        )
    network = build(
        "imagenet_densenet",
        depth=depth,
        input_shape=source.input_shape[1:],
        classes=source.output_shape[-1],
        stacked=False,
    )
    for layer in network.layers:
        parts = [part for part in layer._flatten_layers() if part.weights and not list(part._flatten_layers(False))]
        for part, name in zip(parts, _names(layer.name) if parts else (), strict=True):
            part.set_weights(theirs[name].get_weights())
    return network


def _count(layers: dict[str, keras.Layer], stage: int) -> int:
    return sum(bool(re.fullmatch(rf"conv{stage}_block\d+_concat", name)) for name in layers)


def _names(address: str) -> list[str]:
    """Return what Keras calls the layers with weights of the block at an address."""
    if address in _ENDS:
        return _ENDS[address]
    stage, label, number = re.fullmatch(r"stage(\d+)_([a-z]+)(\d+)", address).groups()
    if label == "transition":
        return [f"pool{int(stage) + 1}_{part}" for part in ("bn", "conv")]
    return [f"conv{int(stage) + 1}_block{number}_{part}" for part in ("0_bn", "1_conv", "1_bn", "2_conv")]
