"""All runs of a folder as records for a table, each ended run read only once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reskeras.runs import Run, RunError, list_runs

from .words import LIVE_STATES


class RunList:
    """Reads the runs below a folder again and again.

    Args:
        folder: the folder of runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended: dict[Path, dict[str, Any]] = {}

    def read(self) -> list[dict[str, Any]]:
        """Return a record for each run, live ones first, each group newest first."""
        records = [self._record(run) for run in list_runs(self._folder)]
        return sorted(records, key=lambda record: record["state"] not in LIVE_STATES)

    def _record(self, run: Run) -> dict[str, Any]:
        # What ended may be resumed or replaced, so only the lock says that the record still holds.
        if run.folder in self._ended and not run.is_live():
            return self._ended[run.folder]
        record = self._read_record(run)
        self._ended.pop(run.folder, None)
        if record["state"] not in LIVE_STATES:
            self._ended[run.folder] = record
        return record

    @staticmethod
    def _read_record(run: Run) -> dict[str, Any]:
        try:
            return run.summary()
        except (RunError, OSError, ValueError):
            return {"run": run.name, "state": "unreadable", "step": 0}
