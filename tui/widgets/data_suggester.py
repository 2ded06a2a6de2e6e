"""Completes the name of a data set, or the path of a file, while it is typed."""

from __future__ import annotations

import os
from pathlib import Path

from textual.suggester import Suggester

from reskeras.datasets import EMBEDDED, KNOWN
from reskeras.datasets.formats import is_readable


class DataSuggester(Suggester):
    """Suggests the data sets by name, then folders and files that can be read which begin as the text does."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        for name in (*EMBEDDED, *KNOWN):
            if value and name.startswith(value):
                return name
        return _path_suggestion(value) if value else None


def _path_suggestion(value: str) -> str | None:
    head, tail = os.path.split(value)
    try:
        with os.scandir(Path(head or ".").expanduser()) as entries:
            fitting = sorted(
                entry.name + ("/" if entry.is_dir() else "")
                for entry in entries
                if entry.name.startswith(tail) and (entry.is_dir() or is_readable(entry.name))
            )
    except OSError:
        return None
    # Hidden folders are offered only to somebody who typed the dot.
    fitting = [name for name in fitting if tail.startswith(".") or not name.startswith(".")]
    return value[: len(value) - len(tail)] + fitting[0] if fitting else None
