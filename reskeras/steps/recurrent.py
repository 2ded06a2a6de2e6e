"""Steps that run through time: long short-term memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from reskeras.steps.step import Step


@dataclass(frozen=True)
class LSTM(Step):
    """Long short-term memory over a sequence of time steps.

    Attributes:
        units: size of the state; the output is twice as wide where it is bidirectional.
        bidirectional: whether a second cell reads the sequence from its end.
        cell: `"2000"` with a forget gate (Gers et al. 2000), or `"1997"` without one (Hochreiter and Schmidhuber).
        forget_bias: bias of the forget gate at the start.
        dropout: dropout of the inputs.
    """

    units: int
    bidirectional: bool = False
    cell: str = "2000"
    forget_bias: float = 1.0
    dropout: float = 0.0
    word: ClassVar[str] = "lstm"

    def output_shape(self, shape):
        return (shape[0], self.units * (1 + self.bidirectional))

    def parameters(self, shape):
        gates = 4 if self.cell == "2000" else 3
        return (1 + self.bidirectional) * gates * self.units * (shape[-1] + self.units + 1)

    def multiply_adds(self, shape):
        gates = 4 if self.cell == "2000" else 3
        return (1 + self.bidirectional) * shape[0] * gates * self.units * (shape[-1] + self.units)

    def activations(self, shape):
        return (1 + self.bidirectional) * shape[0] * 6 * self.units

    def text(self):
        return f"{'bidirectional ' if self.bidirectional else ''}LSTM {self.units}"
