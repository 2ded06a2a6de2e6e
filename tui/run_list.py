"""The runs of a folder as records for a table, read anew bit by bit: what has ended is looked at now and then only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reskeras.runs import listing
from reskeras.runs.folder import LIVE_STATES

FIRST = 300
"""Runs of the first reading, which is there at once; all others come with the second."""

AT_A_TIME = 300
"""Runs that have ended and are looked at anew with each reading: somebody may have tagged or gone on with one."""

BREATH = 32
"""After so many runs the reading lets others work, for a key must not wait for a thousand files."""


class Listed(NamedTuple):
    """What a folder of runs holds: records, live runs first, each group newest first, and how many runs there are."""

    rows: list[dict[str, Any]]
    total: int


class Library:
    """Reads a folder of runs again and again; asked from one thread at a time.

    Args:
        folder: the folder of runs.
    """

    def __init__(self, folder: Path):
        self._folder = Path(folder)
        self._known: dict[str, dict[str, Any]] = {}
        self._stale: set[str] = set()
        self._place = 0
        self._listed = Listed([], 0)

    def forget(self, folder: str | Path) -> None:
        """Have a run read anew next time, for it was changed."""
        self._stale.add(str(folder))

    def read(self) -> Listed:
        """Return the runs as they are; of very many, the first reading has the newest and the live ones only."""
        folders = listing.folders(self._folder)
        live = set(listing.live_folders(folders))
        wanted = (
            folders if self._known else [each for place, each in enumerate(folders) if place < FIRST or each in live]
        )
        changed = {each for each in wanted if each in live or self._may_change(each)}
        changed.update(self._next(wanted))
        known = dict(self._known)
        for place, each in enumerate(changed):
            known[each] = _searchable(listing.record(each))
            if place % BREATH == BREATH - 1:
                time.sleep(0.001)
        before, self._known = self._known, {each: known[each] for each in wanted}
        # Where nothing is new the answer is the very same, so that nobody need sort and draw it again.
        if len(before) != len(wanted) or any(known[each] != before.get(each) for each in changed):
            rows = sorted(self._known.values(), key=lambda row: row["state"] not in LIVE_STATES)
            self._listed = Listed(rows, len(folders))
        return self._listed

    def _may_change(self, folder: str) -> bool:
        known = self._known.get(folder)
        return known is None or known["state"] in (*LIVE_STATES, "queued")

    def _next(self, folders: Sequence[str]) -> Sequence[str]:
        """Return the runs whose turn it is."""
        self._place = self._place if self._place < len(folders) else 0
        chosen = folders[self._place : self._place + AT_A_TIME]
        self._place += AT_A_TIME
        return chosen


SEARCHED = ("run", "state", "architecture", "depth", "skip", "data", "backend", "note")
"""The facts in which a filter looks, beside the tags."""


def _searchable(record: dict[str, Any]) -> dict[str, Any]:
    facts = [str(record[name]) for name in SEARCHED if record.get(name) is not None]
    return {**record, "searched": " ".join([*facts, *record.get("tags", ())]).casefold()}


def chosen(rows: Sequence[dict[str, Any]], text: str, by: str, reverse: bool) -> list[dict[str, Any]]:
    """Return the runs that have all words of a text somewhere in their name, state, settings, tags or note, sorted,
    live ones first.

    Args:
        rows: as `Library.read` gives them.
        text: words with spaces between them, in whatever case.
        by: one of `listing.SORTS`.
        reverse: the other way round.
    """
    wanted = text.casefold().split()
    found = [row for row in rows if all(word in row["searched"] for word in wanted)] if wanted else rows
    return sorted(listing.ordered(found, by, reverse), key=lambda row: row["state"] not in LIVE_STATES)
