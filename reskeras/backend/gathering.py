"""Probes of many blocks put together: on PyTorch without a compiler, where they are measured as blocks are computed.

Elsewhere a compiler makes one pass of what a probe computes, and `leave_behind` is all there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reskeras.backend.cpu_chain import Chain, chain_of
from reskeras.backend.cpu_gathering import SeenOnCPU
from reskeras.backend.device_gathering import SeenOnDevice
from reskeras.backend.process import name


class Gathering:
    """What the probes of a model see in one step; a block that is computed again is seen again.

    Args:
        values: (probes, slots), the probes' variable, a leaf whose gradient is what was seen.
        columns: as in `seats`.
        missing: as in `seats`.
    """

    def __init__(self, values: Any, columns: dict[str, int], missing: float):
        self._values, self._seen = values, seen_on(values, columns, missing)
        self._columns, self._missing = columns, missing
        self._chains: list[Chain] = []
        self._will_deliver, self._before = False, None

    def look(self, place: int, y: Any, skip: Any, channels: int) -> Any:
        """Return y, at which is looked, and at its gradient in the backward pass; arguments are as in `look_from`."""
        # A tensor of its own: y's gradient may come from within the block too.
        given = y.view_as(y) if y.requires_grad else y
        self._seen.see(place, y, skip, channels, given)
        if given is not y:
            given.register_hook(partial(self._see_back, place))
        return given

    def chain(self, places: range, x: Any, channels: int) -> Chain | None:
        """Return what looks at blocks in a row; arguments are as in `chain_of`."""
        if not isinstance(self._seen, SeenOnCPU):
            return None
        chain = chain_of(places, x, channels, self._columns, self._missing)
        if chain is not None:
            self._chains.append(chain)
        return chain

    def end_of_chain(self, y: Any) -> Any:
        """Return the output of the last block in a row; its gradient tells that there will be some to be delivered."""
        if not y.requires_grad:
            return y
        # A tensor that the chain does not hold: it would hold itself by what is called.
        given = y.view_as(y)
        given.register_hook(self._deliver_later)
        return given

    def _see_back(self, place: int, dy: Any) -> None:
        self._deliver_later(dy)
        self._seen.see_back(place, dy)

    def _deliver_later(self, dy: Any) -> None:
        if not self._will_deliver:
            self._will_deliver = True
            # PyTorch's own, at the end of what is now computed backwards; distributed training rests on it.
            _engine().queue_callback(self._deliver)

    def _deliver(self) -> None:
        # Blocks that are computed again may have a backward pass of their own within the whole one, so that this is
        # called more than once: each time it delivers all there is.
        import torch

        if self._before is None:
            before = self._values.grad
            self._before = 0 if before is None else before
        self._will_deliver = False
        slots = self._seen.slots()
        for chain in self._chains:
            slots[chain.places] = torch.from_numpy(chain.slots(slots.shape[1]))
        self._values.grad = slots + self._before


def seen_on(values: Any, columns: dict[str, int], missing: float) -> SeenOnCPU | SeenOnDevice:
    """Return what measures on the device of the probes' values; the arguments are as in `seats`."""
    return (SeenOnCPU if values.device.type == "cpu" else SeenOnDevice)(values, columns, missing)


def _engine():
    import torch

    return torch.autograd.Variable._execution_engine


@dataclass(frozen=True)
class Seat:
    """The place of one block's probe among those that are put together."""

    gathering: Gathering
    place: int


class Seats(Sequence):
    """Seats of probes that follow one another; each is made when it is asked for."""

    def __init__(self, gathering: Gathering, places: range):
        self.gathering, self.places = gathering, places

    def __len__(self):
        return len(self.places)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Seats(self.gathering, self.places[index])
        return Seat(self.gathering, self.places[index])


def can_gather(values: Any) -> bool:
    """Return whether probes with some values are to be put together: where PyTorch runs each operation as it comes."""
    if name() != "torch":
        return False
    import torch

    return values.is_leaf and values.requires_grad and not torch.compiler.is_compiling()


def seats(values: Any, columns: dict[str, int], missing: float) -> Seats:
    """Return a seat for each of the probes.

    Args:
        values: (probes, slots), the probes' variable, a leaf whose gradient will be what was seen.
        columns: the slot of each statistic: `mean_square` of the output, `dead_share` of its channels, `branch_square`
            and `skip_square`, the mean squares of what was added and of what it was added to, and `gradient_square`,
            the sum of squares of the gradient at the output.
        missing: what stands in the other slots, and where nothing was measured.
    """
    return Seats(Gathering(values, columns, missing), range(len(values)))


def look_from(seat: Seat, y: Any, skip: Any, channels: int) -> Any:
    """Return y, at which is looked now, and at its gradient in the backward pass.

    Args:
        seat: of the block that gave y.
        y: a tensor.
        skip: the tensor of the same shape that the block added to, or None.
        channels: the axis of y's channels.
    """
    return seat.gathering.look(seat.place, y, skip, channels)


def chained(seats: Seats, body: Any, carry: Any, channels: int) -> tuple[Any, Any]:
    """Return a body for `scan` whose carry is looked at in blocks that each add to what the one before gave, and a
    function that takes the last carry and returns it; or None for both where each is to be looked at by itself.

    Args:
        seats: of the blocks, in their order, each run once.
        body: as in `scan`.
        carry: the first carry.
        channels: the axis of the carry's channels.
    """
    gathering = seats.gathering
    chain = gathering.chain(seats.places, carry, channels)
    return (None, None) if chain is None else (chain.around(body), gathering.end_of_chain)
