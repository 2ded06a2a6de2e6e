"""Copies of layers with their weights."""

from __future__ import annotations

from collections.abc import Callable

import keras


def once_each(copy: Callable) -> Callable:
    """Return a function that gives for a layer its copy, the same one each time."""
    copies: dict[int, keras.Layer] = {}

    def copy_once(layer: keras.Layer) -> keras.Layer:
        if id(layer) not in copies:
            copies[id(layer)] = copy(layer)
        return copies[id(layer)]

    return copy_once


def copy_layer(layer: keras.Layer) -> keras.Layer:
    """Return a layer of the same name, weights and frozen parts."""
    new = layer.__class__.from_config(unbuilt(layer.get_config()))
    if not isinstance(layer, keras.Layer):
        # An operation, such as the comparison that finds padding.
        return new
    if layer.built and not new.built:
        new.build_from_config(layer.get_build_config())
    # Layer by layer, since the order of a whole model's weights may differ between the two ways of writing it.
    if layer.weights:
        new.set_weights(layer.get_weights())
    for old_part, new_part in zip(layer._flatten_layers(), new._flatten_layers(), strict=True):
        if old_part.trainable != new_part.trainable:
            new_part.trainable = old_part.trainable
    return new


def unbuilt(config):
    """Return a configuration whose inner layers are made without weights: these would be called by the inner layers
    alone, and not by those around them."""
    if isinstance(config, list):
        return [unbuilt(each) for each in config]
    if not isinstance(config, dict):
        return config
    return {key: unbuilt(value) for key, value in config.items() if key != "build_config"}
