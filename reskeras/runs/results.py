"""What the events of a run say: facts about the training, and results of its epochs by the names of the metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

RESERVED = ("epoch", "step", "time", "event")
"""Facts of an epoch that no metric can take the place of."""


def facts(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the newest of each fact about a training, such as `steps`.

    Epochs are left out, for a metric may have any name, and so is what the measuring costs.
    """
    found: dict[str, Any] = {}
    for event in events:
        if event["event"] not in ("epoch", "telemetry"):
            found.update({name: fact for name, fact in event.items() if name not in ("time", "event")})
    return found


def epochs(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events that tell the results of an epoch."""
    found = [event for event in events if event["event"] == "epoch"]
    return [event for event in found if all(isinstance(event.get(name), (int, float)) for name in RESERVED[:3])]


def metrics(epoch: dict[str, Any]) -> dict[str, float | None]:
    """Return the results of an epoch by the names of the metrics; those on validation samples begin `validation_`, and
    None is one that is not finite."""
    found = {name: result for name, result in epoch.items() if name not in RESERVED}
    return {name: result for name, result in found.items() if result is None or isinstance(result, (int, float))}


def accuracy(epoch: dict[str, Any], prefix: str = "") -> float | None:
    """Return the accuracy of an epoch; None where there is none, or several outputs have one each.

    Args:
        epoch: the event, or nothing.
        prefix: `"validation_"` for that on validation samples.
    """
    found = {
        name.removeprefix(prefix): result
        for name, result in metrics(epoch).items()
        if name.startswith("validation_") == bool(prefix)
    }
    for name in ("accuracy", "acc"):
        if name in found:
            return found[name]
    [several, *more] = [result for name, result in found.items() if name.endswith(("_accuracy", "_acc"))] or [None]
    return None if more else several
