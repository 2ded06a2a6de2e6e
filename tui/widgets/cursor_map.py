"""A heat map with a cursor that reads the layer, the step and the exact value of a cell."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from rich.segment import Segment
from textual import events
from textual.binding import Binding
from textual.geometry import Region
from textual.strip import Strip

from ..messages import RowMoved, RowOpened
from ..plots.heatmap import HeatMap
from ..plots.scale import TimeBins, log10_norms

PAGE = 10
"""Cells that page up and page down go."""


class Reading(NamedTuple):
    """What the cursor stands on: the row, the first and the last step of the window, and its value."""

    row: int
    first: int
    last: int
    value: float


class CursorMap(HeatMap, can_focus=True):
    """A heat map with a cursor, moved by arrow keys and the mouse; at the newest column it goes along with it."""

    BINDINGS: ClassVar = [
        Binding("up", "move(-1, 0)", "The row above", show=False),
        Binding("down", "move(1, 0)", "The row below", show=False),
        Binding("left", "move(0, -1)", "Earlier", show=False),
        Binding("right", "move(0, 1)", "Later", show=False),
        Binding("pageup", f"move(-{PAGE}, 0)", "Rows above", show=False),
        Binding("pagedown", f"move({PAGE}, 0)", "Rows below", show=False),
        Binding("home", "go(0)", "The first step", show=False),
        Binding("end", "go(-1)", "The newest step", show=False),
        Binding("enter,space", "open_row", "Open a row", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"heatmap--cursor"}
    DEFAULT_CSS = """
    CursorMap .heatmap--cursor { background: $foreground; color: $background; text-style: bold; }
    """

    def __init__(self, *, glyphs: str = "auto", id: str | None = None) -> None:
        super().__init__(glyphs=glyphs, id=id)
        self._row: int | None = None
        self._alone = False
        self._step: int | None = None
        self._painted: tuple[int, int] | None = None

    # The cursor

    @property
    def row(self) -> int | None:
        """The row that the cursor is on; None where there is none."""
        rows = self._bins.rows
        return None if self._row is None or not rows else min(self._row, rows - 1)

    def select(self, row: int | None) -> None:
        """Put the cursor on a row, where it is in time; None takes it away. Where the map joins rows, it reads this."""
        self._row, self._alone = row, True
        self._paint_cursor()

    def reading(self) -> Reading | None:
        """Return what the cursor stands on; None where it stands on nothing."""
        place = self._place()
        if place is None or not self._shown.size:
            return None
        group, column = place
        begin = column * self._bin_steps
        end = min(begin + self._bin_steps, len(self._steps))
        edges = [*self._plan.groups.tolist(), self._bins.rows]
        first_row, last_row, shown = edges[group], edges[group + 1], float(self._shown[column, group])
        if self._alone:
            first_row, last_row = self.row, self.row + 1
            bins = TimeBins(1)
            bins.update(self._values[begin:end, first_row:last_row])
            shown = float(bins.shown(1)[0][0, 0])
        part = self._values[begin:end, first_row:last_row]
        time, row = np.unravel_index(self._nearest(part, shown), part.shape)
        at = begin + int(time)
        first = int(self._steps[at - 1]) + 1 if at else min(1, int(self._steps[at]))
        return Reading(int(first_row + row), first, int(self._steps[at]), float(part[time, row]))

    @staticmethod
    def _nearest(values: np.ndarray, shown: float) -> int:
        """Return the place of the value that a cell shows, among those that it stands for."""
        logs = log10_norms(values)
        if np.isnan(shown) and np.isnan(logs).any():
            return int(np.isnan(logs).argmax())
        with np.errstate(invalid="ignore"):
            distances = np.abs(logs - shown)
        # Of a cell that shows 0, all are.
        return int(np.where(np.isnan(distances), np.inf, distances).argmin())

    def _place(self) -> tuple[int, int] | None:
        """Return the group of rows and the column of time that the cursor stands on."""
        if self.row is None or self._is_empty or not len(self._plan.groups):
            return None
        group = int(np.searchsorted(self._plan.groups, self.row, side="right")) - 1
        last = len(self._shown) - 1
        if self._step is None:
            return group, last
        at = int(np.searchsorted(self._steps, self._step))
        return group, min(at // self._bin_steps, last)

    def _cell(self) -> tuple[int, int] | None:
        """Return the line and the cell of the map under the cursor."""
        place = self._place()
        if place is None:
            return None
        halves = self._plan.halves
        return (place[0] * halves + (halves - 1) // 2) // 2, place[1] * self._widen

    # Painting

    def map_line(self, y: int, first: int, last: int) -> Strip:
        strip = super().map_line(y, first, last)
        cell = self._painted
        if cell is None or cell[0] != y or not first <= cell[1] < last or y >= len(self._codes):
            return strip
        x = cell[1] - first
        mark = Segment("X" if self._ascii else "╋", self.get_component_rich_style("heatmap--cursor"))
        return Strip.join([strip.crop(0, x), Strip([mark], 1), strip.crop(x + 1)])

    def _redraw(self) -> None:
        super()._redraw()
        self._paint_cursor()

    def _paint_cursor(self) -> None:
        """Repaint the cell that the cursor left and the one that it is on now."""
        before, self._painted = self._painted, self._cell()
        if before == self._painted:
            return
        for cell in (before, self._painted):
            for tile in self._tiles if cell else ():
                if tile.first <= cell[1] < tile.last:
                    tile.refresh(Region(cell[1] - tile.first, cell[0], 1, 1))

    # What keys and mouse do

    def action_move(self, down: int, right: int) -> None:
        """Move the cursor; the first key shows it."""
        place = self._place()
        if place is None:
            if self._is_empty:
                return
            self._row, self._alone = 0, False
        else:
            group = min(max(place[0] + down, 0), len(self._plan.groups) - 1)
            if down:
                self._row, self._alone = int(self._plan.groups[group]), False
            if right:
                self._go_to_column(place[1] + right)
        self._tell()

    def action_go(self, place: int) -> None:
        """Go to the first or to the newest step."""
        self._row = self.row or 0
        self._go_to_column(0 if place == 0 else len(self._shown))
        self._tell()

    def action_open_row(self) -> None:
        """Open the row under the cursor, or close it."""
        if self.row is not None:
            self.post_message(RowOpened(self.row))

    def _go_to_column(self, column: int) -> None:
        if column >= len(self._shown) - 1:
            self._step = None
        else:
            self._step = int(self._steps[max(column, 0) * self._bin_steps])

    def _tell(self) -> None:
        self._paint_cursor()
        if self.row is not None:
            self.post_message(RowMoved(self, self.row))

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse is; a second click opens the row."""
        line, column = event.screen_y - self._body.region.y, event.screen_x - self._tiles[0].region.x
        if self._is_empty or not 0 <= line < self._plan.height:
            return
        group = min(2 * line // self._plan.halves, len(self._plan.groups) - 1)
        self._row, self._alone = int(self._plan.groups[group]), False
        if column >= 0:
            self._go_to_column(column // self._widen)
        self._tell()
        if event.chain == 2:
            self.action_open_row()
