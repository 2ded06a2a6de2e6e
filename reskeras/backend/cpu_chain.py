"""What PyTorch's probes see on a CPU of small blocks in a row: held, and measured many at a time.

A small block is not long beside the calls that measure it. As rows of one matrix, many blocks take as few calls as one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reskeras.backend.cpu_gathering import first_place
from reskeras.backend.torch_measuring import dead_shares
from reskeras.backend.tracing import Recorded

SMALL = 2**15
"""Numbers of the largest output that is held, and whose gradient is until the backward pass ends; a larger one is
measured at once, while it is in the cache."""

HELD = 2**18
"""Numbers of the outputs that are measured together: what they are copied to stays in the cache."""


class Chain:
    """Blocks in a row, each of which adds to what the one before gave: their outputs, and the gradients at them.

    Args:
        places: of the blocks, in their order.
        x: what the first block adds to; all outputs have its shape.
        channels: the axis of the channels.
        columns, missing: as in `reskeras.backend.gathering.seats`.
    """

    def __init__(self, places: slice, x: Any, channels: int, columns: dict[str, int], missing: float):
        self.places, self._columns, self._missing = places, columns, missing
        self._channels, self._before = channels % x.ndim, x
        self._most = max(1, HELD // max(1, x.numel()))
        self._outputs: list[Any] = []
        self._versions = [x._version]
        self._given: list[Any] = []
        self._found: list[Any] = []

    def around(self, body: Callable) -> Callable:
        """Return a body for `scan` that does what `body` does, whose carry is looked at."""

        apart = isinstance(body, Recorded) and body.gives_apart

        def looked_at(carry, rows, constants):
            y, outputs = body(carry, rows, constants)
            # A tensor of its own where y's gradient may come from within the block too.
            given = y if apart else y.view_as(y)
            if given.requires_grad:
                given.retain_grad()
            self._given.append(given)
            self._outputs.append(y)
            self._versions.append(y._version)
            if len(self._outputs) == self._most:
                self.measure()
            return given, outputs

        return looked_at

    def measure(self) -> None:
        """Measure the outputs that are held, and hold them no longer."""
        import torch

        if not self._outputs:
            return
        held = [self._before, *self._outputs]
        changed = [each for each, tensor in enumerate(held) if tensor._version != self._versions[each]]
        with torch.no_grad():
            # In float32: the squares of narrower numbers overflow.
            self._found.append(_measured(torch.stack(held).float(), self._channels))
        for each in changed:
            # A layer behind has written its own output over this one.
            self._found[-1][:, max(each - 1, 0) : each + 1] = float("nan")
        self._before, self._versions = self._outputs[-1], self._versions[-1:]
        self._outputs = []

    def slots(self, count: int) -> np.ndarray:
        """Return (blocks, count) numbers, from what the forward pass and by now the backward pass have left."""
        import torch

        self.measure()
        # NumPy's calls take a fraction of PyTorch's on a few numbers.
        found = torch.cat(self._found, 1).numpy()
        known = ~np.isnan(found[0])
        # What is not a number would make a loss scale skip the step.
        found = np.where(np.isnan(found), self._missing, found)
        rows = np.full((found.shape[1], count), self._missing, np.float32)
        for name, column in zip(("mean_square", "branch_square", "skip_square", "dead_share"), found, strict=True):
            rows[:, self._columns[name]] = column
        rows[:, self._columns["gradient_square"]] = np.where(known, self._gradient_squares(), self._missing)
        return rows

    def _gradient_squares(self) -> np.ndarray:
        import torch

        gradients = [each.grad for each in self._given]
        reached = [each for each in gradients if each is not None]
        parts = (reached[start : start + self._most] for start in range(0, len(reached), self._most))
        squares = [_squares(torch.stack(part).float()).numpy() for part in parts]
        found = np.zeros(len(gradients), np.float32)
        if reached:
            found[[each is not None for each in gradients]] = np.concatenate(squares)
        return found


def _squares(rows: Any) -> Any:
    import torch

    return torch.linalg.vector_norm(rows.flatten(1), dim=1).square()


def _measured(values: Any, channels: int) -> Any:
    """Return the mean squares of outputs, of what each adds, of what it adds to, and the shares of dead channels.

    Args:
        values: (1 + blocks, batch, ...), the outputs of blocks behind what the first of them adds to.
        channels: the axis of an output's channels.

    Returns:
        (4, blocks).
    """
    import torch

    size, squares = values[0].numel(), _squares(values)
    added = _squares(values[1:] - values[:-1])
    outputs = values[1:]
    # Nearly always all channels are seen to be alive at the first place.
    first = outputs[:, *first_place(channels, outputs.ndim - 1)]
    dead = torch.zeros(len(outputs)) if first.all() else dead_shares(outputs, 1 + channels)
    return torch.stack([squares[1:] / size, added / size, squares[:-1] / size, dead])


def chain_of(places: range, x: Any, channels: int, columns: dict[str, int], missing: float) -> Chain | None:
    """Return a chain of blocks that follow one another, or None where each is to be looked at by itself.

    Args:
        places: of the blocks, one after another.
        x, channels, columns, missing: as for `Chain`.
    """
    if x.ndim < 2 or not 0 < x.numel() <= SMALL:
        return None
    return Chain(slice(places.start, places.stop), x, channels, columns, missing)
