"""Outputs of blocks that PyTorch's probes hold until many are measured together."""

from __future__ import annotations

from typing import Any, NamedTuple


class HeldOutput(NamedTuple):
    """An output that is held; detached, for what a tensor was computed by may hold what holds it.

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
        """Whether no layer behind has written its own output over y or skip."""
        return self.versions == _versions(self.y, self.skip)

    def has_its_y(self) -> bool:
        """Whether no layer behind has written its own output over y."""
        return self.versions[0] == self.y._version


def held(place: int, y: Any, skip: Any) -> HeldOutput:
    """Return an output of a block, as it is now, to be held; `skip` may be None."""
    y, skip = y.detach(), None if skip is None else skip.detach()
    return HeldOutput(place, y, skip, _versions(y, skip))


def _versions(y: Any, skip: Any) -> tuple[int, int]:
    return y._version, 0 if skip is None else skip._version


def identity(tensor: Any) -> tuple:
    """Return what is the same for another view of the same numbers, as long as the tensor is there."""
    return tensor.data_ptr(), tensor._version, tensor.stride(), tensor.shape, tensor.dtype
