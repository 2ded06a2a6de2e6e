"""The rows of the map as a table, with what was measured of each."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ..messages import RowMoved, RowOpened
from ..plots.colours import narrow, resolve_glyphs, shorten
from ..words import number

CELL = 9
"""Cells of a column of numbers."""

NARROWEST_NAME, WIDEST_NAME = 12, 32
"""Cells of the names, at least and at most."""

PAGE = 10
"""Rows that page up and page down go."""

HEADINGS = {
    "gradient_norm": "gradient",
    "backward_norm": "dE/dx",
    "update_ratio": "update",
    "forward_rms": "forward",
    "branch_ratio": "branch",
    "weight_norm": "weight",
}
"""Quantity -> a heading of fewer cells than a column has."""


class LayerTable(Widget, can_focus=True):
    """A line for each row of the map, with a cursor that is the map's too."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar = [
        Binding("up", "move(-1)", "The row above", show=False),
        Binding("down", "move(1)", "The row below", show=False),
        Binding("pageup", f"move(-{PAGE})", "Rows above", show=False),
        Binding("pagedown", f"move({PAGE})", "Rows below", show=False),
        Binding("home", f"move(-{10**9})", "The first row", show=False),
        Binding("end", f"move({10**9})", "The last row", show=False),
        Binding("enter,space", "open_row", "Open a row", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--heading", "table--name", "table--cursor"}

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._ascii = resolve_glyphs() == "ascii"
        self._names: list[str] = []
        self._columns: dict[str, np.ndarray] = {}
        self._lines: list[tuple[str, bool]] = []
        self._top = 0
        self.row: int | None = None

    def show(self, names: list[str], columns: dict[str, np.ndarray]) -> None:
        """Show rows.

        Args:
            names: of the rows, as they are to be seen.
            columns: heading -> a number for each row; what is not finite has none.
        """
        self._names, self._columns = names, columns
        if self.row is not None:
            self.row = min(self.row, len(names) - 1) if names else None
        self._draw()

    def select(self, row: int | None) -> None:
        """Put the cursor on a row."""
        self.row = row
        self._draw()

    # Drawing

    def on_resize(self) -> None:
        self._draw()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        text, chosen = self._lines[y]
        part = "heading" if y == 0 else "cursor" if chosen else "name"
        return Strip([Segment(text, self.get_component_rich_style(f"table--{part}"))], len(text))

    def _draw(self) -> None:
        """Write the lines, and repaint those that differ from what stands there."""
        width, height = self.size
        if not width or not height:
            return
        seen = max(height - 1, 1)
        if self.row is not None:
            self._top = min(max(self._top, self.row - seen + 1), self.row)
        self._top = max(min(self._top, len(self._names) - seen), 0)
        name = min(max(map(len, self._names), default=0) + 1, WIDEST_NAME, max(width - 2 * CELL, NARROWEST_NAME))
        fitting = list(self._columns)[: max((width - name) // CELL, 0)]
        shown = range(self._top, min(self._top + seen, len(self._names)))
        place = f"{len(self._names):,} rows" if len(shown) < len(self._names) else ""
        lines = [(self._line(place, fitting, name), False)]
        for row in shown:
            cells = [_cell(self._columns[heading][row]) for heading in fitting]
            lines.append((self._line(self._names[row], cells, name), row == self.row))
        before, self._lines = self._lines, lines
        if len(before) != len(lines):
            self.refresh()
            return
        changed = [y for y, (old, new) in enumerate(zip(before, lines, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _line(self, name: str, cells: list[str], wide: int) -> str:
        name = shorten(narrow(name, self._ascii), wide - 1, "~" if self._ascii else "…").ljust(wide)
        return (name + "".join(cell.rjust(CELL) for cell in cells))[: self.size.width].ljust(self.size.width)

    # What keys and mouse do

    def action_move(self, by: int) -> None:
        """Move the cursor; the first key shows it."""
        if not self._names:
            return
        self.row = 0 if self.row is None else min(max(self.row + by, 0), len(self._names) - 1)
        self._draw()
        self.post_message(RowMoved(self, self.row))

    def action_open_row(self) -> None:
        """Open the row under the cursor, or close it."""
        if self.row is not None:
            self.post_message(RowOpened(self.row))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a second click opens the row."""
        row = self._top + event.y - 1
        if event.y > 0 and row < len(self._names):
            self.row = row
            self.action_move(0)
            if event.chain == 2:
                self.action_open_row()

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3)


def _cell(value: float) -> str:
    return number(float(value), 3) if np.isfinite(value) else "–"
