"""Functional models of any depth, where Keras's own walk over a graph is one call of Python deep for each layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras

LONGEST_CHAIN = 500
"""Layers that Keras may go through in one walk. Python's own limit is 1,000 calls, of which loading a file takes about
40; the rest is for who calls Keras, such as a notebook, a test or a server, which may be hundreds of calls deep."""


def in_order(outputs: Sequence[keras.KerasTensor]) -> Iterator[tuple]:
    """Yield the nodes of a graph, each behind those that it reads, with the depth of Keras's recursion at each.

    A node is one call of a layer. Keras goes from the outputs towards the inputs, first inputs first, each node once.
    """
    met = set()
    for output in outputs:
        pending = [] if id(node_of(output)) in met else [_opened(node_of(output), met)]
        while pending:
            node, parents = pending[-1]
            parent = next((each for each in parents if id(each) not in met), None)
            if parent is None:
                yield node, len(pending)
                pending.pop()
            else:
                pending.append(_opened(parent, met))


def node_of(tensor: keras.KerasTensor):
    """Return the call of a layer that gave a symbolic tensor."""
    layer, index, _ = tensor._keras_history
    return layer._inbound_nodes[index]


def _opened(node, met: set[int]):
    met.add(id(node))
    return node, iter(node.parent_nodes)


def recursion_depth(outputs: Sequence[keras.KerasTensor]) -> int:
    """Return how deep Keras's recursion over the graph of some tensors goes."""
    return max(depth for _, depth in in_order(outputs))


def landmarks(outputs: Sequence[keras.KerasTensor], apart: int) -> list[keras.KerasTensor]:
    """Return tensors which, gone to one after another before the outputs, keep every walk of Keras short.

    Args:
        outputs: where the graph ends.
        apart: the most nodes that follow one another from one landmark, or those before it, to the next.
    """
    length, found = {}, []
    for node, _ in in_order(outputs):
        length[id(node)] = 1 + max((length[id(parent)] for parent in node.parent_nodes), default=0)
        if length[id(node)] < apart:
            continue
        found.append(node.outputs[0])
        behind = [node]
        while behind:
            passed = behind.pop()
            if length[id(passed)]:
                length[id(passed)] = 0
                behind.extend(passed.parent_nodes)
    return found


def functional(inputs, outputs, name: str | None = None) -> keras.Model:
    """Return a functional model as `keras.Model` does, whatever its depth; a deep one is a `DeepModel`."""
    deep = recursion_depth(keras.tree.flatten(outputs)) > LONGEST_CHAIN
    return (DeepModel if deep else keras.Model)(inputs, outputs, name=name)


@keras.saving.register_keras_serializable(package="reskeras")
class DeepModel(keras.Model):
    """A functional model of any depth: layers, names, weights and file are those of a `keras.Model`.

    Args:
        inputs: a `keras.Input`, or a list or dictionary of them.
        outputs: symbolic tensors, likewise.
        name: the model's name.
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
        marks = landmarks(keras.tree.flatten(outputs), LONGEST_CHAIN // 2)
        # Keras goes to one output after another and through no layer twice: where landmarks are the first outputs, no
        # walk is longer than from one of them to the next.
        super().__init__(inputs, [*marks, *keras.tree.flatten(outputs)], name=name, **kwargs)
        asked = self._outputs[len(marks) :]
        # Past the attribute hooks of the backends, of which TensorFlow's would wrap a dictionary.
        for attribute, value in {
            "_outputs": asked,
            "_outputs_struct": keras.tree.pack_sequence_as(outputs, asked),
            "output_names": self.output_names[len(marks) :],
        }.items():
            object.__setattr__(self, attribute, value)
