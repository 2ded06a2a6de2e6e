"""What a step measures of gradients and weights on PyTorch, in few calls, and in as few passes over memory as may be.

On a CPU a large tensor is gone through by pieces that stay in the processor's cache: what is copied or subtracted is
measured before it is written to memory, if it need be written at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

SHORT_STACK = 32
"""So many rows are measured as tensors of their own, all of a list in one call."""

LONG, ROW = 2**16, 2**12
"""Of more numbers than the first the norm on a CPU is that of the norms of so many each: PyTorch sums squares in
float32 one after another, so that of ten million a ten-thousandth is lost. It is faster too."""

PIECE = 2**20
"""Numbers of a piece; tensors of no more are all taken in one call."""


def norms(tensors: Sequence[Any], stacked: Sequence[bool]) -> Any:
    """Return the Euclidean norm of each tensor as one float32 vector; arguments as in `measuring.norms`."""
    import torch

    tensors = [_narrow(each) for each in tensors]
    long = [
        rows and len(each) > SHORT_STACK and not _is_long(each[0]) for each, rows in zip(tensors, stacked, strict=True)
    ]
    single = []
    for each, rows, is_long in zip(tensors, stacked, long, strict=True):
        single += () if is_long else each.unbind(0) if rows else (each,)
    found = _single_norms(single)
    if not any(long):
        return torch.stack(found)
    found, parts = iter(found), []
    for each, rows, is_long in zip(tensors, stacked, long, strict=True):
        if is_long:
            parts.append(torch.linalg.vector_norm(each.flatten(1), dim=1, dtype=torch.float32))
        else:
            parts += [next(found).reshape(1) for _ in range(len(each) if rows else 1)]
    return torch.cat(parts)


def _single_norms(tensors: Sequence[Any]) -> list[Any]:
    import torch

    if not any(map(_is_long, tensors)):
        return torch._foreach_norm(tensors, 2, torch.float32) if tensors else []
    short = [each for each in tensors if not _is_long(each)]
    found = iter(torch._foreach_norm(short, 2, torch.float32) if short else ())
    return [_long_norm(each) if _is_long(each) else next(found) for each in tensors]


def _is_long(tensor: Any) -> bool:
    """Return whether a norm is to be computed of the norms of rows: see `LONG`."""
    import torch

    return tensor.numel() > LONG and tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def _long_norm(tensor: Any) -> Any:
    import torch

    flat = tensor.reshape(-1)
    whole = len(flat) // ROW * ROW
    parts = flat[:whole].view(-1, ROW), flat[whole:].view(1, -1)
    return torch.linalg.vector_norm(
        torch.cat([torch.linalg.vector_norm(each, dim=1, dtype=torch.float32) for each in parts])
    )


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
