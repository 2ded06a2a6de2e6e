"""A table of runs that draws only the lines in view, so that ten thousand are as quick as ten."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from .. import words
from ..plots.colours import shorten


class Column(NamedTuple):
    """A column: by what it sorts, its heading, its cells, its width (0 takes what is left), on which side its text is,
    and from which width of the table on it is shown."""

    key: str
    heading: str
    cell: Callable[[dict[str, Any]], str]
    width: int
    right: bool = True
    least: int = 0


def _state(row: dict[str, Any]) -> str:
    sign = words.state_sign(str(row["state"]))
    return f"{sign.symbol} {sign.word}"


def _step(row: dict[str, Any]) -> str:
    return f"{row.get('step') or 0:,}/{row['steps']:,}" if row.get("steps") else f"{row.get('step') or 0:,}"


def _age(row: dict[str, Any]) -> str:
    seconds = time.time() - (row.get("made") or 0)
    units = ((86400 * 2, 86400, "d"), (3600 * 2, 3600, "h"), (120, 60, "min"))
    return next((f"{seconds / unit:.0f} {name}" for least, unit, name in units if seconds >= least), "now")


COLUMNS = (
    Column("state", "state", _state, 12, right=False),
    Column("run", "run", lambda row: row["run"], 0, right=False),
    Column("architecture", "architecture", lambda row: str(row.get("architecture") or ""), 14, False, 130),
    Column("parameters", "parameters", lambda row: f"{row.get('parameters') or 0:,}", 12, least=130),
    Column("step", "step", _step, 13),
    Column("loss", "loss", lambda row: words.number(row.get("loss"), 3), 8),
    Column("validation_accuracy", "valid", lambda row: words.share(row.get("validation_accuracy")), 7),
    Column("test_accuracy", "test", lambda row: words.share(row.get("test_accuracy")), 7),
    Column("made", "age", _age, 7, least=90),
    Column("tags", "tags", lambda row: " ".join(row.get("tags", ())), 18, False, 100),
)
SORTABLE = tuple(column.key for column in COLUMNS if column.key != "tags")
"""What the table can be sorted by."""

GAP = 2
MARGIN = 4
"""Cells before the first column, for the cursor and the mark."""


class RunTable(ScrollView, can_focus=True):
    """Rows of runs under a heading that stays, with a cursor; rows can be marked."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar = [
        Binding("enter,o", "open", "Open", key_display="enter"),
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "ends(0)", "First", show=False),
        Binding("end", "ends(1)", "Last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar = {
        "runs--heading", "runs--cursor", "runs--mark", "runs--live", "runs--bad", "runs--muted",
    }  # fmt: skip

    class Opened(Message):
        """A run is to be opened."""

        def __init__(self, row: dict[str, Any]) -> None:
            super().__init__()
            self.row = row

    class Moved(Message):
        """The cursor is on another run, or on none."""

        def __init__(self, row: dict[str, Any] | None) -> None:
            super().__init__()
            self.row = row

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RunTable.Moved)

    class SortAsked(Message):
        """A heading was clicked."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: list[dict[str, Any]] = []
        self.cursor = 0
        self.sorted_by, self.reverse = "made", False
        self.marked: list[str] = []

    # What the screen calls

    def show(self, rows: list[dict[str, Any]]) -> None:
        """Show these rows; the cursor stays on its run, where that is still there."""
        before = self.current
        self.rows = rows
        place = self._place_of(before["folder"]) if before else None
        self.cursor = min(self.cursor, max(len(rows) - 1, 0)) if place is None else place
        self.virtual_size = Size(self.size.width, len(rows) + 1)
        self.refresh()
        self._keep_in_view()
        self.post_message(self.Moved(self.current))

    def _place_of(self, folder: str) -> int | None:
        # Mostly where it was, or near.
        if self.cursor < len(self.rows) and self.rows[self.cursor]["folder"] == folder:
            return self.cursor
        return next((place for place, row in enumerate(self.rows) if row["folder"] == folder), None)

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    @property
    def current(self) -> dict[str, Any] | None:
        """The run that the cursor is on."""
        return self.rows[self.cursor] if self.cursor < len(self.rows) else None

    def cells(self, row: dict[str, Any]) -> list[str]:
        """Return what stands in a row, in the columns that are shown."""
        return [column.cell(row) for column, _ in self._columns()]

    # Moving

    def action_open(self) -> None:
        """Open the run."""
        if self.current is not None:
            self.post_message(self.Opened(self.current))

    def action_move(self, by: int) -> None:
        """Go to a neighbouring run."""
        self._go(self.cursor + by)

    def action_page(self, direction: int) -> None:
        """Go a page up or down."""
        self._go(self.cursor + direction * max(self.size.height - 2, 1))

    def action_ends(self, last: int) -> None:
        """Go to the first or to the last run."""
        self._go(len(self.rows) - 1 if last else 0)

    def _go(self, place: int) -> None:
        place = min(max(place, 0), max(len(self.rows) - 1, 0))
        if place != self.cursor:
            self.cursor = place
            self.refresh()
            self._keep_in_view()
            self.post_message(self.Moved(self.current))

    def _keep_in_view(self) -> None:
        top, lines = round(self.scroll_offset.y), max(self.size.height - 1, 1)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True, immediate=True)
        elif self.cursor >= top + lines:
            self.scroll_to(y=self.cursor - lines + 1, animate=False, force=True, immediate=True)

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.rows) + 1)
        self._keep_in_view()

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            start = MARGIN
            for column, width in self._columns():
                if start <= event.x < start + width + GAP and column.key in SORTABLE:
                    self.post_message(self.SortAsked(column.key))
                start += width + GAP
            return
        place = round(self.scroll_offset.y) + event.y - 1
        if place < len(self.rows):
            again = place == self.cursor and event.chain == 2
            self._go(place)
            if again:
                self.action_open()

    # Drawing

    def _columns(self) -> list[tuple[Column, int]]:
        """The columns that are shown, each with its width."""
        width = self.size.width
        shown = [column for column in COLUMNS if column.least <= width]
        left = width - MARGIN - sum(column.width + GAP for column in shown) - 1
        return [(column, column.width or max(left, 12)) for column in shown]

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            return self._heading().adjust_cell_length(width, self.rich_style)
        place = round(self.scroll_offset.y) + y - 1
        if place >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        return self._row(place).adjust_cell_length(width, self.rich_style)

    def _heading(self) -> Strip:
        style = self.get_component_rich_style("runs--heading")
        text = " " * MARGIN
        for column, width in self._columns():
            sign = (" ▲" if self.reverse else " ▼") if column.key == self.sorted_by else ""
            text += _fitted(column.heading + sign, width, column.right) + " " * GAP
        return Strip([Segment(text, style)])

    def _row(self, place: int) -> Strip:
        row, here = self.rows[place], place == self.cursor
        base = self.rich_style
        if here:
            base = self.get_component_rich_style("runs--cursor") if self.has_focus else base + Style(bold=True)
        marked = row["folder"] in self.marked
        segments = [
            Segment("▸ " if here else "  ", base),
            Segment("◆ " if marked else "  ", base + self._colour("runs--mark")),
        ]
        for column, width in self._columns():
            style = base + self._colour(self._kind(column.key, row))
            segments.append(Segment(_fitted(column.cell(row), width, column.right) + " " * GAP, style))
        return Strip(segments)

    def _colour(self, name: str) -> Style:
        found = self.get_component_rich_style(name, partial=True) if name else Style()
        return Style(color=found.color)

    @staticmethod
    def _kind(key: str, row: dict[str, Any]) -> str:
        if key != "state":
            return "runs--muted" if key in ("made", "tags", "architecture", "parameters") else ""
        if row["state"] in ("failed", "crashed", "unreadable"):
            return "runs--bad"
        return "runs--live" if row["state"] in ("running", "starting", "pausing", "paused", "stopping") else ""

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def refresh_row(self, place: int) -> None:
        """Draw a row anew."""
        self.refresh(Region(0, place - round(self.scroll_offset.y) + 1, self.size.width, 1))


def _fitted(text: str, width: int, right: bool) -> str:
    """Text of exactly so many cells."""
    length = cell_len(text)
    if length > width:
        return shorten(text, width) if length == len(text) else set_cell_size(text, width)
    return " " * (width - length) + text if right else text + " " * (width - length)
