"""A model as one that plain Keras loads: this package's layers taken apart into Keras's own."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import numpy as np
from keras.src.backend import set_keras_mask

from reskeras.layers.batch_norm import BatchNormalization
from reskeras.layers.composite import Composite, NotPortable, mask_of


def portable(model: keras.Model) -> keras.Model:
    """Return a functional model of Keras's own layers with the weights, names and predictions of `model`.

    Layer names are addresses: the layer `conv1` inside `stage1_block2` becomes `stage1_block2_conv1`. The original
    is left as it is. Keras imports no other package when it loads a file, so only such a model loads everywhere.

    Raises:
        NotPortable: where a layer of this package owns variables of its own.
    """
    flat = model
    while any(isinstance(layer, Composite) for layer in flat.layers):
        flat = _take_apart_once(flat)
    # Once more from its own description: weights are named when they are made, which was before the parts got the names
    # that they have now.
    named = keras.models.clone_model(flat, clone_function=_copy_unbuilt)
    for new, old in zip(named.layers, flat.layers, strict=True):
        if old.weights:
            new.set_weights(old.get_weights())
        new.trainable = old.trainable
    return named


def _copy_unbuilt(layer: keras.Layer) -> keras.Layer:
    layer_class = keras.layers.BatchNormalization if isinstance(layer, BatchNormalization) else layer.__class__
    return layer_class.from_config(_in_core_words(layer.get_config()))


def _in_core_words(config):
    """Return a layer's configuration for a file that loads anywhere and has weights already."""
    if isinstance(config, list):
        return [_in_core_words(each) for each in config]
    if not isinstance(config, dict):
        return config
    known = keras.saving.get_registered_object(config.get("registered_name"))
    if isinstance(known, type) and issubclass(known, keras.Initializer):
        return keras.initializers.serialize(keras.initializers.Zeros())
    if known is BatchNormalization:
        config = {**config, "registered_name": None}
    # Bidirectional would build the layers inside it at once, before it can give their weights its own name.
    return {key: _in_core_words(value) for key, value in config.items() if key != "build_config"}


def _take_apart_once(model: keras.Model) -> keras.Model:
    copies: dict[int, keras.Layer] = {}

    def copy(layer: keras.Layer) -> keras.Layer:
        if id(layer) not in copies:
            copies[id(layer)] = _copy_layer(layer)
        return copies[id(layer)]

    def call(layer: keras.Layer, *arguments, **options):
        if isinstance(layer, Composite):
            # As Layer.__call__ does: what follows may need to know where there is a mask.
            first = arguments[0] if arguments else next(iter(options.values()))
            masks = keras.tree.map_structure(mask_of, first)
            outputs = layer.call_in_core_layers(*arguments, **options)
            layer._set_mask_metadata(first, outputs, masks)
            return outputs
        outputs = layer(*arguments, **options)
        if isinstance(layer, keras.layers.ReversibleEmbedding) and not options.get("reverse"):
            # It masks its output only when it runs; here the mask must be known before.
            set_keras_mask(outputs, keras.layers.Embedding.compute_mask(layer, *arguments))
        return outputs

    inputs = [keras.Input(batch_shape=each.shape, dtype=each.dtype, name=each.name) for each in model.inputs]
    packed = keras.tree.pack_sequence_as(model._inputs_struct, inputs)
    return keras.models.clone_model(model, input_tensors=packed, clone_function=copy, call_function=call)


def _copy_layer(layer: keras.Layer) -> keras.Layer:
    new = layer.__class__.from_config(layer.get_config())
    if not isinstance(layer, keras.Layer):
        # An operation, such as the comparison that finds padding.
        return new
    if layer.built and not new.built:
        new.build_from_config(layer.get_build_config())
    # Layer by layer, since the order of a whole model's weights may differ between the two ways of writing it.
    if layer.weights:
        new.set_weights(layer.get_weights())
    if not isinstance(layer, Composite):
        new.trainable = layer.trainable
        return new
    if owned := layer._trainable_variables + layer._non_trainable_variables:
        names = ", ".join(variable.name for variable in owned)
        raise NotPortable(f"{layer.name} owns the variables {names}, which no layer of Keras's own can hold.")
    for old_part, new_part in zip(layer._flatten_layers(False, False), new._flatten_layers(False, False), strict=True):
        new_part.trainable = old_part.trainable and layer.trainable
        new_part.name = f"{layer.name}_{old_part.name}"
    return new


def save_portable(
    model: keras.Model,
    path: Path,
    samples: np.ndarray | dict[str, np.ndarray],
    classifier_activation: str | None = "softmax",
) -> None:
    """Write a `.keras` file that plain Keras loads on any backend, and check that it predicts as the model does.

    Args:
        model: a built functional model that gives logits.
        path: the file to write; a file of that name is replaced only once the new one is whole.
        samples: some samples to compare predictions on; a dictionary of them for a model of several inputs.
        classifier_activation: activation put behind the logits, those called `"output"` in a model of several outputs;
            None for none.

    Raises:
        NotPortable: where the model cannot be written so, or the file's predictions differ.
        OSError: where the file cannot be written.
    """
    if classifier_activation is not None:
        model = _activated(model, classifier_activation)
    flat = portable(model)
    draft = path.with_name(f".{path.stem}.draft.keras")
    try:
        flat.save(draft, include_optimizer=False)
        _compare(keras.models.load_model(draft), model, samples)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _activated(model: keras.Model, activation: str) -> keras.Model:
    layer = keras.layers.Activation(activation, dtype="float32", name="probabilities")
    several = isinstance(model.output, dict)
    output = {**model.output, "output": layer(model.output["output"])} if several else layer(model.output)
    return keras.Model(model.input, output, name=model.name)


def _compare(loaded: keras.Model, model: keras.Model, samples) -> None:
    outputs = (keras.tree.flatten(each.predict(samples, verbose=0)) for each in (model, loaded))
    for wanted, found in zip(*outputs, strict=True):
        if not np.allclose(wanted, found, rtol=0, atol=1e-5, equal_nan=True):
            difference = np.abs(np.asarray(wanted) - np.asarray(found)).max()
            raise NotPortable(f"The file's predictions differ from the model's by {difference:.1e}.")
