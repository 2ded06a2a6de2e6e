"""What a probe sees at a block's output, in the forward pass and in the backward pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from reskeras import backend
from reskeras.runs.statistics import OF_BLOCKS

STATISTICS = tuple(each.name for each in OF_BLOCKS)
SLOTS = (*STATISTICS, "skip_square")
"""A probe's numbers. Those of a root are squares still, means but for `backward_norm`, which is a sum: so that they can
be put together for parts of a batch. `branch_ratio` and `token_residual` are yet to be divided by others."""

NOT_MEASURED = -2.0
"""Stands for what was not measured, below every value: NaN would make a loss scale skip the step."""

_COLUMNS = {
    "mean_square": SLOTS.index("forward_rms"),
    "dead_share": SLOTS.index("dead_share"),
    "branch_square": SLOTS.index("branch_ratio"),
    "skip_square": SLOTS.index("skip_square"),
    "gradient_square": SLOTS.index("backward_norm"),
}
"""The slots that probes fill that are put together, by what each is before roots are taken."""

SATURATED = 0.97
"""An output of tanh above this passes less than 6 % of the gradient."""

BACKWARD_NORM = SLOTS.index("backward_norm")

_BACKWARD = ("backward_norm", "gradient_cosine", "identity_cosine")

_observed: list[dict[str, list]] = []


@dataclass(frozen=True)
class Probe:
    """The probes of a layer: the one of a block, or those of a stack's slices.

    Attributes:
        values: (slots,), or (depth, slots), from `probe_values`; its gradient is what was seen.
        level: `"probes"` or `"deep"`.
        channels: the axis of the channels.
    """

    values: Any
    level: str
    channels: int = -1

    @property
    def is_deep(self) -> bool:
        """Whether the measurements of the highest level are taken."""
        return self.level == "deep"


def probe_values(variable: keras.Variable, level: str, counts: list[int]) -> list[Any]:
    """Return the values of the probes of each probed layer, for one call of the model.

    Args:
        variable: (probes, slots).
        level: that of the probes.
        counts: how many probes each layer has.
    """
    values = keras.ops.convert_to_tensor(variable)
    ends = np.cumsum(counts).tolist()
    if level == "probes" and backend.can_gather(values):
        seats = backend.seats(values, _COLUMNS, NOT_MEASURED)
        return [seats[end - count : end] for end, count in zip(ends, counts, strict=True)]
    # Keras's split wants a place to split at.
    return keras.ops.split(values, ends[:-1]) if len(counts) > 1 else [values]


def probed(block: Callable[[Any], Any], x: Any, probe: Probe, keeps_shape: bool, skip: Any = None) -> Any:
    """Return `block(x)`, and let its statistics be the gradient of the probe's values.

    Args:
        block: `(x) -> y`.
        x: the block's input.
        probe: of one block.
        keeps_shape: whether y is shaped as x.
        skip: what the block adds to, where that is not x; its shape is that of y.
    """
    if isinstance(probe.values, backend.Seat):
        y = block(x)
        given = backend.look_from(probe.values, y, x if keeps_shape and skip is None else skip, probe.channels)
        return _with_mask_of(y, given)
    token = None
    if probe.is_deep and keeps_shape and skip is None:
        x, token = backend.enter(x, probe.values, _compare)
    with _observing() as found:
        y = block(x)
    skip = x if keeps_shape and skip is None else skip
    seen = _forward(skip, y, probe, token is not None, found)
    look = _look_deep if probe.is_deep else _look
    return _with_mask_of(y, backend.leave_behind(y, token, probe.values, seen, look))


def unseen(y: Any, variable: keras.Variable) -> Any:
    """Return a model's output; the gradient of the probes' variable is 0 then, for an optimizer that wants one."""
    if "float" not in keras.backend.standardize_dtype(y.dtype):
        return y
    values = keras.ops.convert_to_tensor(variable)
    return _with_mask_of(y, give_back(y, values, keras.ops.zeros_like(values)))


def give_back(y: Any, values: Any, seen: Any) -> Any:
    """Return y, and let what was seen in the forward pass be the gradient of probes' values.

    Args:
        y: a tensor.
        values: of probes.
        seen: shaped as the values.
    """
    nothing = keras.ops.zeros_like(seen)
    return backend.leave_behind(y, None, values, seen, lambda dy: nothing)


def _with_mask_of(y, given):
    mask = keras.src.backend.get_keras_mask(y)
    if mask is not None:
        keras.src.backend.set_keras_mask(given, mask)
    return given


@contextmanager
def _observing():
    _observed.append({})
    try:
        yield _observed[-1]
    finally:
        _observed.pop()


def observe(statistic: str, value: Any) -> None:
    """Note a tensor inside of a block, whose mean is one of its statistics; nothing where no probe looks."""
    if _observed:
        _observed[-1].setdefault(statistic, []).append(value)


def _forward(skip, y, probe: Probe, has_token: bool, found: dict) -> Any:
    """Return the slots that are known after the forward pass, 0 in those that the backward pass fills."""
    ops = keras.ops
    wide = ops.cast(ops.stop_gradient(y), "float32")
    axes = [axis for axis in range(len(wide.shape)) if axis != probe.channels % len(wide.shape)]
    squares, size = backend.square_sum(wide, axes), _places(wide, range(len(wide.shape)))
    slots = dict.fromkeys(SLOTS, NOT_MEASURED)
    slots.update(dict.fromkeys(_BACKWARD[: 2 if probe.is_deep else 1], 0.0))
    slots["forward_rms"] = ops.sum(squares) / size
    slots["dead_share"] = ops.mean(ops.cast(squares == 0, "float32"))
    if skip is not None:
        skip = ops.cast(ops.stop_gradient(skip), "float32")
        slots["branch_ratio"] = backend.square_sum(wide - skip) / size
        slots["skip_square"] = backend.square_sum(skip) / size
    if has_token:
        slots["identity_cosine"] = 0.0
    if probe.is_deep:
        slots["saturated_share"] = ops.mean(ops.cast(ops.abs(wide) > SATURATED, "float32"))
        if len(wide.shape) == 3:
            slots["token_residual"] = ops.mean(ops.square(wide - ops.mean(wide, 1, keepdims=True)))
        for statistic, values in found.items():
            means = [ops.mean(ops.cast(ops.stop_gradient(each), "float32")) for each in values]
            slots[statistic] = sum(means) / len(means)
    return ops.stack([ops.cast(slots[each], "float32") for each in SLOTS])


def seen_in_a_row(x: Any, squares: Any, changes: Any) -> Any:
    """Return the slots of blocks that each add to what the one before gave, 0 in that of the backward pass.

    Args:
        x: the input of the first block.
        squares: (blocks, channels), the sums of each output's squares.
        changes: (blocks, channels), the same of what each block added.

    Returns:
        (blocks, slots).
    """
    ops = keras.ops
    size = _places(x, range(len(x.shape)))
    found = ops.sum(squares, 1) / size
    slots = {each: ops.full_like(found, NOT_MEASURED) for each in SLOTS}
    slots["forward_rms"], slots["backward_norm"] = found, ops.zeros_like(found)
    slots["dead_share"] = ops.mean(ops.cast(squares == 0, "float32"), 1)
    slots["branch_ratio"] = ops.sum(changes, 1) / size
    first = backend.square_sum(ops.stop_gradient(x)) / size
    slots["skip_square"] = ops.concatenate([ops.reshape(first, (1,)), found[:-1]])
    return ops.stack([slots[each] for each in SLOTS], 1)


def _places(tensor, axes):
    """Return how many entries of a tensor lie along some axes."""
    sizes = keras.ops.shape(tensor)
    return keras.ops.cast(math.prod(sizes[axis] for axis in axes), "float32")


def statistics(seen: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the `STATISTICS` from what probes saw; what was not measured is NaN.

    Args:
        seen: (T, blocks, slots).
        scale: (T,), what the loss was multiplied by.

    Returns:
        (T, statistics, blocks).
    """
    slots = np.where(seen <= NOT_MEASURED, np.nan, seen).astype(np.float64)
    found = {each: slots[:, :, place] for place, each in enumerate(SLOTS)}
    with np.errstate(invalid="ignore", divide="ignore"):
        found["branch_ratio"] = np.sqrt(found["branch_ratio"] / found["skip_square"])
        found["token_residual"] = np.sqrt(found["token_residual"] / found["forward_rms"])
        found["forward_rms"] = np.sqrt(found["forward_rms"])
        found["backward_norm"] = np.sqrt(found["backward_norm"]) / scale[:, None]
    return np.stack([found[each] for each in STATISTICS], axis=1).astype(np.float32)


def _look(dy):
    return _slots(backward_norm=backend.square_sum(dy))


def _look_deep(dy):
    ops = keras.ops
    wide = ops.cast(dy, "float32")
    samples = ops.reshape(wide, (ops.shape(wide)[0], -1))
    squares = ops.sum(ops.square(samples), 1, keepdims=True)
    count = ops.cast(ops.shape(wide)[0], "float32")
    # The mean cosine of all pairs without forming any: rows of length 1 summed, less each with itself.
    rows = samples / ops.sqrt(ops.maximum(squares, 1e-30))
    pairs = ops.sum(ops.square(ops.sum(rows, 0))) - ops.sum(ops.square(rows))
    return _slots(backward_norm=ops.sum(squares), gradient_cosine=pairs / ops.maximum(count * (count - 1), 1.0))


def _compare(dx, dy):
    ops = keras.ops
    dx, dy = ops.cast(dx, "float32"), ops.cast(dy, "float32")
    lengths = ops.sqrt(backend.square_sum(dx)) * ops.sqrt(backend.square_sum(dy))
    return _slots(identity_cosine=ops.sum(dx * dy) / ops.maximum(lengths, 1e-30))


def seen_by_all(seen: Any) -> Any:
    """Return what a probe saw over all replicas that train at the same time, each on its part of a batch.

    Args:
        seen: (..., slots), by this one.
    """
    count = backend.replicas()
    if count == 1:
        return seen
    [summed] = backend.over_replicas([seen])
    return summed * np.array([1 if each == "backward_norm" else 1 / count for each in SLOTS], "float32")


def _slots(**values):
    return keras.ops.stack([keras.ops.cast(values.get(each, 0.0), "float32") for each in SLOTS])
