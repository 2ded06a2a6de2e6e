"""The event log of a run: one JSON object a line, appended by one writer, read by anyone at any time."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


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
    """Return the whole events of a log; a torn last line and lines that are no events are left out."""
    try:
        content = path.read_bytes()
    except OSError:
        return []
    events = []
    for line in content.split(b"\n")[:-1]:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event"), str):
            events.append(event)
    return events
