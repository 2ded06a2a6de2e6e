"""The runs of a folder as records for a table: the newest few hundred, and all that are live."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from reskeras.runs import listing
from reskeras.runs.folder import LIVE_STATES

MOST = 300
"""Runs in the table; repainting more would take longer than anybody wants to wait for a key."""


class Listed(NamedTuple):
    """What a folder of runs holds: the records to show, live runs first, each group newest first, and how many runs
    there are in all."""

    rows: list[dict[str, Any]]
    total: int


def read(folder: Path) -> Listed:
    """Return the runs below a folder."""
    folders = listing.folders(folder)
    live = list(listing.live_folders(folders))
    chosen = list(dict.fromkeys([*live, *folders[:MOST]]))[: max(MOST, len(live))]
    rows = [listing.record(each) for each in chosen]
    return Listed(sorted(rows, key=lambda row: row["state"] not in LIVE_STATES), len(folders))
