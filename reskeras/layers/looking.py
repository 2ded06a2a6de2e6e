"""How probes look at the blocks of a stack, which are all one body."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras

from reskeras import backend
from reskeras.layers.probes import BACKWARD_NORM, Probe, give_back, probed, seen_in_a_row

SMALL = 128
"""Numbers that a block gives for one sample: to begin the operations that sum these costs more than the sums, which of
larger outputs are taken while they are in the processor's cache."""


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
        # Where blocks are computed again, nothing of them is to be kept.
        if once and not probe.is_deep:
            return _summed(body, x, rows, probe)
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


def _summed(body, x, rows: list, probe: Probe):
    """Do as `looked_at`, with sums from within the loop, of which all else is computed behind it."""
    ops = keras.ops
    channel = probe.channels % len(x.shape)
    places = [axis for axis in range(len(x.shape)) if axis != channel]
    keeps = backend.looks_at_many() and None not in x.shape[1:] and math.prod(x.shape[1:]) <= SMALL

    def sums(before, y, axes):
        before, y = (ops.cast(ops.stop_gradient(each), "float32") for each in (before, y))
        return [backend.square_sum(each, axes) for each in (y, y - before)]

    def run(x, rows, constants):
        *rows, of_gradient = rows
        y, outputs = body(x, rows, constants)
        y = backend.leave_behind(y, None, of_gradient, ops.zeros((), "float32"), backend.square_sum)
        return y, [*outputs, *([ops.stop_gradient(y)] if keeps else sums(x, y, places))]

    def end(y, found):
        if keeps:
            *found, all_y = found
            before = ops.concatenate([ops.expand_dims(x, 0), all_y[:-1]])
            found += sums(before, all_y, [1 + axis for axis in places])
        *found, squares, changes = found
        return give_back(y, probe.values, seen_in_a_row(x, squares, changes)), found

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
