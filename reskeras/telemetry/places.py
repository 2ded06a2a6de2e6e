"""Where in a functional model the outputs of blocks are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import keras

from reskeras.layers.block import BlockLayer
from reskeras.layers.residual import Residual
from reskeras.layers.stack import Stack
from reskeras.suggestions import suggest


@dataclass(frozen=True)
class Place:
    """A call of a layer or an operation, at whose output a probe is put.

    Attributes:
        names: what is probed: one name, or for a `Stack` one for each slice.
        kind: `"stack"`, `"block"` (a layer made of layers), `"merge"` (an addition or a concatenation that ends a
            skip) or `"layer"`.
        call: the operation's identity, and how many times it is called before in the model.
        shape: of the output, without the batch.
        keeps_shape: whether the output is shaped as the first input.
        skip: of a merge, which of its inputs came round the branch; None where the branch does not add to it.
        channels: the axis of the channels.
        has_kernel: whether the operation trains a weight of two axes or more.
    """

    names: tuple[str, ...]
    kind: str
    call: tuple[int, int]
    shape: tuple[int | None, ...]
    keeps_shape: bool
    skip: int | None = None
    channels: int = -1
    has_kernel: bool = False


def find_places(model: keras.Model, at: Sequence[str] | None = None) -> list[Place]:
    """Return where probes go, in the order of the forward pass.

    Args:
        model: functional or sequential.
        at: names of layers; None takes the ends of skips and layers that are made of layers, or where there are none,
            every layer with a kernel.

    Raises:
        ValueError: for a name that no layer has, or where there is nothing to be probed.
    """
    found = list(_calls(model))
    if at is not None:
        known = [place.names[0] if place.kind != "stack" else name for place, name in found]
        for name in at:
            if name not in known:
                raise ValueError(
                    f"{model.name} calls no layer {name!r} whose output could be probed.{suggest(name, known)}"
                )
        chosen = [place for place, name in found if name in at]
    else:
        chosen = [place for place, _ in found if place.kind != "layer"] or [
            place for place, _ in found if place.has_kernel
        ]
    if not chosen:
        raise ValueError(f"{model.name} has neither blocks nor layers with weights: there is nothing to be probed.")
    return _told_apart(chosen)


def inner_model(operation) -> keras.Model | None:
    """Return the functional model that an operation is, None for any other."""
    if isinstance(operation, keras.Sequential):
        return operation._functional
    return operation if isinstance(operation, keras.Model) and hasattr(operation, "_nodes_by_depth") else None


def _calls(model, path: str = "", visits: dict | None = None) -> Iterator[tuple[Place, str]]:
    """Yield each call of a layer or operation of a model, models inside of it too, with the name of the operation."""
    visits = {} if visits is None else visits
    graph = inner_model(model)
    length = dict.fromkeys(map(id, graph.inputs), 0)
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if not node.operation or node.is_input:
                continue
            operation, inputs = node.operation, node.input_tensors
            distances = [length.get(id(each), 0) for each in inputs]
            length.update((id(each), 1 + max(distances, default=0)) for each in node.outputs)
            if inner_model(operation) is not None:
                yield from _calls(operation, f"{path}{operation.name}/", visits)
                continue
            visit = visits[id(operation)] = visits.get(id(operation), -1) + 1
            place = _place(operation, inputs, node.outputs, distances)
            if place is not None:
                names = tuple(path + name for name in place.names)
                yield replace(place, names=names, call=(id(operation), visit)), path + operation.name


def _place(operation, inputs, outputs, distances) -> Place | None:
    if len(outputs) != 1 or not inputs or "float" not in outputs[0].dtype or len(outputs[0].shape) < 2:
        return None
    shape = tuple(outputs[0].shape[1:])
    kept = tuple(inputs[0].shape[1:]) == shape and "float" in inputs[0].dtype
    channels = 1 if getattr(operation, "data_format", None) == "channels_first" else -1
    kernel = any(len(weight.shape) > 1 for weight in getattr(operation, "trainable_weights", ()))
    made = Place((operation.name,), "layer", (0, 0), shape, kept, channels=channels, has_kernel=kernel)
    if isinstance(operation, Stack):
        names = operation.names
        each = len(names) // operation.depth
        return replace(made, names=tuple(names[each - 1 :: each]), kind="stack")
    if _joins(operation) and len(inputs) > 1:
        # What went round is what came by the shorter way.
        skip = min(range(len(inputs)), key=distances.__getitem__)
        adds = "Add" in type(operation).__name__ and tuple(inputs[skip].shape[1:]) == shape
        return replace(made, kind="merge", keeps_shape=False, skip=skip if adds else None)
    made_of_layers = isinstance(operation, (Residual, BlockLayer)) or (
        isinstance(operation, keras.Layer)
        and not isinstance(operation, (keras.layers.Wrapper, keras.layers.RNN))
        and any(part.weights for part in operation._flatten_layers(include_self=False))
    )
    return replace(made, kind="block") if made_of_layers else made


def _joins(operation) -> bool:
    kinds = (keras.layers.Add, keras.layers.Concatenate)
    return isinstance(operation, kinds) or (
        type(operation).__module__.startswith("keras.src.ops") and type(operation).__name__ in ("Add", "Concatenate")
    )


def _told_apart(places: list[Place]) -> list[Place]:
    """Return places of different names: a layer that is called twice is two blocks."""
    counts: dict[str, int] = {}
    told = []
    for place in places:
        names = []
        for name in place.names:
            counts[name] = counts.get(name, 0) + 1
            names.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
        told.append(replace(place, names=tuple(names)))
    return told
