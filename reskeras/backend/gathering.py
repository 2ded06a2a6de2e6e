"""Probes of many blocks measured together, where each small operation costs a call: on PyTorch without a compiler.

Elsewhere a compiler makes one pass of what a probe computes, and `leave_behind` is all there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from reskeras.backend.process import name

HELD_BYTES = 2**19
"""Outputs, or gradients, of so many bytes are held until they are measured in one go; a larger one is not held."""


LOOKED_AT = 64
"""Places of an output that are looked at first for channels that are not 0."""

IN_PIECES = 2**16
"""Numbers of a piece of a large output: they fit into the processor's cache, and a sum over no more than these loses
little in float32."""

CANCELS = 0.05
"""Where the square of a distance is a smaller share of the squares that it is computed from, it is computed anew."""


class _Output(NamedTuple):
    """An output that is held.

    Attributes:
        place: the block's.
        y: the output.
        skip: what the block added to, or None.
        versions: of both, which count what was written over them.
    """

    place: int
    y: Any
    skip: Any
    versions: tuple[int, int]

    def is_intact(self) -> bool:
        """Whether a layer behind has not written its own output over it."""
        return self.versions == _versions(self.y, self.skip)


class _Seen(NamedTuple):
    """What the probes of some blocks saw, whose outputs have one shape.

    Attributes:
        places: of the blocks.
        numbers: how many an output has.
        norm: (blocks,), of the outputs.
        dead: (blocks,), shares of channels that are 0 everywhere.
        branch, skip: (blocks,), norms of what a block added, and of what it added to; None where it adds to nothing.
    """

    places: tuple[int, ...]
    numbers: int
    norm: Any
    dead: Any
    branch: Any
    skip: Any


class Gathering:
    """What the probes of a model see in one step; a block that is computed again is seen again.

    Args:
        values: (probes, slots), the probes' variable, a leaf whose gradient is what was seen.
        put_together: makes a tensor of the shape of `values` from a dictionary of vectors with an entry for each probe,
            NaN where there is nothing: `mean_square` of the output, `dead_share` of its channels, `branch_square` and
            `skip_square`, the mean squares of what was added and of what it was added to, and `gradient_square`, the
            sum of squares of the gradient at the output.
    """

    def __init__(self, values: Any, put_together: Callable[[dict[str, Any]], Any]):
        self._values, self._put_together = values, put_together
        self._seen: list[_Seen] = []
        self._norms: list[tuple[tuple[int, ...], Any]] = []
        self._held: dict[tuple, list[_Output]] = {}
        self._held_back: list[tuple[int, Any]] = []
        self._bytes = self._bytes_back = 0
        self._will_deliver, self._before = False, None
        self._known: dict[tuple, tuple[Any, Any]] = {}

    def see(self, place: int, y: Any, skip: Any, channels: int) -> None:
        """Look at a block's output, and at what the block added to, or None."""
        each = _Output(place, y, skip, _versions(y, skip))
        self._held.setdefault((y.shape, channels, skip is None), []).append(each)
        self._bytes += y.nbytes
        if self._bytes >= HELD_BYTES:
            self._measure()

    def see_back(self, place: int, dy: Any) -> None:
        """Look at the gradient at a block's output, during the backward pass."""
        if not self._will_deliver:
            self._will_deliver = True
            # PyTorch's own, at the end of what is now computed backwards; distributed training rests on it.
            _engine().queue_callback(self._deliver)
        self._held_back.append((place, dy))
        self._bytes_back += dy.nbytes
        if self._bytes_back >= HELD_BYTES:
            self._measure_back()

    def _deliver(self) -> None:
        # Blocks that are computed again may have a backward pass of their own within the whole one, so that this is
        # called more than once: each time it delivers all there is.
        if self._before is None:
            before = self._values.grad
            self._before = 0 if before is None else before
        self._will_deliver = False
        self._measure()
        self._known.clear()
        self._measure_back()
        self._values.grad = self._put_together(self._columns()) + self._before

    def _measure(self) -> None:
        for (shape, channels, _), each in self._held.items():
            if intact := [output for output in each if output.is_intact()]:
                self._seen.append(_measured(intact, channels % len(shape), self._known))
        self._held.clear()
        self._bytes = 0

    def _measure_back(self) -> None:
        import torch

        if self._held_back:
            places, gradients = zip(*self._held_back, strict=True)
            self._norms.append((places, torch.stack(_foreach_norm(gradients))))
        self._held_back.clear()
        self._bytes_back = 0

    def _columns(self) -> dict[str, Any]:
        import torch

        seen = self._seen
        numbers = [float(each.numbers) for each in seen for _ in each.places]
        numbers = torch.tensor(numbers, device=self._values.device)

        def mean_square(statistic):
            missing = [self._values.new_full((len(each.places),), math.nan) for each in seen]
            found = [getattr(each, statistic) for each in seen]
            norms = torch.cat([no if norm is None else norm for no, norm in zip(missing, found, strict=True)])
            return norms**2 / numbers

        found = {
            "mean_square": mean_square("norm"),
            "dead_share": torch.cat([each.dead for each in seen]),
            "branch_square": mean_square("branch"),
            "skip_square": mean_square("skip"),
        }
        seen_at = self._rows([each.places for each in seen])
        columns = torch.nn.functional.pad(torch.stack(list(found.values())), (0, 1), value=math.nan)[:, seen_at]
        norms = torch.cat([*(norms for _, norms in self._norms), self._values.new_zeros(1)])
        back = norms[self._rows([places for places, _ in self._norms])] ** 2
        columns = dict(zip(found, columns, strict=True))
        return {**columns, "gradient_square": torch.where(columns["mean_square"].isnan(), math.nan, back)}

    def _rows(self, places: Sequence[Sequence[int]]) -> Any:
        """Return for each probe the row of what it saw last, among all those of some places; -1 where it saw none."""
        import torch

        last = {place: row for row, place in enumerate(place for some in places for place in some)}
        rows = [last.get(place, -1) for place in range(len(self._values))]
        return torch.tensor(rows, device=self._values.device)


def _engine():
    import torch

    return torch.autograd.Variable._execution_engine


def _versions(y: Any, skip: Any) -> tuple[int, int]:
    return y._version, 0 if skip is None else skip._version


def _measured(outputs: Sequence[_Output], channels: int, known: dict[tuple, tuple[Any, Any]]) -> _Seen:
    """Return what is seen of some outputs, and leave the last one with its norm as all that is known.

    Args:
        outputs: of one shape.
        channels: the axis of their channels.
        known: tensors with their norms, by `_identity`.
    """
    import torch

    places, values, skips, _ = zip(*outputs, strict=True)
    norm = _norms(values, known)
    added = None, None
    if skips[0] is not None:
        # Where blocks follow one another, what one adds to is what the one before it gave.
        skip_norms = _norms(skips, known)
        added = torch.stack(_distances(values, skips, norm, skip_norms)), torch.stack(skip_norms)
    last = _identity(values[-1])
    kept = known[last]
    known.clear()
    known[last] = kept
    return _Seen(places, values[0].numel(), torch.stack(norm), _dead_share(values, channels), *added)


def _identity(tensor: Any) -> tuple:
    """Return what is the same for another view of the same numbers, as long as the tensor is there."""
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor._version


def _norms(tensors: Sequence[Any], known: dict[tuple, tuple[Any, Any]]) -> list[Any]:
    """Return the norm of each tensor; those that are not known are known from then on."""
    names = [_identity(each) for each in tensors]
    new = {name: each for name, each in zip(names, tensors, strict=True) if name not in known}
    if new:
        known.update(zip(new, zip(new.values(), _foreach_norm(new.values()), strict=True), strict=True))
    return [known[name][1] for name in names]


def _foreach_norm(tensors: Iterable[Any]) -> Sequence[Any]:
    import torch

    tensors = list(tensors)
    if flat := [in_memory for each in tensors if (in_memory := _flat(each)) is not None]:
        if len(flat) == len(tensors):
            return [torch.tensor(math.sqrt(_product(each, each)), dtype=torch.float32) for each in flat]
    # PyTorch accumulates narrower numbers in float32 by itself, and refuses wider ones.
    tensors = [each.float() if each.dtype == torch.float64 else each for each in tensors]
    return torch._foreach_norm(tensors, 2, torch.float32)


def _flat(tensor: Any) -> Any:
    """Return a large tensor's numbers as a vector, in the order of memory; None for any other than a large one in
    float32 on a CPU, without gaps."""
    import torch

    if tensor.numel() <= IN_PIECES or tensor.dtype != torch.float32 or tensor.device.type != "cpu":
        return None
    return tensor.as_strided((tensor.numel(),), (1,)) if tensor.stride() == _dense_strides(tensor) else None


def _product(vector: Any, other: Any) -> float:
    """Return the scalar product of two large vectors, of which the processor's library makes one pass on all cores."""
    pieces = zip(vector.split(IN_PIECES), other.split(IN_PIECES), strict=True)
    return sum(a.dot(b).item() for a, b in pieces)


def _distances(tensors: Sequence[Any], others: Sequence[Any], norms: Sequence[Any], other_norms: Sequence[Any]):
    """Return the norm of the difference of each tensor and its other one, which has the same shape."""
    import torch

    if tensors[0].device.type != "cpu" or tensors[0].numel() <= IN_PIECES:
        wide = [[each.float() for each in some] for some in (tensors, others)]
        return _foreach_norm(torch._foreach_sub(*wide))
    return [_large_distance(*each) for each in zip(tensors, others, norms, other_norms, strict=True)]


def _large_distance(tensor: Any, other: Any, norm: Any, other_norm: Any) -> Any:
    """Return the distance of two large tensors, by the cosine rule where that is exact enough."""
    import torch

    flat, other_flat = _flat(tensor), _flat(other)
    if flat is not None and other_flat is not None and tensor.stride() == other.stride():
        squares = norm.item() ** 2 + other_norm.item() ** 2
        square = squares - 2 * _product(flat, other_flat)
        if square >= CANCELS * squares:
            return torch.tensor(math.sqrt(square), dtype=torch.float32)
    return torch.linalg.vector_norm(_piecewise_distance(tensor, other))


def _piecewise_distance(tensor: Any, other: Any) -> Any:
    """Return a vector whose norm is that of the difference of two large tensors of one shape.

    New memory for the difference would cost more than the arithmetic: the system clears every page of it. Pieces are
    put where the piece before was, in a place that stays in the processor's cache.
    """
    import torch

    samples = max(1, IN_PIECES // tensor[0].numel())
    found = []
    for a, b in zip(tensor.split(samples), other.split(samples), strict=True):
        difference = _scratch(a.numel()).as_strided(a.shape, _dense_strides(a))
        torch.sub(a.float(), b.float(), out=difference)
        found.append(torch.linalg.vector_norm(difference))
    return torch.stack(found)


def _dense_strides(tensor: Any) -> tuple[int, ...]:
    """Return strides in the order of a tensor's, but without gaps: reading and writing in one order is fastest."""
    strides, step = [0] * tensor.ndim, 1
    for axis in sorted(range(tensor.ndim), key=lambda axis: (tensor.stride(axis), -axis)):
        strides[axis] = step
        step *= tensor.shape[axis]
    return tuple(strides)


_room: list[Any] = []


def _scratch(numbers: int) -> Any:
    """Return room for so many numbers, which the next caller is given too."""
    import torch

    if not _room or len(_room[0]) < numbers:
        _room[:] = [torch.empty(numbers, dtype=torch.float32, device="cpu")]
    return _room[0]


def _dead_share(outputs: Sequence[Any], channels: int) -> Any:
    """Return for each of some outputs, (batch, ...), the share of channels that are 0 everywhere."""
    import torch

    def share(values):
        values = torch.stack(values)
        axes = [axis for axis in range(1, values.ndim) if axis != 1 + channels]
        return (values.abs().sum(axes) == 0).float().mean(1)

    if outputs[0].device.type != "cpu" or channels == 0:
        # Who asks a GPU whether any is dead waits for it.
        return share(outputs)
    # A channel that is alive is nearly always seen to be so in a few places.
    positions = outputs[0][0].numel() // outputs[0].shape[channels]
    found = share([each[: -(-LOOKED_AT // positions)] for each in outputs])
    if bool(found.any()):
        for row in found.nonzero().flatten().tolist():
            found[row] = share([outputs[row]])[0]
    return found


@dataclass(frozen=True)
class Seat:
    """The place of one block's probe among those that are put together."""

    gathering: Gathering
    place: int


def can_gather(values: Any) -> bool:
    """Return whether probes with some values are to be put together: where PyTorch runs each operation as it comes."""
    if name() != "torch":
        return False
    import torch

    return values.is_leaf and values.requires_grad and not torch.compiler.is_compiling()


def seats(values: Any, put_together: Callable[[dict[str, Any]], Any]) -> list[Seat]:
    """Return a seat for each of the probes; the arguments are as in `Gathering`."""
    gathering = Gathering(values, put_together)
    return [Seat(gathering, place) for place in range(len(values))]


def look_from(seat: Seat, y: Any, skip: Any, channels: int) -> Any:
    """Return y, at which is looked now, and at its gradient in the backward pass.

    Args:
        seat: of the block that gave y.
        y: a tensor.
        skip: the tensor of the same shape that the block added to, or None.
        channels: the axis of y's channels.
    """
    seat.gathering.see(seat.place, y.detach(), None if skip is None else skip.detach(), channels)
    if not y.requires_grad:
        return y
    # A tensor of its own: y's gradient may come from within the block too.
    y = y.view_as(y)
    y.register_hook(partial(seat.gathering.see_back, seat.place))
    return y
