"""What a step measures of gradients and weights on PyTorch, in few calls, and in as few passes over memory as may be.

On a CPU a large tensor is gone through by pieces that stay in the processor's cache: what is copied or subtracted is
measured before it is written to memory, if it need be written at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

SHORT_STACK = 32
"""Elsewhere than on a CPU, so many rows are measured as tensors of their own, all of a list in one call."""

LONG, ROW = 2**16, 2**12
"""Of more numbers than the first the norm on a CPU is that of the norms of so many each: PyTorch sums squares in
float32 one after another, so that of ten million a ten-thousandth is lost. It is faster too."""

PIECE = 2**20
"""Numbers of a piece; tensors of no more are all taken in one call."""


def norms(tensors: Sequence[Any], stacked: Sequence[bool]) -> Any:
    """Return the Euclidean norm of each tensor as one float32 vector; arguments as in `measuring.norms`."""
    import torch

    tensors = [_narrow(each) for each in tensors]
    matrices = [_matrix(each, rows) for each, rows in zip(tensors, stacked, strict=True)]
    single = []
    for each, rows, found in zip(tensors, stacked, matrices, strict=True):
        single += () if found is not None else each.unbind(0) if rows else (each,)
    of_single = torch._foreach_norm(single, 2, torch.float32) if single else []
    if all(each is None for each in matrices):
        return torch.stack(of_single)
    rest, parts = iter(of_single), []
    for each, rows, found in zip(tensors, stacked, matrices, strict=True):
        if found is not None:
            parts.append(_row_norms(found))
        else:
            parts += [next(rest).reshape(1) for _ in range(len(each) if rows else 1)]
    return torch.cat(parts)


def _matrix(tensor: Any, stacked: bool) -> Any:
    """Return a tensor as a matrix whose rows have norms; None where it is measured with others in one call."""
    import torch

    if tensor.device.type != "cpu" or torch.compiler.is_compiling():
        return tensor.flatten(1) if stacked and len(tensor) > SHORT_STACK else None
    if stacked:
        return tensor.flatten(1)
    return tensor.reshape(1, -1) if tensor.numel() > LONG else None


def _row_norms(matrix: Any) -> Any:
    import torch

    norm = partial(torch.linalg.vector_norm, dim=-1, dtype=torch.float32)
    length = matrix.shape[1]
    if length <= LONG or matrix.device.type != "cpu":
        return norm(matrix)
    whole = length // ROW * ROW
    found = norm(matrix[:, :whole].unflatten(1, (-1, ROW)))
    return norm(found if whole == length else torch.cat([found, norm(matrix[:, whole:], keepdim=True)], 1))


def _narrow(tensor: Any) -> Any:
    """Return a tensor whose norm PyTorch computes in float32: it refuses wider numbers, and widens others by itself."""
    return tensor.float() if tensor.dtype.itemsize > 4 else tensor


def changes(before: Sequence[Any], after: Sequence[Any], stacked: Sequence[bool]) -> tuple[Any, Any]:
    """Return the norms of the differences of tensors, and of the tensors after; those before then equal these.

    In a step that is compiled, the norms of the differences and None; those before are then of no use.

    Args:
        before: written over.
        after: of the same shapes.
        stacked: as in `norms`.
    """
    import torch

    if torch.compiler.is_compiling():
        torch._foreach_sub_(before, after)
        return norms(before, stacked), None
    large = [each.device.type == "cpu" and each.numel() > PIECE for each in before]
    if not any(large):
        return _small_changes(before, after, stacked)
    columns = ([each for each, is_large in zip(those, large, strict=True) if not is_large]
               for those in (before, after, stacked))  # fmt: skip
    small = _one_by_one(*columns)
    pairs = [
        _large_change(first, second, rows) if is_large else next(small)
        for first, second, rows, is_large in zip(before, after, stacked, large, strict=True)
    ]
    return tuple(torch.cat(each) for each in zip(*pairs, strict=True))


def _one_by_one(before: Sequence[Any], after: Sequence[Any], stacked: Sequence[bool]) -> Iterator[tuple[Any, Any]]:
    """Yield `_small_changes` of each tensor."""
    if before:
        counts = [len(each) if rows else 1 for each, rows in zip(before, stacked, strict=True)]
        found = _small_changes(before, after, stacked)
        yield from zip(*(each.split(counts) for each in found), strict=True)


def _small_changes(before: Sequence[Any], after: Sequence[Any], stacked: Sequence[bool]) -> tuple[Any, Any]:
    import torch

    torch._foreach_sub_(before, after)
    found = norms(before, stacked)
    torch._foreach_copy_(before, after)
    return found, norms(before, stacked)


def _large_change(before: Any, after: Any, rows: bool) -> tuple[Any, Any]:
    import torch

    count = max(1, PIECE // before[0].numel())
    room, found = None, []
    for old, new in zip(before.split(count), after.split(count), strict=True):
        # The next difference is put where the one before was, in a place that stays in the cache.
        room = torch.sub(old, new, out=None if room is None else room[: len(old)])
        old.copy_(new)
        found.append([norms([each], [rows]) for each in (room, old)])
    columns = (torch.cat(each) for each in zip(*found, strict=True))
    return tuple(each if rows else torch.linalg.vector_norm(each).reshape(1) for each in columns)


def seen(values: Sequence[Any]) -> list[tuple[int, int]]:
    """Return what tells whether tensors have been written to: where they lie, and how often they were written to.

    What is written through a tensor's `.data` PyTorch does not count: it is then taken for a part of the next step.
    Empty where a step is compiled, which does the same at every step.
    """
    import torch

    return [] if torch.compiler.is_compiling() else [(each.data_ptr(), each._version) for each in values]


def matrix(rows: Sequence[Any]) -> Any:
    """Return vectors as the rows of a matrix."""
    import torch

    return torch.stack(rows)


def are_finite(norms: Any) -> bool:
    """Return whether no norm, on a CPU, is NaN or infinite; False too where they are too large to be summed."""
    return math.isfinite(norms.sum().item())


def dead_shares(values: Any, channels: int) -> Any:
    """Return for each of some outputs, (blocks, batch, ...), the share of channels that are 0 everywhere.

    Args:
        values: the outputs.
        channels: the axis of the channels, counted with that of the blocks.
    """
    axes = [axis for axis in range(1, values.ndim) if axis != channels]
    return (values.abs().sum(axes) == 0).float().mean(1)
