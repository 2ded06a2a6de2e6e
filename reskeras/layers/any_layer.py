"""Layers that users bring, which need not say how they are built nor what shape they give."""

from __future__ import annotations

from collections.abc import Iterable

import keras
from keras.src.backend import compute_output_spec  # Of a call; a layer's own may say it without calling.
from keras.src.utils.python_utils import is_default  # Keras marks by it what a layer has not written.


def build(layer: keras.Layer, *shapes) -> None:
    """Build a layer for inputs of some shapes; nothing where it is built.

    A layer without a `build`, whose parts are built as they are called, is traced for it, as Keras does when such a
    layer is first called.

    Args:
        layer: the layer.
        shapes: of the tensors that it is called on; a list of shapes for a list of tensors.
    """
    traced = is_default(layer.build) and any(not part.built for part in layer._flatten_layers(include_self=False))
    if layer.built and not traced:
        return
    if traced:
        with layer._open_name_scope():
            compute_output_spec(layer.call, *_specifications(layer, shapes))
    layer.build(*shapes)
    if traced:
        # Reading a file, Keras would call the build that there is not, and warn of its parts.
        layer._build_shapes_dict = None


def shape_after(layer: keras.Layer, *shapes) -> tuple:
    """Return the shape that a built layer gives for inputs of some shapes, also where it has no word on that."""
    if is_default(layer.compute_output_shape):
        return tuple(layer.compute_output_spec(*_specifications(layer, shapes)).shape)
    return layer.compute_output_shape(*shapes)


def with_memory(layer: keras.Layer, memory) -> tuple:
    """Return the memory, or its shape, where the layer takes one beside its input."""
    return (memory,) if memory is not None and "memory" in layer._call_signature.parameters else ()


def build_chain(layers: Iterable[keras.Layer], shape, memory_shape=None):
    """Build layers that follow one another, of which some take a memory, and return the shape after the last."""
    for layer in layers:
        shapes = (shape, *with_memory(layer, memory_shape))
        build(layer, *shapes)
        shape = shape_after(layer, *shapes)
    return shape


def shape_after_chain(layers: Iterable[keras.Layer], shape, memory_shape=None):
    """Return the shape that built layers give one after another."""
    for layer in layers:
        shape = shape_after(layer, shape, *with_memory(layer, memory_shape))
    return shape


def _specifications(layer, shapes) -> list:
    return [_specification(each, layer.compute_dtype) for each in shapes]


def _specification(shape, dtype):
    if shape is None or (shape and isinstance(shape[0], (list, tuple))):
        return shape and [_specification(each, dtype) for each in shape]
    return keras.KerasTensor(shape, dtype)
