"""A model as one that plain Keras loads: this package's layers taken apart into Keras's own."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from keras.src.backend import set_keras_mask

from reskeras.layers.batch_norm import BatchNormalization
from reskeras.layers.composite import Composite, NotPortable, mask_of
from reskeras.layers.deep import LONGEST_CHAIN, functional, in_order
from reskeras.layers.stack import Stack
from reskeras.transforms.copying import copy_layer, once_each
from reskeras.transforms.nested import call_again, model_of
from reskeras.transforms.stacking import unroll

SAME = 1e-3
"""Predictions that differ by less, of 1 or of the largest number, are the same: a deep network without skips makes as
much of what is rounded otherwise, and one that was taken apart wrongly makes far more."""


def portable(model: keras.Model, longest_chain: int = LONGEST_CHAIN) -> keras.Model:
    """Return a functional model of Keras's own layers with the weights, names and predictions of `model`.

    Layer names are addresses: the layer `conv1` inside `stage1_block2` becomes `stage1_block2_conv1`. The original
    is left as it is. Keras imports no other package when it loads a file, so only such a model loads everywhere.

    A network so deep that Keras's recursion over it would come near Python's limit has all but its last layers in a
    model of its own, `flat.get_layer(f"{model.name}_layers")`, in which each is found by its name. The paths of weights
    are the same with and without it: `stage1_block2_conv1/kernel`.

    The slices of a `Stack` become layers by their names.

    Args:
        model: a built functional model.
        longest_chain: how deep Keras's recursion may go, about one call for each layer that follows another, before
            layers are put into such a model.

    Raises:
        NotPortable: where a layer of this package owns variables of its own.
    """
    if any(isinstance(layer, Stack) for layer in model.layers):
        model = unroll(model)
    copy = once_each(_copy_addressed)
    inputs, outputs = call_again(
        model.inputs, model.outputs, lambda layer, *each, **options: _call_apart(copy(layer), *each, **options)
    )
    while any(isinstance(node.operation, Composite) for node, _ in in_order(outputs)):
        inputs, outputs = call_again(inputs, outputs, _call_apart)
    structures = model._inputs_struct, model._outputs_struct
    # Once more from its own description: weights are named when they are made, which was before the parts got the names
    # that they have now.
    flat = model_of(inputs, outputs, _calls_of_named_copies(), model.name, longest_chain, structures)
    if model.compiled:
        flat.compile_from_config(model.get_compile_config())
    return flat


def _calls_of_named_copies():
    """Return a function that calls the copy of a layer, which gets its weights once the first call has made them."""
    copy, filled = once_each(_copy_unbuilt), set()

    def call(layer: keras.Layer, *arguments, **options):
        new = copy(layer)
        outputs = new(*arguments, **options)
        if isinstance(layer, keras.Layer) and id(layer) not in filled:
            filled.add(id(layer))
            if layer.weights:
                new.set_weights(layer.get_weights())
            new.trainable = layer.trainable
        return outputs

    return call


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


def _call_apart(layer: keras.Layer, *arguments, **options):
    """Call a layer, or where it is one of this package's the layers that it is made of."""
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


def _copy_addressed(layer: keras.Layer) -> keras.Layer:
    new = copy_layer(layer)
    if isinstance(layer, Composite):
        _address_parts(layer, new)
    return new


def _address_parts(layer: Composite, new: Composite) -> None:
    """Give the parts of a copy their addresses."""
    if owned := layer._trainable_variables + layer._non_trainable_variables:
        names = ", ".join(variable.name for variable in owned)
        raise NotPortable(f"{layer.name} owns the variables {names}, which no layer of Keras's own can hold.")
    for old_part, new_part in zip(layer._flatten_layers(False, False), new._flatten_layers(False, False), strict=True):
        new_part.name = f"{new.name}_{old_part.name}"
        if isinstance(old_part, Composite):
            _address_parts(old_part, new_part)


def save_portable(
    model: keras.Model,
    path: str | Path,
    samples: np.ndarray | dict[str, np.ndarray],
    classifier_activation: str | None = "softmax",
    further: Mapping[str, str] | None = None,
) -> np.ndarray | dict[str, np.ndarray]:
    """Write a `.keras` file that plain Keras loads on any backend, and check that it predicts as the model does.

    Args:
        model: a built functional model that gives logits.
        path: the file to write; a file of that name is replaced only once the new one is whole.
        samples: some samples to compare predictions on; a dictionary of them for a model of several inputs.
        classifier_activation: activation put behind the logits, those called `"output"` in a model of several outputs;
            None for none.
        further: texts that the file is to hold beside what Keras writes, by the names of its members; Keras passes
            over them.

    Returns:
        The model's predictions on the samples.

    Raises:
        NotPortable: where the model cannot be written so, or the file's predictions differ.
        OSError: where the file cannot be written.
    """
    if classifier_activation is not None:
        model = _activated(model, classifier_activation)
    flat = portable(model)
    path = Path(path)
    draft = path.with_name(f".{path.stem}.draft.keras")
    try:
        flat.save(draft, include_optimizer=False)
        with zipfile.ZipFile(draft, "a", zipfile.ZIP_DEFLATED) as file:
            for name, text in (further or {}).items():
                file.writestr(name, text)
        predicted = _compare(keras.models.load_model(draft), model, samples)
        os.replace(draft, path)
        return predicted
    finally:
        draft.unlink(missing_ok=True)


def _activated(model: keras.Model, activation: str) -> keras.Model:
    layer = keras.layers.Activation(activation, dtype="float32", name="probabilities")
    several = isinstance(model.output, dict)
    output = {**model.output, "output": layer(model.output["output"])} if several else layer(model.output)
    return functional(model.input, output, name=model.name)


def _compare(loaded: keras.Model, model: keras.Model, samples):
    """Return the model's predictions, which are the file's too."""
    predicted = model.predict(samples, verbose=0)
    outputs = (keras.tree.flatten(each) for each in (predicted, loaded.predict(samples, verbose=0)))
    for wanted, found in zip(*outputs, strict=True):
        scale = max(1.0, float(np.nanmax(np.abs(np.where(np.isfinite(wanted), wanted, 0)), initial=0)))
        if not np.allclose(wanted, found, rtol=0, atol=SAME * scale, equal_nan=True):
            difference = np.abs(np.asarray(wanted) - np.asarray(found)).max()
            raise NotPortable(f"The file's predictions differ from the model's by {difference:.1e}.")
    return predicted
