"""What a rule says of a training, and the words it says it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SEVERITIES = ("healthy", "note", "warning", "severe")
"""How bad it is: nothing is wrong; worth knowing; learning suffers; nothing, or not this part, is learnt."""

SYMBOLS = {"healthy": "✔", "note": "•", "warning": "▲", "severe": "✘"}
"""A sign for each severity, so that none is told by colour alone."""


@dataclass(frozen=True)
class Verdict:
    """A diagnosis with its numbers.

    Attributes:
        kind: `"vanishing"`, `"exploding"`, `"dead"`, `"saturated"`, `"not a number"`, `"too hot"`, `"too cold"`,
            `"rank collapse"`, `"shattered"`, `"guessing"` or `"healthy"`.
        severity: one of `SEVERITIES`.
        text: one sentence with names, numbers and steps.
        numbers: what it rests on, by name.
        where: the weights, layers or blocks it is about, shallow first; empty where it is about all of them.
    """

    kind: str
    severity: str
    text: str
    numbers: dict[str, float]
    where: tuple[str, ...] = ()

    @property
    def symbol(self) -> str:
        """A sign of one character for the severity."""
        return SYMBOLS[self.severity]


def number(value: float) -> str:
    """Return a number as people read it: `0.0013`, `210`, `3.2e-08`."""
    return f"{value:.2g}" if value < 100 or value >= 1e5 else f"{value:.0f}"


def percent(share: float) -> str:
    """Return a share in percent, such as `"97 %"`."""
    return f"{100 * share:.0f} %"


def names_of(names: Sequence[str]) -> str:
    """Return names that follow one another in depth: the first and the last, where they are more than two."""
    if len(names) > 2:
        return f"{names[0]} to {names[-1]} ({len(names)})"
    return " and ".join(names)


def some_of(names: Sequence[str], most: int = 3) -> str:
    """Return names that need not follow one another: the first few, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def steps_of(first: int, last: int) -> str:
    """Return steps as people read them: `"step 3"` or `"steps 3 to 7"`."""
    return f"step {first}" if first == last else f"steps {first} to {last}"
