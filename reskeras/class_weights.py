"""What each class counts in a loss, as users write it: `none`, `balanced`, or weights such as `cat=2,dog=0.5`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from reskeras.suggestions import suggest

NONE, BALANCED = "none", "balanced"

MOST = 1e6
"""The largest weight."""

_SHOWN = 12

# A name may hold commas and equals signs, as the tag `,` does: what counts is the number behind the last one.
_WEIGHT = re.compile(r"\s*(?P<name>.+?)\s*=\s*(?P<weight>[^=,]*?)\s*(?:,|$)")


def parsed(text: str) -> dict[str, float]:
    """Return the weights that a text names, by the names of their classes; none for `none` and `balanced`.

    Raises:
        ValueError: for anything else than these words, or names with a number from 0 to `MOST` each.
    """
    if text in (NONE, BALANCED):
        return {}
    found: dict[str, float] = {}
    place = 0
    while place < len(text):
        match = _WEIGHT.match(text, place)
        if match is None:
            words = "" if found else suggest(text, (NONE, BALANCED))
            raise ValueError(
                f"class_weight cannot be {text!r} (choices: {NONE}, {BALANCED}, or weights such as cat=2,dog=0.5)."
                f"{words}"
            )
        name, weight = match["name"], _number(match["weight"])
        if weight is None:
            raise ValueError(
                f"class_weight gives {name!r} the weight {match['weight']!r}; a weight is a number from 0 to "
                f"{MOST:,.0f}."
            )
        if name in found:
            raise ValueError(
                f"class_weight gives {name!r} two weights, {found[name]:g} and {weight:g}. Which is meant?"
            )
        found[name] = weight
        place = match.end()
    if not found:
        raise ValueError(f"class_weight cannot be empty. Did you mean {NONE}?")
    return found


def several(text: str) -> list[str]:
    """Return the values of a text that holds several with commas between, such as `none,balanced,cat=2,dog=0.5`.

    Weights that stand side by side are one value.
    """
    found: list[str] = []
    for part in map(str.strip, text.split(",")):
        if found and "=" in part and "=" in found[-1]:
            found[-1] = f"{found[-1]},{part}"
        else:
            found.append(part)
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= MOST else None


def of_classes(text: str, labels: Sequence[str], classes: int, source: str) -> list[float] | None:
    """Return the weight of each class in the order of their numbers, 1 where none is named; None for words.

    Args:
        text: as users write it.
        labels: the names of the classes; empty where they are numbers alone.
        classes: how many there are.
        source: what has these classes, for messages.

    Raises:
        ValueError: as `parsed` does, for a name that no class has, and where no class counts.
    """
    weights = parsed(text)
    if not weights:
        return None
    names = list(labels) or [str(number) for number in range(classes)]
    numbers = {name: number for number, name in enumerate(names)}
    found = [1.0] * classes
    for name, weight in weights.items():
        if name not in numbers:
            listed = ", ".join(names[:_SHOWN]) + (f", ... {len(names):,} in all" if len(names) > _SHOWN else "")
            raise ValueError(
                f"class_weight names {name!r}, and {source} has no such class (classes: {listed})."
                f"{_nearest(name, names)}"
            )
        found[numbers[name]] = weight
    if not any(found):
        raise ValueError("class_weight has every class count 0, so that nothing is learnt; one must count more.")
    return found


def _nearest(name: str, names: Sequence[str]) -> str:
    """Return a question for the nearest name, whatever its capitals."""
    found = {each.lower(): each for each in names}
    near = suggest(name, found)
    key = near.removeprefix(" Did you mean ").removesuffix("?")
    return f" Did you mean {found[key]}?" if near else ""
