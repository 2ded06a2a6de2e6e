"""What the application does to write files of the runs that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual import work

from reskeras.runs import Run, RunError

from .exporting import Export, default_path, problem, write
from .screens.ask import AskScreen
from .screens.export import ExportScreen


class Exporting:
    """The part of the application that writes files; mixed into it, for workers belong to the application."""

    @work
    async def action_export(self) -> None:
        """Write the trained network, a report, charts or all numbers."""
        runs = self.shown_runs()
        kind = await self.push_screen_wait(ExportScreen(runs))
        if kind is None:
            return
        hint = "A folder; files of the same names in it are replaced." if kind.is_folder else "A new file."
        asked = AskScreen(f"{kind.title}: where to", str(default_path(kind, runs)), hint, partial(problem, kind, runs))
        text = await self.push_screen_wait(asked)
        if text is not None:
            self.notify(f"Writing to {text}", timeout=2, markup=False)
            self._export(kind, runs, Path(text).expanduser())

    @work(thread=True, group="export", exit_on_error=False)
    def _export(self, kind: Export, runs: Sequence[Run], path: Path) -> None:
        try:
            said, severity = write(kind, runs, path), "information"
        except (RunError, OSError) as error:
            said, severity = f"Nothing was written to {path}: {getattr(error, 'strerror', None) or error}", "error"
        self.call_from_thread(self.notify, said, severity=severity, timeout=10, markup=False)
