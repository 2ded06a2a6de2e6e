"""What PyTorch's probes see on a CPU, measured at once: NumPy's calls take a fraction of PyTorch's on small outputs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

LOOKED_AT = 64, 1024
"""Places of an output that are looked at first for channels that are not 0, and next."""

LARGE = 10_000
"""From so many numbers on PyTorch's product of two vectors is the faster one, for it uses all cores."""

IN_PIECES = 2**18
"""Numbers of a piece of a large output: enough for all cores, and a sum over no more than these loses little in
float32."""

CANCELS = 0.05
"""Where the square of a distance is a smaller share of the squares that it is computed from, it is computed anew."""


class _Known(NamedTuple):
    """A tensor whose norm is known, for as long as the next block is looked at, which mostly adds to it.

    Attributes:
        given: the tensor as the next block gets it.
        version: counts what was written over it.
        array: the numbers.
        square: the sum of their squares.
    """

    given: Any
    version: int
    array: Any
    square: float


class SeenOnCPU:
    """The statistics of blocks in one step.

    Args:
        values: (blocks, slots), any tensor.
        columns, missing: as in `seats`.
    """

    def __init__(self, values: Any, columns: dict[str, int], missing: float):
        self._shape, self._missing = values.shape, missing
        self._columns = [columns[each] for each in ("mean_square", "dead_share", "branch_square", "skip_square")]
        self._back = columns["gradient_square"]
        # A list, for between the operations of a block each of NumPy's calls takes many times what it takes else.
        self._numbers = [missing] * values.numel()
        self._sees = False
        self._outputs: list[Any] = [None] * len(values)
        self._versions = [0] * len(values)
        self._last: _Known | None = None

    def see(self, place: int, y: Any, skip: Any, channels: int, given: Any) -> None:
        """Measure a block's output.

        Args:
            place: the block's.
            y: the output.
            skip: what the block added to, or None.
            channels: the axis of y's channels.
            given: what the next block gets in y's place: y itself, or where y's gradient will come, a view of it.
        """
        self._sees, array = True, _array(y)
        size, dead = array.size, _dead_share(array, channels)
        branch = skipped = missing = self._missing
        if skip is None:
            [square] = _products(array, array)
        else:
            other = self._known(skip)
            square, common = _products(array, array, other.array)
            skipped = other.square / size
            branch = _squared_distance(array, other.array, square + other.square, common) / size
        self._last = _Known(given, y._version, array, square)
        numbers, row, columns = self._numbers, place * self._shape[1], self._columns
        for column, number in zip(columns, (square / size, dead, branch, skipped), strict=True):
            # What is not a number would make a loss scale skip the step.
            numbers[row + column] = number if number == number else missing
        if numbers[row + self._back] == missing:
            numbers[row + self._back] = 0.0
        if given is not y:
            self._outputs[place], self._versions[place] = y, y._version

    def _known(self, tensor: Any) -> _Known:
        last = self._last
        if last is not None and last.given is tensor and last.version == tensor._version:
            return last
        array = _array(tensor)
        return _Known(tensor, tensor._version, array, *_products(array, array))

    def see_back(self, place: int, dy: Any) -> None:
        """Measure the gradient at a block's output."""
        self._outputs[place] = None
        array = _array(dy)
        [self._numbers[place * self._shape[1] + self._back]] = _products(array, array)

    def slots(self) -> Any:
        """Return (blocks, slots) numbers."""
        import torch

        self._last = None
        if not self._sees:
            return torch.full(self._shape, self._missing)
        # A layer behind has written its own output over one that got no gradient: the gradient went past it.
        for place, y in enumerate(self._outputs):
            if y is not None and y._version != self._versions[place]:
                self._numbers[place * self._shape[1] + self._back] = self._missing
        return torch.tensor(self._numbers, dtype=torch.float32).view(self._shape)


def _array(tensor: Any) -> Any:
    """Return a tensor's numbers in place, or wider where NumPy has no such type or sums would overflow."""
    tensor = tensor.detach()
    return (tensor if tensor.dtype.itemsize >= 4 else tensor.float()).numpy()


def _flat(*arrays: Any) -> list[Any]:
    """Return arrays of one shape as vectors, their numbers in the same order: that of memory, where it is one."""
    order = "K" if all(each.strides == arrays[0].strides for each in arrays) else "C"
    return [each.ravel(order) for each in arrays]


def _pieces(vectors: list[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield PyTorch's tensors of the same piece of each vector, so that it is read from memory once for all."""
    import torch

    return zip(*(torch.from_numpy(each).split(IN_PIECES) for each in vectors), strict=True)


def _products(array: Any, *others: Any) -> list[float]:
    """Return the scalar products of an array with others of its shape."""
    a, *rest = _flat(array, *others)
    if a.size < LARGE:
        return [a.dot(each).item() for each in rest]
    found = [[piece.dot(each).item() for each in pieces] for piece, *pieces in _pieces([a, *rest])]
    return [sum(each) for each in zip(*found, strict=True)]


def _squared_distance(array: Any, other: Any, squares: float, common: float) -> float:
    """Return the square of the distance of two arrays, by the cosine rule where that is exact enough.

    Args:
        array, other: the arrays.
        squares: the sum of their squares.
        common: their scalar product.
    """
    if array.size < LARGE:
        difference = array - other
        return _products(difference, difference)[0]
    distance = squares - 2 * common
    if distance >= CANCELS * squares:
        return distance
    import torch

    total, room = 0.0, None
    for a, b in _pieces(_flat(array, other)):
        # The next difference is put where the one before was, in a place that stays in the processor's cache: the
        # system clears every page of new memory.
        room = torch.sub(a, b, out=None if room is None else room[: len(a)])
        total += room.dot(room).item()
    return total


def _first_places(array: Any, channels: int, places: int) -> Any:
    """Return so many places of an output with all their channels, or a few more."""
    of_sample = array[0].size // array.shape[channels]
    if of_sample <= places:
        return array[: -(-places // max(of_sample, 1))]
    axis = 2 if channels == 1 else 1
    count = -(-places * array.shape[axis] // of_sample)
    return array[:1, :count] if axis == 1 else array[:1, :, :count]


@cache
def _first_place(channels: int, axes: int) -> tuple[int | slice, ...]:
    """Return the index of all channels at the first place of an output of so many axes."""
    return tuple(slice(None) if axis == channels else 0 for axis in range(axes))


def _dead_share(array: Any, channels: int) -> float:
    """Return the share of an output's channels that are 0 everywhere."""
    channels %= array.ndim
    if array.size and array[_first_place(channels, array.ndim)].all():
        return 0.0
    axes = tuple(axis for axis in range(array.ndim) if axis != channels)
    # A channel that is alive is nearly always seen to be so in a few places.
    for places in LOOKED_AT if channels else ():
        alive = _first_places(array, channels, places).any(axes)
        if alive.all():
            return 0.0
    alive = alive if channels else array.any(axes)
    if channels:
        alive[~alive] = np.compress(~alive, array, channels).any(axes)
    return 1 - np.count_nonzero(alive) / alive.size
