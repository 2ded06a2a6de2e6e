"""Commands to a run: small files that the worker takes up between steps and acknowledges in the event log."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from reskeras.files import write_whole

COMMANDS = ("stop",)


def send(folder: Path, command: str) -> str:
    """Leave a command for the worker and return its identifier, which the acknowledging event repeats.

    Args:
        folder: the run's command folder.
        command: one of `COMMANDS`.
    """
    if command not in COMMANDS:
        raise ValueError(f"There is no command {command!r} (commands: {', '.join(COMMANDS)}).")
    folder.mkdir(exist_ok=True)
    identifier = f"{time.time_ns():020d}-{os.getpid()}"
    write_whole(folder / f"{identifier}.json", json.dumps({"command": command}))
    return identifier


def waiting(folder: Path) -> list[tuple[str, str]]:
    """Return (identifier, command) of each command not taken up yet, oldest first."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []
    commands = []
    for name in names:
        try:
            content = json.loads((folder / name).read_text())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(content, dict) and content.get("command") in COMMANDS:
            commands.append((name.removesuffix(".json"), content["command"]))
    return commands


def take(folder: Path, identifier: str) -> None:
    """Remove a command that has been taken up."""
    (folder / f"{identifier}.json").unlink(missing_ok=True)
