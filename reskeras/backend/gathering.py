"""Probes of many blocks put together in one go, where each small operation costs a call: on PyTorch without a compiler.

Elsewhere a compiler makes one pass of what a probe computes, and `leave_behind` is all there is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from reskeras.backend.process import name


@dataclass
class Seen:
    """What the probe of one block saw.

    Attributes:
        squares: (channels,) sums of squares of the output.
        entries: how many numbers the output has for each channel.
        branch, skip: norms of what the block added, and of what it added to; None where it adds to nothing.
        backward: norm of the gradient at the output; None where none came.
    """

    squares: Any
    entries: int
    branch: Any = None
    skip: Any = None
    backward: Any = None


@dataclass(frozen=True)
class Seat:
    """The place of one block's probe among those that are put together.

    Attributes:
        seen: what all of them saw, by their places; a block that is computed again is seen again.
        anchor: a tensor that everything goes through, whose gradient comes last.
        place: the block's.
    """

    seen: dict[int, Seen]
    anchor: Any
    place: int


def can_gather() -> bool:
    """Return whether probes are to be put together: where PyTorch runs each operation as it comes."""
    if name() != "torch":
        return False
    import torch

    return not torch.compiler.is_compiling()


def seats(values: Any, put_together: Callable[[dict[int, Seen]], Any]) -> list[Seat]:
    """Return a seat for each row of the probes' values, whose gradient is `put_together` of what was seen.

    Args:
        values: (probes, slots).
        put_together: takes what was seen by place, and returns a tensor shaped as `values`.
    """
    seen: dict[int, Seen] = {}
    anchor = _functions()[0].apply(values, lambda: put_together(seen))
    return [Seat(seen, anchor, place) for place in range(len(values))]


def look_from(seat: Seat, y: Any, skip: Any, channels: int) -> Any:
    """Return y, at which is looked now, and at its gradient in the backward pass.

    Args:
        seat: of the block that gave y.
        y: a tensor.
        skip: the tensor of the same shape that the block added to, or None.
        channels: the axis of y's channels.
    """
    return _functions()[1].apply(y, seat.anchor, seat, None if skip is None else skip.detach(), channels)


@cache
def _functions():
    import torch

    class Deliver(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values, put_together):
            ctx.put_together = put_together
            return values.new_zeros(())

        @staticmethod
        def backward(ctx, _):
            return ctx.put_together(), None

    class Look(torch.autograd.Function):
        @staticmethod
        def forward(ctx, y, anchor, seat, skip, channels):
            ctx.seat = seat
            wide = y.float()
            squares = (wide * wide).sum([axis for axis in range(y.ndim) if axis != channels % y.ndim])
            seen = seat.seen[seat.place] = Seen(squares, y.numel() // len(squares))
            if skip is not None:
                skip = skip.float()
                seen.branch, seen.skip = torch.dist(wide, skip), torch.linalg.vector_norm(skip)
            return y.view_as(y)

        @staticmethod
        def backward(ctx, dy):
            ctx.seat.seen[ctx.seat.place].backward = torch.linalg.vector_norm(dy.float())
            return dy, None, None, None, None

    return Deliver, Look
