"""What the application does to write files of the runs that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work

from reskeras.runs import RunError

from . import parts

if TYPE_CHECKING:
    from reskeras.runs import Run

    from .exporting import Export


class Exporting:
    """The part of the application that writes files; mixed into it, for workers belong to the application."""

    @work
    async def action_export(self) -> None:
        """Write the trained network, a report, charts or all numbers."""
        runs = self.shown_runs()
        kind = await self.push_screen_wait(parts.ExportScreen(runs))
        if kind is None:
            return
        hint = "A folder; files of the same names in it are replaced." if kind.is_folder else "A new file."
        path, check = parts.exporting.default_path(kind, runs), partial(parts.exporting.problem, kind, runs)
        asked = parts.AskScreen(f"{kind.title}: where to", str(path), hint, check)
        text = await self.push_screen_wait(asked)
        if text is not None:
            self.notify(f"Writing to {text}", timeout=2, markup=False)
            self._export(kind, runs, Path(text).expanduser())

    @work(thread=True, group="export", exit_on_error=False)
    def _export(self, kind: Export, runs: Sequence[Run], path: Path) -> None:
        try:
            said, severity = parts.exporting.write(kind, runs, path), "information"
        except (RunError, OSError) as error:
            said, severity = f"Nothing was written to {path}: {getattr(error, 'strerror', None) or error}", "error"
        self.call_from_thread(self.notify, said, severity=severity, timeout=10, markup=False)
