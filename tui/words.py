"""How states, counts, times and shares are written for people."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

UNKNOWN = "–"
"""Stands where there is no number yet."""


@dataclass(frozen=True)
class StateSign:
    """How a state is shown: always a symbol with its word, so that colour only repeats what is written.

    Attributes:
        symbol: one cell wide, told apart by shape alone.
        word: what people read.
        meaning: one sentence for the help.
    """

    symbol: str
    word: str
    meaning: str


STATES = {
    "queued": StateSign("◷", "queued", "It waits for its turn: reskeras queue shows what waits."),
    "starting": StateSign("◌", "starting", "The worker loads its backend and builds the network."),
    "running": StateSign("●", "running", "Steps are being trained."),
    "pausing": StateSign("◑", "pausing", "A pause was asked for; the worker sleeps after the step at hand."),
    "paused": StateSign("‖", "paused", "The worker sleeps between two steps and still takes commands."),
    "stopping": StateSign("◐", "stopping", "A stop was asked for; the worker ends after the step at hand."),
    "finished": StateSign("✓", "finished", "Trained to the end."),
    "stopped": StateSign("■", "stopped", "Ended early because somebody asked for it."),
    "replay": StateSign("▷", "replay", "A recorded run is played again; nothing is being trained."),
    "failed": StateSign("✗", "failed", "The worker met an error and said so."),
    "resumable": StateSign(
        "↻", "resumable", "What trained it vanished without a word; reskeras resume goes on from its checkpoint."
    ),
    "crashed": StateSign(
        "!", "crashed", "What trained it vanished without a word: killed, broken off, or out of memory."
    ),
}


def state_sign(state: str) -> StateSign:
    """Return how a state is shown; a state of a newer version is shown by its name."""
    return STATES.get(state, StateSign("?", state, "A state that this version does not know."))


def number(value: float | None, digits: int = 4) -> str:
    """Return a number in a few characters, or a dash where there is none: `"0.1234"`, `"1.5e-7"`, `"4,300"`."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return "not finite"
    # Not with an exponent where whole numbers are read at a glance: 1,290 steps a second, step 4,000,000.
    is_count = value == int(value) and 1000 <= abs(value) < 10**7
    if is_count or 10**digits <= abs(value) < 10**6:
        return f"{value:,.0f}"
    return re.sub(r"e([+-])0+(?=\d)", r"e\1", f"{value:.{digits}g}")


def share(value: float | None) -> str:
    """Return a share between 0 and 1 as per cent: `"96.2 %"`."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{100 * value:.1f} %"


def duration(seconds: float) -> str:
    """Return a length of time with its two largest units: `"1 h 02 min"`, `"4 min 10 s"`, `"12 s"`."""
    whole = max(round(seconds), 0)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours >= 48:
        return f"{hours // 24} d {hours % 24:02d} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def count(amount: int, one: str, several: str = "") -> str:
    """Return an amount with its noun: `"1 block"`, `"12,000 steps"`."""
    return f"{amount:,} {one if amount == 1 else several or one + 's'}"


def size(amount: float) -> str:
    """Return a number of bytes as people read it: `"512 MB"`, `"1.3 GB"`."""
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"


def scaled(amount: float) -> str:
    """Return a large number with its unit: `"950"`, `"12.3 k"`, `"41.2 M"`, `"3.9 G"`."""
    for bound, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= bound:
            return f"{amount / bound:.3g} {unit}"
    return f"{amount:.3g}"
