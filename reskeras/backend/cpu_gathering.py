"""What PyTorch's probes see on a CPU: NumPy's calls take a fraction of PyTorch's on small outputs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from reskeras.backend.held_outputs import HeldOutput, held, identity

LOOKED_AT = 64, 1024
"""Places of an output that are looked at first for channels that are not 0, and next."""

LARGE = 10_000
"""From so many numbers on PyTorch's product of two vectors is the faster one, for it uses all cores."""

IN_PIECES = 2**18
"""Numbers of a piece of a large output: enough for all cores, and a sum over no more than these loses little in
float32."""

CANCELS = 0.05
"""Where the square of a distance is a smaller share of the squares that it is computed from, it is computed anew."""


HELD = 2**22
"""Numbers of the outputs, and of the gradients at them, that wait to be measured one behind another."""


class SeenOnCPU:
    """The statistics of blocks in one step.

    Outputs and gradients are held until there are many, or the pass ends, and measured one behind another: between the
    operations of a block Python's calls take many times what they take else. Each is measured at once in the first
    step, and from the first in which a layer was seen to write its own output over one.

    Args:
        values: (blocks, slots), the same tensor in each step, which is told whether outputs stay.
        columns, missing: as in `seats`.
    """

    def __init__(self, values: Any, columns: dict[str, int], missing: float):
        self._values, self._shape, self._missing = values, values.shape, missing
        self._columns = [columns[each] for each in ("mean_square", "dead_share", "branch_square", "skip_square")]
        self._back = columns["gradient_square"]
        self._numbers = [missing] * values.numel()
        self._forward: list[tuple[HeldOutput, int]] = []
        self._backward: list[tuple[int, Any, int]] = []
        self._held, self._most = 0, HELD if getattr(values, "outputs_stay", False) else 0
        self._sees, self._stay = False, True
        self._unreached: dict[int, HeldOutput] = {}
        self._last: _Known | None = None

    def see(self, place: int, y: Any, skip: Any, channels: int, given: Any) -> None:
        """Take a block's output, to be measured.

        Args:
            place: the block's.
            y: the output.
            skip: what the block added to, or None.
            channels: the axis of y's channels.
            given: what the next block gets in y's place: y itself, or where y's gradient will come, a view of it.
        """
        self._sees, output = True, held(place, y, skip)
        self._forward.append((output, channels))
        row = place * self._shape[1]
        if self._numbers[row + self._back] == self._missing:
            self._numbers[row + self._back] = 0.0
        if given is not y:
            self._unreached[place] = output
        self._hold(y)

    def see_back(self, place: int, dy: Any) -> None:
        """Take the gradient at a block's output, to be measured."""
        output = self._unreached.pop(place, None)
        self._stay &= output is None or output.is_intact()
        dy = dy.detach()
        self._backward.append((place, dy, dy._version))
        self._hold(dy)

    def _hold(self, tensor) -> None:
        self._held += tensor.numel()
        if self._held > self._most:
            self._measure()

    def _measure(self) -> None:
        """Measure what is held, and hold it no longer."""
        for output, channels in self._forward:
            row = output.place * self._shape[1]
            for column, number in zip(self._columns, self._measured(output, channels), strict=True):
                # What is not a number would make a loss scale skip the step.
                self._numbers[row + column] = number if number == number else self._missing
        for place, dy, version in self._backward:
            square = _square(_array(dy)) if dy._version == version else self._missing
            self._numbers[place * self._shape[1] + self._back] = square
        self._forward, self._backward, self._held = [], [], 0

    def _measured(self, output: HeldOutput, channels: int) -> tuple[float, float, float, float]:
        """Return the mean square of an output, the share of dead channels, and the mean squares of what was added and
        of what it was added to."""
        if not output.is_intact():
            self._stay = False
            return (self._missing,) * 4
        y = _array(output.y)
        size, dead = y.size, _dead_share(y, channels)
        if output.skip is None:
            square, added = _square(y), (self._missing, self._missing)
        else:
            skip, before = _array(output.skip), self._square_of(output.skip)
            square, common = _products(y, y, skip)
            added = _squared_distance(y, skip, square + before, common) / size, before / size
        self._last = _Known(output.y, identity(output.y), square)
        return square / size, dead, *added

    def _square_of(self, tensor: Any) -> float:
        """Return the sum of squares of what a block adds to, which mostly is what the block before gave."""
        last = self._last
        return last.square if last is not None and last.identity == identity(tensor) else _square(_array(tensor))

    def slots(self) -> Any:
        """Return (blocks, slots) numbers."""
        import torch

        self._measure()
        self._last = None
        if not self._sees:
            return torch.full(self._shape, self._missing)
        # A layer behind has written its own output over one that got no gradient: the gradient went past it.
        for place, output in self._unreached.items():
            if not output.has_its_y():
                self._numbers[place * self._shape[1] + self._back] = self._missing
                self._stay = False
        self._values.outputs_stay = self._stay and getattr(self._values, "outputs_stay", True)
        return torch.tensor(self._numbers, dtype=torch.float32).view(self._shape)


class _Known(NamedTuple):
    """The output that was measured last, with the sum of its squares; held, for its `identity` tells while it lives."""

    y: Any
    identity: tuple
    square: float


def _array(tensor: Any) -> Any:
    """Return a detached tensor's numbers in place, or wider where NumPy has no such type or sums would overflow."""
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


def _square(array: Any) -> float:
    """Return the sum of an array's squares."""
    [square] = _products(array, array)
    return square


def _squared_distance(array: Any, other: Any, squares: float, common: float) -> float:
    """Return the square of the distance of two arrays, by the cosine rule where that is exact enough.

    Args:
        array, other: the arrays.
        squares: the sum of their squares.
        common: their scalar product.
    """
    if array.size < LARGE:
        return _square(array - other)
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
def first_place(channels: int, axes: int) -> tuple[int | slice, ...]:
    """Return the index of all channels at the first place of an output of so many axes."""
    return tuple(slice(None) if axis == channels else 0 for axis in range(axes))


def _dead_share(array: Any, channels: int) -> float:
    """Return the share of an output's channels that are 0 everywhere."""
    channels %= array.ndim
    if array.size and array[first_place(channels, array.ndim)].all():
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
