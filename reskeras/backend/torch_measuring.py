"""What a step measures of gradients and weights on PyTorch, in few calls, and in as few passes over memory as may be.

On a CPU a large tensor is gone through by pieces that stay in the processor's cache: what is copied or subtracted is
measured before it is written to memory, if it need be written at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

SHORT_STACK = 32
"""So many rows are measured as tensors of their own, all of a list in one call."""

PIECE = 2**20
"""Numbers of a piece; tensors of no more are all taken in one call."""


def norms(tensors: Sequence[Any], stacked: Sequence[bool]) -> Any:
    """Return the Euclidean norm of each tensor as one float32 vector; arguments as in `measuring.norms`."""
    import torch

    tensors = [_narrow(each) for each in tensors]
    long = [rows and len(each) > SHORT_STACK for each, rows in zip(tensors, stacked, strict=True)]
    single = []
    for each, rows, is_long in zip(tensors, stacked, long, strict=True):
        single += () if is_long else each.unbind(0) if rows else (each,)
    found = torch._foreach_norm(single, 2, torch.float32) if single else ()
    if not any(long):
        return torch.stack(found)
    found, parts = iter(found), []
    for each, rows, is_long in zip(tensors, stacked, long, strict=True):
        if is_long:
            parts.append(torch.linalg.vector_norm(each.flatten(1), dim=1, dtype=torch.float32))
        else:
            parts += [next(found).reshape(1) for _ in range(len(each) if rows else 1)]
    return torch.cat(parts)


def _narrow(tensor: Any) -> Any:
    """Return a tensor whose norm PyTorch computes in float32: it refuses wider numbers, and widens others by itself."""
    return tensor.float() if tensor.dtype.itemsize > 4 else tensor


def copied(values: Sequence[Any], copies: Sequence[Any], stacked: Sequence[bool]) -> Any:
    """Copy tensors into others of their shapes, and return their norms."""
    import torch

    return _by_pieces(copies, values, stacked, torch._foreach_copy_, lambda copy, value, room: copy.copy_(value))


def changes(before: Sequence[Any], after: Sequence[Any], stacked: Sequence[bool]) -> Any:
    """Return the norms of the differences of tensors; what was before may be written over."""
    import torch

    def subtract(before, after, room):
        return torch.sub(before, after, out=None if room is None else room[: len(before)])

    return _by_pieces(before, after, stacked, torch._foreach_sub_, subtract)


def _by_pieces(
    changed: Sequence[Any], others: Sequence[Any], stacked: Sequence[bool], all_at_once: Callable, piece: Callable
) -> Any:
    """Return the norms of what is made of pairs of tensors.

    Args:
        changed: the tensor of each pair that may be written to.
        others: the other tensor of each pair.
        stacked: as in `norms`.
        all_at_once: changes small tensors: takes all of the first and all of the second.
        piece: `(changed, other, room) -> result` of pieces of large ones, where `room` is the result before, whose
            place may be taken, or None.
    """
    import torch

    large = [each.device.type == "cpu" and each.numel() > PIECE for each in changed]
    if torch.compiler.is_compiling() or not any(large):
        all_at_once(list(changed), list(others))
        return norms(changed, stacked)
    pairs = list(zip(changed, others, stacked, large, strict=True))
    small = [(first, second, rows) for first, second, rows, is_large in pairs if not is_large]
    if small:
        all_at_once([first for first, _, _ in small], [second for _, second, _ in small])
        counts = [len(first) if rows else 1 for first, _, rows in small]
        found = iter(norms([first for first, _, _ in small], [rows for *_, rows in small]).split(counts))
    return torch.cat(
        [_large(first, second, rows, piece) if is_large else next(found) for first, second, rows, is_large in pairs]
    )


def _large(changed: Any, other: Any, rows: bool, piece: Callable) -> Any:
    import torch

    count = max(1, PIECE // changed[0].numel())
    found, room = [], None
    for first, second in zip(changed.split(count), other.split(count), strict=True):
        room = piece(first, second, room)
        numbers = _narrow(room).flatten(1) if rows else _narrow(room)
        found.append(torch.linalg.vector_norm(numbers, dim=1 if rows else None, dtype=torch.float32))
    return torch.cat(found) if rows else torch.linalg.vector_norm(torch.stack(found)).reshape(1)


def are_finite(norms: Any) -> bool:
    """Return whether no norm, on a CPU, is NaN or infinite; False too where they are too large to be summed."""
    return math.isfinite(norms.sum().item())
