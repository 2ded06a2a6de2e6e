"""What was measured of the layers: a map over time, a profile over depth, a table, and all verdicts."""

from __future__ import annotations

import time

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Label, Static

from reskeras.runs.statistics import ALL

from .. import answers
from ..courses import title
from ..follow import Snapshot
from ..kept import Profile
from ..messages import RowMoved, RowOpened
from ..plots.colours import app_colour_depth, resolve_glyphs
from ..plots.lines import LinePlot, Series
from ..rows import Row
from ..words import number
from .cursor_map import CursorMap
from .layer_table import HEADINGS, LayerTable
from .verdict_lines import VerdictLines

VIEWS = ("map", "profile", "table", "verdicts")
"""What can be shown, in the order in which a key goes through it; the map stays beside the others where there is
room."""

ANSWERS = "answers"
"""What is shown in the place of all these when somebody asks for it."""

NOW_STYLE, START_STYLE, CURSOR_STYLE = "$secondary", "dim", "$accent"
"""The colours of the profile; the numbers of its lines tell them apart too."""

CALM_SECONDS = 1.0
"""Between two drawings of the profile and of the table while nobody asks for another: medians move slowly."""

NO_ANSWERS = (
    "The network answers to test samples at the end of its training; a language model writes a little meanwhile."
)

HINT = "arrow keys read a cell"


class LayersPane(Vertical):
    """The layers of a run.

    Attributes:
        part: which of `VIEWS` is shown, or `ANSWERS`.
    """

    class Opened(Message):
        """Rows of these names are to be opened, or closed."""

        def __init__(self, names: frozenset[str]) -> None:
            super().__init__()
            self.names = names

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.part = "map"
        self._snapshot: Snapshot | None = None
        self._drawn: tuple[str, str] | None = None
        self._calm_until = 0.0
        self._title = Label("", id="heatmap-title", markup=False)
        self._lacking = Static("", id="lacking", markup=False)
        self._map = CursorMap(id="heatmap")
        self._reading = Label(HINT, id="reading", markup=False)
        self._profile = LinePlot(log_y=True, id="profile")
        self._slope = Static("", id="slope", markup=False)
        self._table = LayerTable(id="table")
        self._said = VerdictLines(whole=True, id="all-verdicts")
        self._answers = Static("", id="answers", markup=False)

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._lacking
        with Vertical(id="map-part"):
            yield self._map
            yield self._reading
        with Vertical(id="profile-part"):
            yield self._profile
            yield self._slope
        with Vertical(id="table-part"):
            yield self._table
        with VerticalScroll(id="verdicts-part"):
            yield self._said
        with VerticalScroll(id="answers-part"):
            yield self._answers

    def on_mount(self) -> None:
        self.show_part(self.part)

    def show_part(self, part: str) -> None:
        """Show one of `VIEWS`, or `ANSWERS`."""
        self.part = part
        # All at once, for each change has Textual go through the rules of every widget in here.
        self.update_classes({f"-{view}": view == part for view in (*VIEWS, ANSWERS)}, update=self.is_mounted)
        if self.is_mounted:
            scrolled = {view: self.query_one(f"#{view}-part") for view in ("verdicts", ANSWERS)}
            target = {"table": self._table, **scrolled}.get(part, self._map)
            self.call_after_refresh(target.focus)
        self._draw()

    def show(self, snapshot: Snapshot) -> None:
        """Show what there is of the layers."""
        before, self._snapshot = self._snapshot, snapshot
        same = before is not None and snapshot.is_live and before.view == snapshot.view and before.rows == snapshot.rows
        self._draw(calm=same and time.monotonic() < self._calm_until)
        if before is not None and before.rows != snapshot.rows and before.by == snapshot.by:
            self._follow_row(before.rows, snapshot.rows)

    def _follow_row(self, before: tuple[Row, ...], rows: tuple[Row, ...]) -> None:
        """Leave the cursor on the row that it is on; where that is gone, on the one that holds it now."""
        place = self._map.row
        if place is None or place >= len(before):
            return
        was = before[place]
        same = [at for at, row in enumerate(rows) if row.name == was.name]
        around = [at for at, row in enumerate(rows) if row.unit == was.unit and row.first <= was.first < row.last]
        if found := same or around[-1:]:
            self._map.select(found[0])
            self._table.select(found[0])
            self._read_cell()

    def _draw(self, calm: bool = False) -> None:
        """Draw everything, or where it is to be calm the map alone."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        _say(self._title, f"{title(snapshot.view.quantity)} of each {snapshot.by}, the first at the top")
        _say(self._lacking, snapshot.lacking, layout=True)
        self.set_class(bool(snapshot.lacking), "-lacking")
        self._said.show(snapshot.verdicts)
        if self.part == ANSWERS:
            self._draw_answers(snapshot)
        self._draw_map(snapshot)
        if not calm:
            self._calm_until = time.monotonic() + CALM_SECONDS
            self._draw_profile(snapshot)
            self._draw_table(snapshot)

    def _draw_answers(self, snapshot: Snapshot) -> None:
        width, ascii_only = self.query_one("#answers-part").content_size.width, resolve_glyphs() == "ascii"
        found = answers.drawn(snapshot.events, width, app_colour_depth(self.app), ascii_only)
        self._answers.update(found or NO_ANSWERS)

    def on_resize(self) -> None:
        if self.part == ANSWERS:
            self.call_after_refresh(self._draw)

    # The map

    def _draw_map(self, snapshot: Snapshot) -> None:
        key = snapshot.view.quantity, snapshot.by
        if key != self._drawn:
            self._drawn = key
            self._map.clear()
        self._map.set_rows(_labels(snapshot))
        if len(snapshot.steps):
            self._map.update_data(snapshot.steps, snapshot.norms)
        self._read_cell()

    def _read_cell(self) -> None:
        found = self._map.reading()
        _say(self._reading, HINT if found is None else self._words(found))

    def _words(self, found) -> str:
        snapshot = self._snapshot
        name, quantity = snapshot.rows[found.row].name, title(snapshot.view.quantity)
        value = number(found.value, 6) if np.isfinite(found.value) else f"not finite ({found.value})"
        step = f"step {found.last:,}"
        if found.first != found.last:
            step = f"largest of steps {found.first:,} to {found.last:,}"
        row = snapshot.rows[found.row]
        opens = {True: "   enter closes it", False: "   enter opens it", None: ""}[row.open]
        opens = "   enter shows all groups" if row.shuts else opens
        return f"{name}   {step}   {quantity} {value}{opens}"

    # The profile

    def _draw_profile(self, snapshot: Snapshot) -> None:
        profile = snapshot.profile
        if profile is None or not self._profile.size.height:
            return
        depth = np.arange(1, len(profile.names) + 1, dtype=float)
        lines = [
            Series("start", depth, profile.start, START_STYLE),
            Series("now", depth, profile.now, NOW_STYLE),
        ]
        row = self._map.row
        if row is not None and row < len(snapshot.rows):
            chosen = snapshot.rows[row]
            if chosen.unit == snapshot.by:
                at = slice(chosen.first, chosen.last)
                lines.append(Series(chosen.name, depth[at], profile.now[at], CURSOR_STYLE, marks=True))
        self._profile.set_series([each for each in lines if np.isfinite(each.y).any()])
        _say(self._slope, _slope_words(profile, snapshot.by))

    # The table

    def _draw_table(self, snapshot: Snapshot) -> None:
        if not self._table.size.height:
            return
        columns = _table_columns(snapshot)
        self._table.show(_labels(snapshot), columns)

    # One cursor for both

    @on(RowMoved)
    def _moved(self, event: RowMoved) -> None:
        event.stop()
        other = self._map if event.control is self._table else self._table
        other.select(event.row)
        if self._snapshot is not None:
            self._read_cell()
            self._draw_profile(self._snapshot)

    @on(RowOpened)
    def _opened(self, event: RowOpened) -> None:
        event.stop()
        snapshot = self._snapshot
        if snapshot is not None and event.row < len(snapshot.rows) and snapshot.rows[event.row].open is not None:
            self.post_message(self.Opened(snapshot.rows[event.row].changes))


def _say(widget: Static, text: str, layout: bool = False) -> None:
    """Put another text into a widget; arranging the whole screen anew costs more than drawing the map."""
    if str(widget.content) != text:
        widget.update(text, layout=layout)


def _labels(snapshot: Snapshot) -> list[str]:
    """Return the names of the rows, indented, with a sign where they open or close."""
    signs = {True: "- ", False: "+ ", None: ""}
    return ["  " * row.level + signs[row.open] + row.name for row in snapshot.rows]


def _slope_words(profile: Profile, by: str) -> str:
    slope, start = profile.slope, profile.start_slope
    if not np.isfinite(slope.per_block):
        return "no slope: fewer than two numbers"
    return (
        f"slope {slope.per_block:+.3g} decades a {by} (start {start.per_block:+.3g})   "
        f"span {slope.decades:.2g} decades (start {start.decades:.2g})"
    )


def _table_columns(snapshot: Snapshot) -> dict[str, np.ndarray]:
    """Return heading -> a number for each row."""
    profile, quantity, columns = snapshot.profile, snapshot.view.quantity, {}
    if profile is not None:
        now, start = (_of_rows(snapshot, values) for values in (profile.now, profile.start))
        heading = HEADINGS.get(quantity, ALL[quantity].title)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = {heading: now, "start": start, "times": now / start}
    for other, values in (snapshot.sheet or {}).items():
        if other != quantity and len(values) == len(snapshot.rows):
            columns[HEADINGS[other]] = values
    return columns


def _of_rows(snapshot: Snapshot, values: np.ndarray) -> np.ndarray:
    """Return the largest value of each row's members; of a row inside of an open block, none."""
    found = np.full(len(snapshot.rows), np.nan)
    for place, row in enumerate(snapshot.rows):
        if row.unit == snapshot.by and row.last <= len(values):
            found[place] = values[row.first : row.last].max()
    return found
