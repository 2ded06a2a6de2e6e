"""What the slices of a `Stack`'s weight are called, and which weights have any."""

from __future__ import annotations

from dataclasses import dataclass

import keras


@dataclass(frozen=True)
class Slices:
    """What a stacked weight carries in its attribute `slices`.

    Attributes:
        stack: name of the stack.
        paths: the path of each slice as a weight of its own, from shallow to deep.
    """

    stack: str
    paths: tuple[str, ...]


def slices_of(variable: keras.Variable) -> Slices | None:
    """Return what the slices of a `Stack`'s weight are called, None for any other weight."""
    return getattr(variable, "slices", None)


def rows_of(variable: keras.Variable) -> int:
    """Return how many weights of blocks a weight holds: its slices where it is a `Stack`'s, else itself alone."""
    slices = slices_of(variable)
    return 1 if slices is None else len(slices.paths)
