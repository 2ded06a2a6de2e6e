"""The end of a run's log."""

from __future__ import annotations

from textual.widgets import Log

from ..follow import Snapshot
from ..log_reader import LOG_LINES


class LogPane(Log):
    """What the worker and its libraries print, newest line last."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(highlight=False, max_lines=LOG_LINES, id=id)
        self._shown = 0

    def on_mount(self) -> None:
        self.border_title = "log.txt, empty so far"

    def show(self, snapshot: Snapshot) -> None:
        """Append the lines that are new since the last snapshot."""
        total = snapshot.log_before + len(snapshot.log)
        new = total - self._shown
        if new > 0:
            self.border_title = "log.txt"
            self.write_lines(snapshot.log[-new:])
        self._shown = total
