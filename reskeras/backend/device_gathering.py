"""What PyTorch's probes see on a GPU: many blocks measured together, where each small operation costs a call."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from reskeras.backend.held_outputs import HeldOutput, held, identity
from reskeras.backend.torch_measuring import dead_shares

HELD_BYTES = 2**19
"""Outputs, or gradients, of so many bytes are held until they are measured in one go; a larger one is not held."""


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


class SeenOnDevice:
    """The statistics of blocks in one step, as tensors of a device that computes while Python goes on.

    Args:
        values: (blocks, slots), any tensor of the device.
        columns, missing: as in `seats`.
    """

    def __init__(self, values: Any, columns: dict[str, int], missing: float):
        self._values, self._places, self._missing = values, columns, missing
        self._seen: list[_Seen] = []
        self._norms: list[tuple[tuple[int, ...], Any]] = []
        self._held: dict[tuple, list[HeldOutput]] = {}
        self._held_back: list[tuple[int, Any]] = []
        self._bytes = self._bytes_back = 0
        self._known: dict[tuple, tuple[Any, Any]] = {}

    def see(self, place: int, y: Any, skip: Any, channels: int, given: Any) -> None:
        """Look at a block's output; the arguments are as in `SeenOnCPU.see`."""
        self._held.setdefault((y.shape, channels, skip is None), []).append(held(place, y, skip))
        self._bytes += y.nbytes
        if self._bytes >= HELD_BYTES:
            self._measure()

    def see_back(self, place: int, dy: Any) -> None:
        """Look at the gradient at a block's output."""
        self._held_back.append((place, dy))
        self._bytes_back += dy.nbytes
        if self._bytes_back >= HELD_BYTES:
            self._measure_back()

    def slots(self) -> Any:
        """Return (blocks, slots) numbers."""
        import torch

        self._measure()
        self._known.clear()
        self._measure_back()
        found = torch.full_like(self._values, self._missing, requires_grad=False)
        for each, column in self._columns().items():
            found[:, self._places[each]] = torch.where(column.isnan(), self._missing, column)
        return found

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


def _measured(outputs: Sequence[HeldOutput], channels: int, known: dict[tuple, tuple[Any, Any]]) -> _Seen:
    """Return what is seen of some outputs, and leave the last one with its norm as all that is known.

    Args:
        outputs: of one shape.
        channels: the axis of their channels.
        known: tensors with their norms, by `identity`.
    """
    import torch

    places, values, skips, _ = zip(*outputs, strict=True)
    norm = _norms(values, known)
    added = None, None
    if skips[0] is not None:
        # Where blocks follow one another, what one adds to is what the one before it gave.
        added = torch.stack(_distances(values, skips)), torch.stack(_norms(skips, known))
    last = identity(values[-1])
    kept = known[last]
    known.clear()
    known[last] = kept
    # Who asks a GPU first whether any may be dead waits for it.
    dead = dead_shares(torch.stack(values), 1 + channels)
    return _Seen(places, values[0].numel(), torch.stack(norm), dead, *added)


def _norms(tensors: Sequence[Any], known: dict[tuple, tuple[Any, Any]]) -> list[Any]:
    """Return the norm of each tensor; those that are not known are known from then on."""
    names = [identity(each) for each in tensors]
    new = {name: each for name, each in zip(names, tensors, strict=True) if name not in known}
    if new:
        known.update(zip(new, zip(new.values(), _foreach_norm(new.values()), strict=True), strict=True))
    return [known[name][1] for name in names]


def _foreach_norm(tensors: Iterable[Any]) -> Sequence[Any]:
    import torch

    # PyTorch accumulates narrower numbers in float32 by itself, and refuses wider ones.
    tensors = [each.float() if each.dtype == torch.float64 else each for each in tensors]
    return torch._foreach_norm(tensors, 2, torch.float32)


def _distances(tensors: Sequence[Any], others: Sequence[Any]) -> Sequence[Any]:
    """Return the norm of the difference of each tensor and its other one, which has the same shape."""
    import torch

    wide = [[each.float() for each in some] for some in (tensors, others)]
    return _foreach_norm(torch._foreach_sub(*wide))
