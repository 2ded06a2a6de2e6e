"""How probes look at the blocks of a stack, which are all one body."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from reskeras import backend
from reskeras.layers.probes import BACKWARD_NORM, Probe, give_back, probed, seen_in_a_row, square_sum

SMALL = 1024
"""Numbers that a block gives for one sample: looking at one after another costs more than computing."""


def looked_at(body: Callable, x: Any, rows: list, probe: Probe, once: bool) -> tuple[Callable, list, Callable | None]:
    """Return a body at whose output is looked, what it gets rows of, and what takes the last carry with the outputs of
    all blocks and returns what these are without the probes, or None.

    Args:
        body: as in `backend.scan`.
        x: the first carry.
        rows: what the body gets rows of.
        probe: with values for each slice.
        once: whether no slice is computed again.
    """
    if not isinstance(probe.values, backend.Seats):
        if once and backend.looks_at_many() and _is_small(x, probe):
            return _looked_at_together(body, x, rows, probe)
        return _probed(body, probe), [*rows, probe.values], None
    if once:
        chained, end = backend.chained(probe.values, body, x, probe.channels)
        if chained is not None:
            return chained, rows, lambda y, found: (end(y), found)

    # The body is looked at from outside of it.
    def look(x, rows, constants):
        *rows, seat = rows
        y, outputs = body(x, rows, constants)
        return backend.look_from(seat, y, x, probe.channels), outputs

    return look, [*rows, list(probe.values)], None


def _is_small(x, probe: Probe) -> bool:
    """Return whether all that is looked at is in the outputs and their gradients, and these are small."""
    sizes = x.shape[1:]
    return not probe.is_deep and None not in sizes and math.prod(sizes) <= SMALL


def _looked_at_together(body, x, rows: list, probe: Probe):
    """Do as `looked_at`, with outputs that are kept, and measured when the last block has run."""

    def run(x, rows, constants):
        *rows, of_gradient = rows
        y, outputs = body(x, rows, constants)
        nothing = keras.ops.zeros((), "float32")
        y = backend.leave_behind(y, None, of_gradient, nothing, square_sum)
        return y, [*outputs, keras.ops.stop_gradient(y)]

    def end(y, found):
        *found, all_y = found
        return give_back(y, probe.values, seen_in_a_row(x, all_y, probe.channels)), found

    return run, [*rows, probe.values[:, BACKWARD_NORM]], end


def _probed(body, probe: Probe):
    """Return a body whose last row is the values of a probe at its output."""

    def run(x, rows, constants):
        found = []

        def block(x):
            y, outputs = body(x, rows[:-1], constants)
            found.append(outputs)
            return y

        return probed(block, x, Probe(rows[-1], probe.level, probe.channels), keeps_shape=True), found[-1]

    return run
