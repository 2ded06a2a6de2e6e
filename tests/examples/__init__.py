"""One example of every public layer, and of every option that changes what it is made of; tests walk them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """A layer, how it is made, and what must come of it.

    Attributes:
        name: what tests call it; begins with the layer's name.
        layer: the layer's class.
        arguments: returns new constructor arguments, so that layers among them are not shared.
        input_shape: shape of its input, batch first and channels last; a list of shapes for a list of inputs, and a
            dictionary of `<argument>_shape` for several arguments.
        output_shape: shape of its output.
        weights: trainable weights.
        fixed: non-trainable weights, such as moving statistics.
        seeds: seed generators.
        unknown: axes of the input that may be None besides the batch, each tried alone and all together.
        channels_first: whether it takes `data_format="channels_first"`.
        keeps_mask: whether a mask of its input is the mask of its output.
        leaks: whether masked time steps reach others all the same, as through a convolution.
        fused_attention: whether it holds Keras's attention, which JAX computes in float32 even in float64.
        portable: whether `transforms.portable` can write it in Keras's own layers.
        slices: how many times its weights are in it, as slices that are layers of their own once it is taken apart.
        integer: whether its input is token numbers; for a list of inputs, perhaps a tuple that says it of each.
    """

    name: str
    layer: type
    arguments: Callable[[], dict[str, Any]]
    input_shape: Shape | list[Shape] | dict[str, Shape]
    output_shape: Shape
    weights: int
    fixed: int = 0
    seeds: int = 0
    unknown: tuple[int, ...] = ()
    channels_first: bool = False
    keeps_mask: bool = True
    leaks: bool = False
    fused_attention: bool = False
    portable: bool = True
    slices: int = 1
    integer: bool | tuple[bool, ...] = False


def examples() -> list[Example]:
    """Return the examples of all modules of this package, each of which has a list `EXAMPLES`."""
    names = sorted(module.name for module in iter_modules(__path__))
    return [example for name in names for example in import_module(f"{__name__}.{name}").EXAMPLES]
