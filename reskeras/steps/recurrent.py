"""Steps that run through time: long short-term memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from reskeras.steps.step import PlanError, Step

CELLS = ("2000", "1997")
"""The cells of long short-term memory, by the year of their paper."""


@dataclass(frozen=True)
class LSTM(Step):
    """Long short-term memory over a sequence of time steps.

    Attributes:
        units: size of the state; the output is twice as wide where it is bidirectional.
        bidirectional: whether a second cell reads the sequence from its end.
        cell: `"2000"` with a forget gate (Gers et al. 2000), or `"1997"` without one (Hochreiter and Schmidhuber).
        forget_bias: bias of the forget gate at the start.
        sequence: whether it gives its output at every time step, or only the last.
    """

    units: int
    bidirectional: bool = False
    cell: str = "2000"
    forget_bias: float = 1.0
    sequence: bool = True
    word: ClassVar[str] = "lstm"

    def __post_init__(self):
        if self.cell not in CELLS:
            raise PlanError(f"There is no LSTM cell {self.cell!r} (cells: {', '.join(CELLS)}).")
        if self.units < 1:
            raise PlanError(f"An LSTM has 1 unit or more; received {self.units}.")
        if self.forget_bias < 0:
            raise PlanError(
                f"forget_bias must be 0 or more, so that the cell starts by remembering; received {self.forget_bias}."
            )

    def width(self) -> int:
        """Return the size of the output at one time step."""
        return self.units * (1 + self.bidirectional)

    def output_shape(self, shape):
        return (shape[0], self.width()) if self.sequence else (self.width(),)

    def parameters(self, shape):
        return self._maps() * self.width() * (shape[-1] + self.units + 1)

    def multiply_adds(self, shape):
        return shape[0] * self._maps() * self.width() * (shape[-1] + self.units)

    def activations(self, shape):
        # Beside the gates and the candidate, each time step keeps the cell's state and the output.
        return shape[0] * (self._maps() + 2) * self.width()

    def _maps(self) -> int:
        return 4 if self.cell == "2000" else 3

    def text(self):
        cell = "" if self.cell == "2000" else f" of {self.cell}"
        return f"{'bidirectional ' if self.bidirectional else ''}LSTM{cell} {self.units}"
