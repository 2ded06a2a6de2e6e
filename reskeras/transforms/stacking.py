"""Between a Stack and the ordinary layers that it stands for, with the same weights."""

from __future__ import annotations

import json
from typing import Any

import keras

from reskeras.layers.deep import functional
from reskeras.layers.drop_path import DropPath
from reskeras.layers.stack import Stack
from reskeras.plan import repeats
from reskeras.transforms.copying import copy_layer, once_each, unbuilt
from reskeras.transforms.nested import call_again


def unroll(model: keras.Model) -> keras.Model:
    """Return a functional model in which the slices of every `Stack` are ordinary layers with the same weights.

    The layers are called what `Stack.names` says. The original is left as it is.
    """
    copy = once_each(copy_layer)

    def call(layer, *arguments, **options):
        if not isinstance(layer, Stack):
            return copy(layer)(*arguments, **options)
        x, *memory = (*arguments, *options.values())
        for each in layer.unrolled():
            x = each(x, *memory) if "memory" in each._call_signature.parameters else each(x)
        return x

    return _written_anew(model, call)


def roll(model: keras.Model) -> keras.Model:
    """Return a functional model in which equal layers in a row are one `Stack` with the same weights.

    Equal are layers of one class and one configuration, but for their names and for the rates of stochastic depth; each
    reads what the one before gives, alone. So are groups of two or three such layers that come again and again. The
    original is left as it is.
    """
    runs: dict[str, tuple[list[keras.Layer], int]] = {}
    for chain in _chains(model):
        for start, times, period in repeats(tuple(map(_description, chain))):
            layers = chain[start : start + times * period]
            if times > 1 and layers[0].input.shape == layers[-1].output.shape and layers[0].weights:
                runs[layers[0].name] = layers, period
    inside = {layer.name for layers, _ in runs.values() for layer in layers[1:]}
    copy = once_each(copy_layer)

    def call(layer, *arguments, **options):
        if layer.name in inside:
            return arguments[0]
        if layer.name not in runs:
            return copy(layer)(*arguments, **options)
        stack = _stack_of(*runs[layer.name])
        outputs = stack(*arguments, **options)
        stack.fill(runs[layer.name][0])
        return outputs

    return _written_anew(model, call)


def _written_anew(model: keras.Model, call) -> keras.Model:
    inputs, outputs = call_again(model.inputs, model.outputs, call)
    pack = keras.tree.pack_sequence_as
    new = functional(pack(model._inputs_struct, inputs), pack(model._outputs_struct, outputs), model.name)
    if model.compiled:
        new.compile_from_config(model.get_compile_config())
    return new


def _chains(model: keras.Model) -> list[list[keras.Layer]]:
    """Return the layers of a functional model in runs of which each reads the one before and nothing else does."""
    readers: dict[int, int] = {}
    for operation in model.operations:
        for node in operation._inbound_nodes:
            for tensor in node.input_tensors:
                readers[id(tensor)] = readers.get(id(tensor), 0) + 1
    for tensor in model.outputs:
        readers[id(tensor)] = readers.get(id(tensor), 0) + 1
    chains: list[list[keras.Layer]] = []
    ending: dict[int, list[keras.Layer]] = {}
    for layer in model.operations:
        if not _is_link(layer):
            continue
        source = layer.input
        chain = ending.pop(id(source), None) if readers[id(source)] == 1 else None
        if chain is None:
            chains.append(chain := [])
        chain.append(layer)
        ending[id(layer.output)] = chain
    return chains


def _is_link(layer) -> bool:
    if not isinstance(layer, keras.Layer) or isinstance(layer, (keras.layers.InputLayer, Stack)):
        return False
    nodes = layer._inbound_nodes
    return len(nodes) == 1 and len(nodes[0].input_tensors) == len(nodes[0].output_tensors) == 1


def _description(layer: keras.Layer) -> str:
    shapes = layer.input.shape, layer.output.shape
    return json.dumps([_nameless(keras.saving.serialize_keras_object(layer)), *shapes], sort_keys=True, default=str)


def _nameless(config: Any) -> Any:
    """Return a configuration without names, and without rates of stochastic depth but for whether there is one."""
    if isinstance(config, list):
        return [_nameless(each) for each in config]
    if not isinstance(config, dict):
        return config
    kept = {key: _nameless(value) for key, value in config.items() if key not in ("name", "build_config")}
    if config.get("class_name") == "DropPath":
        kept["config"]["rate"] = bool(config["config"]["rate"])
    if isinstance(config.get("drop_path"), float):
        kept["drop_path"] = bool(config["drop_path"])
    return kept


def _stack_of(layers: list[keras.Layer], period: int) -> Stack:
    rates = [_rate(layers[start : start + period]) for start in range(0, len(layers), period)]
    blocks = [layer.__class__.from_config(unbuilt(layer.get_config())) for layer in layers[:period]]
    return Stack(
        blocks if period > 1 else blocks[0],
        len(layers) // period,
        drop_path=None if len(set(rates)) == 1 else rates,
        names=[layer.name for layer in layers],
        name=f"{layers[0].name}_to_{layers[-1].name}",
    )


def _rate(group: list[keras.Layer]) -> float | None:
    """Return the rate of stochastic depth in a group of layers, None where it has none."""
    inner = (each for layer in group for each in layer._flatten_layers())
    return next((each.rate for each in inner if isinstance(each, DropPath)), None)
