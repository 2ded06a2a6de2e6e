"""Weights of the ResNets of `keras.applications` in networks of this package."""

from __future__ import annotations

import re

import keras

from reskeras.architectures.imagenet_resnet import BLOCKS
from reskeras.builder import build

BOTTLENECKS = {counts: depth for depth, counts in BLOCKS.items() if depth >= 50}


def resnet_from_keras(source: keras.Model) -> keras.Model:
    """Return a network `resnet-50`, `resnet-101` or `resnet-152` with the weights of Keras's own.

    The network gives logits, where Keras's gives probabilities; input shape and classes are those of `source`. Its
    convolutions have no biases, as in the paper: those of `source` are subtracted from the moving means of the
    normalisations behind them, and what Keras's normalisations add to the variance beyond ours is added to the moving
    variances. In prediction both are the same function; training goes on with the batch's own mean, in which a bias has
    no effect.

    Args:
        source: what `keras.applications.ResNet50`, `ResNet101` or `ResNet152` gives, with its classifier.

    Raises:
        ValueError: where `source` is not such a network.

    Example:
        >>> network = resnet_from_keras(keras.applications.ResNet50())
        >>> network.output_shape
        (None, 1000)
    """
    theirs = {layer.name: layer for layer in source.layers}
    counts = tuple(_count(theirs, stage) for stage in range(2, 6))
    if counts not in BOTTLENECKS or "predictions" not in theirs:
        raise ValueError(
            "resnet_from_keras takes a ResNet of keras.applications of the first version with its classifier "
            f"(include_top=True). Received: {source.name} with stages of {counts} blocks and "
            f"{'a' if 'predictions' in theirs else 'no'} classifier."
        )
    network = build(
        "imagenet_resnet",
        depth=BOTTLENECKS[counts],
        input_shape=source.input_shape[1:],
        classes=source.output_shape[-1],
        stacked=False,
    )
    for layer in network.layers:
        for part in layer._flatten_layers():
            if isinstance(part, keras.layers.Conv2D):
                part.set_weights(theirs[_name(layer.name, part.name)].get_weights()[:1])
            elif isinstance(part, keras.layers.BatchNormalization):
                _set_norm(part, theirs, _name(layer.name, part.name))
    network.get_layer("head_dense1").set_weights(theirs["predictions"].get_weights())
    return network


def _count(layers: dict[str, keras.Layer], stage: int) -> int:
    # The layer that follows each sum; networks of the second version have none.
    return sum(bool(re.fullmatch(rf"conv{stage}_block\d+_3_bn", name)) for name in layers)


def _name(address: str, part: str) -> str:
    """Return what Keras calls a convolution or normalisation of the block, or stem, at an address."""
    kind, number = re.fullmatch(r".*(conv|norm)(\d)", part).groups()
    kind = {"conv": "conv", "norm": "bn"}[kind]
    if address.startswith("stem_"):
        return f"conv1_{kind}"
    stage, block = re.fullmatch(r"stage(\d+)_block(\d+)", address).groups()
    return f"conv{int(stage) + 1}_block{block}_{0 if part.startswith('path_') else number}_{kind}"


def _set_norm(ours: keras.layers.BatchNormalization, theirs: dict[str, keras.Layer], name: str) -> None:
    gamma, beta, mean, variance = theirs[name].get_weights()
    bias = theirs[name.removesuffix("bn") + "conv"].get_weights()[1]
    ours.set_weights([gamma, beta, mean - bias, variance + (theirs[name].epsilon - ours.epsilon)])
