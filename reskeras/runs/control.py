"""Commands to a run: small files that the worker takes up between steps and answers in the event log."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from reskeras.files import read_json, write_whole
from reskeras.runs.settings import MOST_RATE
from reskeras.runs.statistics import LEVELS
from reskeras.suggestions import suggest

COMMANDS = ("stop", "pause", "resume", "checkpoint", "learning_rate", "telemetry")
"""What a worker can be asked; the last two take a value."""

LONGEST = 4096
"""Bytes of a command's file: a longer one is none of ours."""


class Command(NamedTuple):
    """A command that waits: its identifier, which the answer repeats, what is asked, and with what value."""

    identifier: str
    name: str
    value: Any = None


def checked(command: str, value: Any = None) -> Any:
    """Return the value of a command as the worker takes it.

    Raises:
        ValueError: where there is no such command, or it takes no such value.
    """
    if command not in COMMANDS:
        raise ValueError(f"There is no command {command!r} (commands: {', '.join(COMMANDS)}).")
    if command == "learning_rate":
        number = not isinstance(value, bool) and isinstance(value, (int, float))
        if not (number and 0 < value <= MOST_RATE):
            raise ValueError(f"A learning rate is a number above 0 and up to {MOST_RATE}; received {value!r}.")
        return float(value)
    if command == "telemetry":
        if not isinstance(value, str) or value not in LEVELS:
            known = f"levels: {', '.join(LEVELS)}"
            raise ValueError(f"There is no level {value!r} of telemetry ({known}).{suggest(str(value), list(LEVELS))}")
        return value
    if value is not None:
        raise ValueError(f"{command} takes no value; received {value!r}.")
    return None


def send(folder: Path, command: str, value: Any = None) -> str:
    """Leave a command for the worker and return its identifier, which the answer repeats.

    Args:
        folder: the run's command folder.
        command: one of `COMMANDS`.
        value: of a command that takes one.

    Raises:
        ValueError: as `checked` does.
        OSError: where the command cannot be written.
    """
    value = checked(command, value)
    folder.mkdir(exist_ok=True)
    # Behind those that wait, whatever the clock says.
    last = max((int(name[:20]) for name in _names(folder) if name[:20].isdecimal()), default=0)
    identifier = f"{max(time.time_ns(), last + 1):020d}-{os.getpid()}"
    content = {"command": command} if value is None else {"command": command, "value": value}
    write_whole(folder / f"{identifier}.json", json.dumps(content))
    return identifier


def waiting(folder: Path) -> list[Command]:
    """Return the commands not taken up yet, oldest first; what is no command that there is, is left out."""
    commands = []
    for name in _names(folder):
        try:
            content = read_json(folder / name, LONGEST)
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and content.get("command") in COMMANDS:
            commands.append(Command(name.removesuffix(".json"), content["command"], content.get("value")))
    return commands


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []


def take(folder: Path, identifier: str) -> None:
    """Remove a command that has been taken up."""
    (folder / f"{identifier}.json").unlink(missing_ok=True)
