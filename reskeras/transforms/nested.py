"""A graph of layers written anew as functional models of plain Keras, nested where one of them would be too deep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from reskeras.layers.deep import in_order, landmarks, node_of, recursion_depth

Tensors = Sequence[keras.KerasTensor]


def inputs_like(inputs: Tensors) -> list[keras.KerasTensor]:
    """Return new inputs of the same shapes, dtypes and names."""
    return [keras.Input(batch_shape=each.shape, dtype=each.dtype, name=each.name) for each in inputs]


def call_again(inputs: Tensors, outputs: Tensors, call: Callable) -> tuple[Tensors, Tensors]:
    """Return new inputs and outputs of a graph whose every layer has been called anew.

    Args:
        inputs: where the graph begins.
        outputs: where it ends.
        call: takes a layer and what it was called on, and returns what is to stand for its outputs.
    """
    fresh = inputs_like(inputs)
    found = _table(inputs, fresh)
    _call_nodes((node for node, _ in in_order(outputs)), found, call)
    return fresh, [found[id(each)] for each in outputs]


def model_of(inputs: Tensors, outputs: Tensors, call: Callable, name: str, longest: int, structures) -> keras.Model:
    """Return a model of plain Keras that has called every layer of a graph anew.

    A graph too deep for Keras's recursion is split in two: a model called `<name>_layers` holds all but the last layers
    and gives what these read. Its first outputs are landmarks on the way, which nobody reads: Keras goes to one output
    after another and through no layer twice, so that the file loads within Python's recursion limit.

    Args:
        inputs: where the graph begins.
        outputs: where it ends.
        call: as in `call_again`.
        name: the model's name.
        longest: the deepest recursion of Keras that needs no nesting.
        structures: in what lists or dictionaries the model takes its inputs and gives its outputs.
    """
    pack, (taken, given) = keras.tree.pack_sequence_as, structures
    if recursion_depth(outputs) <= longest:
        fresh, results = call_again(inputs, outputs, call)
        return keras.Model(pack(taken, fresh), pack(given, results), name=name)
    # Without the last landmark, so that the layers of the head stay outside, where their names give them.
    inside, outside = _split(outputs, marks := landmarks(outputs, longest // 3)[:-1])
    read = [*outputs, *(each for node in outside for each in node.input_tensors)]
    crossing = {id(each): each for each in read if id(node_of(each)) in inside and not node_of(each).is_input}
    tensors = [*marks, *crossing.values()]
    first, results = call_again(inputs, tensors, call)
    layers = keras.Model(pack(taken, first), results, name=f"{name}_layers")
    fresh = inputs_like(inputs)
    found = _table([*inputs, *tensors], [*fresh, *layers(pack(taken, fresh))])
    _call_nodes(outside, found, call)
    return keras.Model(pack(taken, fresh), pack(given, [found[id(each)] for each in outputs]), name=name)


def _split(outputs: Tensors, marks: list[keras.KerasTensor]) -> tuple[set[int], list]:
    """Return which nodes lie before the landmarks, and the others in order; add a landmark where a layer is in both.

    A file would hold such a layer, like a table of words that is read at both ends, as two.
    """
    while True:
        before = [node for node, _ in in_order(marks)]
        inside, layers = {id(node) for node in before}, {id(node.operation) for node in before if not node.is_input}
        outside = [node for node, _ in in_order(outputs) if id(node) not in inside]
        shared = [node.outputs[0] for node in outside if id(node.operation) in layers]
        if not shared:
            return inside, outside
        marks.extend(shared)


def _table(old: Tensors, new: Tensors) -> dict[int, keras.KerasTensor]:
    return {id(before): after for before, after in zip(old, new, strict=True)}


def _call_nodes(nodes, found: dict[int, keras.KerasTensor], call: Callable) -> None:
    """Call what each node called on what `found` has for its inputs, and put the results there."""
    for node in nodes:
        if not node.is_input:
            arguments, options = node.arguments.fill_in(found)
            results = keras.tree.flatten(call(node.operation, *arguments, **options))
            found.update(_table(node.outputs, results))
