"""What the events of a run say: facts about the training, and results of its epochs by the names of the metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reskeras.runs.events import SCORES

RESERVED = ("epoch", "step", "time", "event")
"""Facts of an epoch that no metric can take the place of."""


NO_FACTS = (
    "answer", "batch", "best", "checkpoint", "continued", "data", "epoch", "memory", "paused", "resumed", "sample",
    "shortage", "telemetry", "warning",
)  # fmt: skip
"""Events that tell what happened, and nothing about the training as a whole."""

OUTCOME = ("status", "code", "reason", "test_loss", "test_accuracy", "file", *SCORES)
"""Facts that no longer hold once a worker goes on with a run."""


def facts(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the newest of each fact about a training, such as `steps`.

    Epochs are left out, for a metric may have any name, and so is what the measuring costs.
    """
    found: dict[str, Any] = {}
    for event in events:
        if event["event"] == "starting":
            for name in OUTCOME:
                found.pop(name, None)
        if event["event"] not in NO_FACTS:
            found.update({name: fact for name, fact in event.items() if name not in ("time", "event")})
    return found


def since_start(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events of the last worker."""
    starts = [place for place, event in enumerate(events) if event["event"] == "starting"]
    return events[starts[-1] :] if starts else events


def epochs(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events that tell the results of an epoch; those that a resumed run does once more are left out."""
    found: list[dict[str, Any]] = []
    for event in events:
        if event["event"] == "resumed" and isinstance(event.get("epoch"), int):
            found = [each for each in found if each["epoch"] < event["epoch"]]
        elif event["event"] == "epoch" and all(isinstance(event.get(name), (int, float)) for name in RESERVED[:3]):
            found.append(event)
    return found


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
