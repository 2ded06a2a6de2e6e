"""The event log of a run: one JSON object a line, appended by one writer, read by anyone at any time."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from reskeras.files import read_at, size_of
from reskeras.printable import load_json
from reskeras.tasks import TASKS

SCORES = {f"test_{score}": score.replace("_", " ") for task in TASKS.values() for score in task.scores}
"""What a task has measured on the test samples besides loss and accuracy, and how that is called."""

COUNTS = (
    "pid", "parameters", "weights", "layers", "epochs", "steps", "steps_per_epoch", "epoch", "step",
    "batch_size", "expected", "fits", "killings", "log", "resident", "room",
)  # fmt: skip
NUMBERS = (
    "time", "code", "loss", "accuracy", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy",
    "seconds", "callback_seconds", "reader_seconds", *SCORES,
)  # fmt: skip
TEXTS = ("backend", "device", "device_name", "level", "file", "status", "reason", "command", "boot", "advice")
"""Names of facts by what they are: whole numbers from 0, numbers or null, texts or null."""

MOST_BYTES, HEAD_BYTES, LONGEST_LINE = 2**26, 2**20, 2**20
"""Bytes of a log, of its beginning where it has more, and of a line: many times what any training writes."""


class EventWriter:
    """Appends events to a log; each is one write of one line, so that a reader never sees two mixed."""

    def __init__(self, path: Path):
        self._descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)

    def write(self, event: str, **facts: Any) -> None:
        """Append an event with the time in seconds since 1970.

        Args:
            event: its kind, such as `"epoch"`.
            **facts: plain JSON values; a number that is not finite is written as null.
        """
        record = {
            "time": round(time.time(), 3),
            "event": event,
            **{name: _plain(fact) for name, fact in facts.items()},
        }
        content = (json.dumps(record, allow_nan=False) + "\n").encode()
        # A full disk takes a part without a word, and refuses the rest with one.
        while content:
            content = content[os.write(self._descriptor, content) :]

    def flush(self) -> None:
        """Wait until everything written is on the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """End writing."""
        os.close(self._descriptor)


def _plain(fact: Any) -> Any:
    if isinstance(fact, float) and not (abs(fact) < float("inf")):
        return None
    return fact


def read_events(path: Path) -> list[dict[str, Any]]:
    """Return the whole events of a log; a torn last line and lines that are no events are left out.

    So is a fact of a known name that is not what it is to be, and of a log that no training writes, larger than
    `MOST_BYTES`, what is neither at its beginning nor at its end. Texts are such as can be shown.
    """
    size = size_of(path)
    try:
        if size <= MOST_BYTES:
            content = read_at(path, 0, size)
        else:
            beginning, end = read_at(path, 0, HEAD_BYTES), read_at(path, size - MOST_BYTES, MOST_BYTES)
            # The line that the end begins within is none.
            content = beginning[: beginning.rfind(b"\n") + 1] + end[end.find(b"\n") + 1 :]
    except OSError:
        return []
    return [event for line in content.split(b"\n")[:-1] if (event := _event(line)) is not None]


def _event(line: bytes) -> dict[str, Any] | None:
    if len(line) > LONGEST_LINE:
        return None
    try:
        event = load_json(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    # A metric of an epoch may be called anything.
    checked = ("epoch", "step", "time") if event["event"] == "epoch" else tuple(event)
    return {name: fact for name, fact in event.items() if name not in checked or _fits(name, fact)}


def _fits(name: str, fact: Any) -> bool:
    """Return whether a fact is what facts of its name are; any other name may be of anything."""
    if name in COUNTS:
        return isinstance(fact, int) and not isinstance(fact, bool) and fact >= 0
    if name in NUMBERS:
        return (fact is None and name != "time") or (isinstance(fact, (int, float)) and not isinstance(fact, bool))
    return name not in TEXTS or fact is None or isinstance(fact, str)
