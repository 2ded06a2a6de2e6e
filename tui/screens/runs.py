"""The screen that lists all runs, live ones first."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Label

from reskeras.runs.folder import LIVE_STATES

from .. import words
from ..messages import RunsListed
from ..widgets.top_bar import TopBar

COLUMNS = {
    "state": "state",
    "run": "run",
    "step": "step",
    "loss": "loss",
    "validation_accuracy": "valid",
    "test_accuracy": "test",
}
"""Key of a run's summary -> heading."""


class RunsScreen(Screen):
    """Choose a run to open."""

    BINDINGS: ClassVar = [
        Binding("d,escape", "app.show_design", "Design", key_display="d"),
        Binding("f4", "app.show_live", "Live", show=False),
        Binding("question_mark", "app.show_help", "Help", key_display="?"),
        Binding("f1", "app.show_help", "Help", show=False),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._cells: dict[str, tuple[str, ...]] = {}

    def compose(self) -> ComposeResult:
        yield TopBar("runs", f"runs in {self.app.runs}")
        yield Label("reading the runs", id="runs-note", markup=False)
        yield RunsTable(id="runs")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        for key, heading in COLUMNS.items():
            table.add_column(heading, key=key)
        table.focus()
        self.app.list_runs()

    def on_runs_listed(self, message: RunsListed) -> None:
        table, rows = self.query_one(DataTable), message.rows
        self._say(rows, message.total)
        cells = {row["folder"]: tuple(_cell(row, key) for key in COLUMNS) for row in rows}
        if list(cells) != list(self._cells):
            self._fill(table, cells)
        else:
            self._update(table, cells)
        self._cells = cells

    def _say(self, rows: list[dict[str, Any]], total: int) -> None:
        live = sum(row["state"] in LIVE_STATES for row in rows)
        text = f"{words.count(total, 'run')}, {live} live" if rows else "No run yet: press d and design one."
        if len(rows) < total:
            text += f"; here are the newest {len(rows):,}, and reskeras runs lists all"
        self.query_one("#runs-note", Label).update(text)
        self.query_one(DataTable).display = bool(rows)

    @staticmethod
    def _fill(table: DataTable, cells: dict[str, tuple[str, ...]]) -> None:
        keys = list(table.rows)
        chosen = keys[table.cursor_row].value if 0 <= table.cursor_row < len(keys) else None
        table.clear()
        for folder, row in cells.items():
            table.add_row(*map(_text, row), key=folder)
        if chosen in cells:
            table.move_cursor(row=list(cells).index(chosen))

    def _update(self, table: DataTable, cells: dict[str, tuple[str, ...]]) -> None:
        # A table of many rows is dear to repaint: only cells that differ are touched.
        for folder, row in cells.items():
            for key, text, shown in zip(COLUMNS, row, self._cells[folder], strict=True):
                if text != shown:
                    table.update_cell(folder, key, _text(text), update_width=True)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.app.open_run(str(event.row_key.value))


class RunsTable(DataTable):
    """The table of runs, in which whole rows are chosen."""

    BINDINGS: ClassVar = [Binding("enter,o", "select_cursor", "Open", key_display="enter")]

    def __init__(self, id: str | None = None) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, id=id)


def _cell(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if key == "state":
        sign = words.state_sign(str(value))
        return f"{sign.symbol} {sign.word}"
    if key == "step":
        return f"{row['step']:,}/{row['steps']:,}" if row.get("steps") else f"{row.get('step') or 0:,}"
    if key == "loss":
        return words.number(value, 3)
    return str(value) if key == "run" else words.share(value)


def _text(cell: str) -> Text:
    return Text(cell, no_wrap=True)
