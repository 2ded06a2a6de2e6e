"""What PyTorch's probes see on a CPU, measured at once: NumPy's calls take a fraction of PyTorch's on small outputs."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

LOOKED_AT = 64
"""Places of an output that are looked at first for channels that are not 0."""

LARGE = 10_000
"""From so many numbers on PyTorch's product of two vectors is the faster one, for it uses all cores."""

IN_PIECES = 2**16
"""Numbers of a piece of a large output: they fit into the processor's cache, and a sum over no more than these loses
little in float32."""

CANCELS = 0.05
"""Where the square of a distance is a smaller share of the squares that it is computed from, it is computed anew."""


class _Known(NamedTuple):
    """A tensor whose norm is known, for as long as the next block is looked at, which mostly adds to it.

    Attributes:
        name: its `identity`.
        array: the numbers; while they are held, no other tensor comes to lie where they are.
        square: the sum of their squares.
    """

    name: tuple
    array: Any
    square: float


class SeenOnCPU:
    """The statistics of blocks in one step.

    Args:
        places: how many blocks there are.
    """

    def __init__(self, places: int):
        self._facts: list[tuple[float, ...] | None] = [None] * places
        self._back: dict[int, float] = {}
        self._outputs: dict[int, tuple[Any, int]] = {}
        self._last: _Known | None = None

    def see(self, place: int, y: Any, skip: Any, channels: int, is_differentiated: bool) -> None:
        """Measure a block's output.

        Args:
            place: the block's.
            y: the output, detached.
            skip: what the block added to, detached, or None.
            channels: the axis of y's channels.
            is_differentiated: whether y's gradient will come.
        """
        array = _array(y)
        square = _product(array, array)
        branch = skipped = math.nan
        if skip is not None:
            other = self._known(skip)
            skipped = other.square / array.size
            branch = _squared_distance(array, other.array, square, other.square) / array.size
        self._last = _Known(identity(y), array, square)
        self._facts[place] = square / array.size, _dead_share(array, channels), branch, skipped
        if is_differentiated:
            self._outputs[place] = y, y._version

    def _known(self, tensor: Any) -> _Known:
        if self._last is not None and self._last.name == identity(tensor):
            return self._last
        array = _array(tensor)
        return _Known((), array, _product(array, array))

    def see_back(self, place: int, dy: Any) -> None:
        """Measure the gradient at a block's output."""
        self._outputs.pop(place, None)
        array = _array(dy.detach())
        self._back[place] = _product(array, array)

    def slots(self, columns: dict[str, int], count: int, missing: float) -> np.ndarray:
        """Return (blocks, count) numbers, in the columns that are named; the arguments are as in `seats`."""
        self._last = None
        found = np.full((len(self._facts), count), missing, np.float32)
        chosen = [columns[each] for each in ("mean_square", "dead_share", "branch_square", "skip_square")]
        rows = [place for place, facts in enumerate(self._facts) if facts is not None]
        # A layer behind has written its own output over one that got no gradient: the gradient went past it.
        for place, (y, version) in self._outputs.items():
            self._back.setdefault(place, missing if y._version != version else 0.0)
        if rows:
            known = np.array([self._facts[row] for row in rows], np.float32)
            found[np.ix_(rows, chosen)] = np.where(np.isnan(known), missing, known)
            found[rows, columns["gradient_square"]] = [self._back.get(row, 0.0) for row in rows]
        return found


def _array(tensor: Any) -> Any:
    """Return a detached tensor's numbers in place, or wider where NumPy has no such type or sums would overflow."""
    return (tensor if tensor.dtype.itemsize >= 4 else tensor.float()).numpy()


def identity(tensor: Any) -> tuple:
    """Return what is the same for another view of the same numbers, as long as the tensor is there."""
    return tensor.data_ptr(), tensor._version, tensor.stride(), tensor.shape, tensor.dtype


def _product(array: Any, other: Any) -> float:
    """Return the scalar product of two arrays of one shape."""
    # In the order of memory, where it is one.
    order = "K" if array is other or array.strides == other.strides else "C"
    a = array.ravel(order)
    b = a if array is other else other.ravel(order)
    if a.size < LARGE:
        return float(a.dot(b))
    import torch

    pieces = (torch.from_numpy(each).split(IN_PIECES) for each in (a, b))
    return sum(each.dot(its).item() for each, its in zip(*pieces, strict=True))


def _squared_distance(array: Any, other: Any, square: float, other_square: float) -> float:
    """Return the square of the distance of two arrays, by the cosine rule where that is exact enough."""
    squares = square + other_square
    distance = squares - 2 * _product(array, other)
    if distance >= CANCELS * squares:
        return distance
    samples = max(1, IN_PIECES // array[0].size)
    pieces = (each[start : start + samples] for start in range(0, len(array), samples) for each in (array, other))
    total, room = 0.0, None
    for a, b in zip(pieces, pieces, strict=True):
        # The next difference is put where the one before was, in a place that stays in the processor's cache: the
        # system clears every page of new memory.
        room = np.subtract(a, b, out=None if room is None or room.shape != a.shape else room)
        total += _product(room, room)
    return total


def _dead_share(array: Any, channels: int) -> float:
    """Return the share of an output's channels that are 0 everywhere."""
    channels %= array.ndim
    axes = tuple(axis for axis in range(array.ndim) if axis != channels)
    positions = array.size // (len(array) * array.shape[channels]) or 1
    # A channel that is alive is nearly always seen to be so in a few places.
    alive = array[: -(-LOOKED_AT // positions)].any(axes) if channels else array.any(axes)
    if alive.all():
        return 0.0
    if channels:
        alive[~alive] = np.compress(~alive, array, channels).any(axes)
    return 1 - np.count_nonzero(alive) / alive.size
