"""A heat map of layers against time that repaints only the cells that changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from .colours import (
    EMPTY,
    EMPTY_TEXT,
    LEVELS,
    MISSING,
    RAMP,
    ZERO,
    CellTable,
    app_colour_depth,
    cell_codes,
    colour_carries_value,
    narrow,
    pair_styles,
    resolve_glyphs,
    shorten,
)
from .scale import Range, SteadyRange, TimeBins, decade_label, group_rows

TILES = 10
"""Textual repaints a dirty region from the left edge of its widget: narrow tiles keep that stretch short."""

WIDEST_STEP = 4
"""Cells that one step takes at most, while a run is young."""

SAMPLES = 16
"""Steps whose values are compared to tell growing data from other data."""


@dataclass(frozen=True)
class RowPlan:
    """How the layers of a net share the cell rows of a screen.

    Attributes:
        groups: The first layer of each group; a group is drawn as one.
        halves: Half cell rows of a group.
        labels: The layer named beside each cell row, None beside a row without a name.
    """

    groups: np.ndarray
    halves: int
    labels: tuple[int | None, ...]

    @property
    def height(self) -> int:
        """Cell rows in use."""
        return len(self.labels)


def plan_rows(layers: int, height: int, half_blocks: bool) -> RowPlan:
    """Share `height` cell rows among layers of equal height.

    Each layer owns at least one whole cell row if there are enough, else half of one (if the terminal shows
    that), else layers are joined to groups. A layer's name stands beside a cell row that is its own; where
    two share one, the upper layer is named.
    """
    if layers <= height:
        halves = 2 * height // max(layers, 1) if half_blocks else height // max(layers, 1) * 2
    else:
        halves = 1 if half_blocks else 2
    groups = min(layers, 2 * height // halves) if halves else 0
    starts = np.arange(groups) * layers // max(groups, 1)
    labels: list[int | None] = [None] * -(-groups * halves // 2)
    for group in range(0, groups, 2 if halves == 1 else 1):
        first, last = -(-group * halves // 2), (group + 1) * halves // 2 - 1
        labels[max(first, (first + last) // 2)] = int(starts[group])
    return RowPlan(starts, halves, tuple(labels))


class _Tile(Widget):
    """Some columns of the map."""

    ALLOW_SELECT = False

    def __init__(self, owner: HeatMap) -> None:
        super().__init__()
        self.owner = owner
        self.first, self.last = 0, 0

    def render_line(self, y: int) -> Strip:
        return self.owner.map_line(y, self.first, self.last)


class _Lines(Widget):
    """Prepared lines of text: the names of the layers, or the legend."""

    ALLOW_SELECT = False

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.lines: list[Strip] = []

    def show(self, lines: list[Strip]) -> None:
        """Replace the lines and repaint if they differ."""
        if [list(line) for line in lines] != [list(line) for line in self.lines]:
            self.lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        return self.lines[y] if y < len(self.lines) else Strip([], 0)


class HeatMap(Widget):
    """Layers (rows, shallow first) against time (columns, oldest first), coloured by the log of a norm.

    A column stands for 1, 2, 4 ... steps: when the columns are full, pairs of them are joined, so that
    between two such moments only the newest column changes. It shows the value farthest from the column's
    mean, so a spike of a single step stays visible. "!" marks a column with a NaN or an infinity, "0" one in
    which the norm was exactly zero at every step.

    Args:
        glyphs: "auto", "braille", "block" or "ascii"; "ascii" and terminals with fewer than 256 colours draw
            values as glyphs of rising weight, all others as colours.
        id: The widget's id.
        classes: The widget's CSS classes.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "heatmap--label",
        "heatmap--missing",
        "heatmap--zero",
        "heatmap--note",
    }
    DEFAULT_CSS = """
    HeatMap { width: 1fr; height: 1fr; layout: vertical; overflow: hidden; }
    HeatMap > #heatmap-body { width: 100%; height: 1; overflow: hidden; }
    HeatMap #heatmap-names { height: 100%; }
    HeatMap _Tile { height: 100%; }
    HeatMap > #heatmap-legend { width: 100%; height: 1; }
    HeatMap .heatmap--label { color: $text-muted; }
    HeatMap .heatmap--note { color: $text-muted; }
    HeatMap .heatmap--missing { background: $error; color: $text; text-style: bold; }
    HeatMap .heatmap--zero { color: $text-muted; }
    """

    def __init__(self, *, glyphs: str = "auto", id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._ascii = resolve_glyphs(glyphs) == "ascii"
        self._names: list[str] = []
        self._steps = np.empty(0, np.int64)
        self._values = self._samples = np.empty((0, 0))
        self._shown, self._bin_steps, self._widen = np.empty((0, 0)), 1, 1
        self._bins = TimeBins(0)
        self._steady = SteadyRange()
        self._scale: Range = (-6.0, 0.0)
        self._plan = plan_rows(0, 0, False)
        self._codes = np.empty((0, 0), np.int16)
        self._columns = 0
        self._table: CellTable | None = None
        self._tiles = [_Tile(self) for _ in range(TILES)]
        self._gutter = _Lines("heatmap-names")
        self._legend_line = _Lines("heatmap-legend")
        self._body = Horizontal(self._gutter, *self._tiles, id="heatmap-body")

    # What the product calls

    def set_rows(self, names: list[str]) -> None:
        """Name the rows, shallow first. Other names than before empty the map."""
        if list(names) == self._names:
            return
        self._names = list(names)
        self._forget(len(names))
        self._lay_out()

    def update_data(self, steps: np.ndarray, values: np.ndarray) -> None:
        """Show a series; only what changed since the last call is computed and repainted.

        Earlier steps count as unchanged if their numbers and the values of a few of them are; the last step
        may differ each time.

        Args:
            steps: Step numbers since the start, rising, shape (T,).
            values: Linear norms, shape (T, rows); kept as it is, and not to be changed.

        Raises:
            ValueError: if the shapes do not fit each other or the names.
        """
        steps, values = np.asarray(steps), np.asarray(values)
        if values.ndim != 2 or steps.shape != values.shape[:1]:
            raise ValueError(f"steps has shape (T,) and values (T, rows). Received: {steps.shape} and {values.shape}")
        if self._names and values.shape[1] != len(self._names):
            raise ValueError(f"The map has {len(self._names)} rows. Received values of {values.shape[1]}")
        was_empty, rows_changed = self._is_empty, values.shape[1] != self._bins.rows
        if rows_changed:
            self._forget(values.shape[1])
        trusted = self._unchanged(steps, values)
        if not trusted:
            self._steady.reset()
        self._bins.update(values, trusted)
        self._steps, self._values = steps.copy(), values
        self._samples = values[self._sampled(len(steps) - 1)].copy()
        if rows_changed or was_empty != self._is_empty:
            self._lay_out()
        else:
            self._redraw()

    def clear(self) -> None:
        """Forget the series; the next is of something else."""
        self._forget(len(self._names))
        self._steady.reset()
        self._lay_out()

    @property
    def scale_range(self) -> tuple[float, float]:
        """The decimal logarithms of the lowest and the highest level."""
        return self._scale

    @property
    def legend(self) -> str:
        """The scale as plain text, such as "1e-6 ▂▃▅▇ 1e+0"."""
        bar = RAMP if self._ascii or not self._coloured else "▂▃▅▇"
        return f"{decade_label(self._scale[0])} {bar} {decade_label(self._scale[1])}"

    # What Textual calls

    def compose(self) -> ComposeResult:
        yield self._body
        yield self._legend_line

    def on_mount(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._table = None

    def render_line(self, y: int) -> Strip:
        width, height = self.size
        if not self._is_empty or y != (height - 1) // 2:
            return Strip.blank(width, self.rich_style)
        text = shorten(EMPTY_TEXT, width, self._ellipsis).center(width)
        return Strip([Segment(text, self.get_component_rich_style("heatmap--note"))], width)

    def map_line(self, y: int, first: int, last: int) -> Strip:
        """The cells of columns `first` to `last - 1` in row `y` of the map."""
        if y >= len(self._codes):
            return Strip.blank(last - first, self.rich_style)
        if self._table is None:
            missing, zero = map(self.get_component_rich_style, ("heatmap--missing", "heatmap--zero"))
            self._table = CellTable(self._coloured, self.rich_style, missing, zero)
        return self._table.strip(self._codes[y, first:last])

    # Data

    @property
    def _is_empty(self) -> bool:
        return not (self._bins.length and self._bins.rows)

    @property
    def _ellipsis(self) -> str:
        return "~" if self._ascii else "…"

    @property
    def _coloured(self) -> bool:
        return not self._ascii and self.is_attached and colour_carries_value(app_colour_depth(self.app))

    def _forget(self, rows: int) -> None:
        self._steps = np.empty(0, np.int64)
        self._values = self._samples = self._shown = np.empty((0, 0))
        self._bins = TimeBins(rows)

    @staticmethod
    def _sampled(length: int) -> np.ndarray:
        return np.linspace(0, max(length - 1, 0), min(SAMPLES, max(length, 0))).astype(np.intp)

    def _unchanged(self, steps: np.ndarray, values: np.ndarray) -> int:
        """The number of leading steps that are as in the last call."""
        known = len(self._steps) - 1
        if known < 1 or len(steps) <= known or not np.array_equal(steps[:known], self._steps[:known]):
            return 0
        same = np.array_equal(values[self._sampled(known)], self._samples, equal_nan=True)
        return known if same else 0

    # Layout and painting

    def _lay_out(self) -> None:
        """Share the widget's area among names, tiles and legend, then draw everything."""
        if not self.is_mounted:
            return
        width, height = self.size
        self._body.display = not self._is_empty
        self._legend_line.display = not self._is_empty and height > 1
        self._plan = plan_rows(self._bins.rows, max(height - 1, 1), self._coloured)
        longest = max(map(len, self._names), default=0)
        gutter = min(longest + 1, width // 3) if longest else 0
        self._columns = max(width - gutter, 0)
        self._body.styles.height = max(self._plan.height, 1)
        self._gutter.styles.width = gutter
        self._gutter.show([self._name_line(label, gutter) for label in self._plan.labels])
        edges = np.linspace(0, self._columns, TILES + 1).astype(int).tolist()
        for tile, first, last in zip(self._tiles, edges, edges[1:], strict=False):
            tile.first, tile.last = first, last
            tile.styles.width = last - first
        self._table = None
        self._codes = np.empty((0, 0), np.int16)
        self.refresh()
        self._redraw()

    def _name_line(self, layer: int | None, width: int) -> Strip:
        name = "" if layer is None else narrow(self._names[layer], self._ascii) if self._names else ""
        text = shorten(name, width - 1, self._ellipsis).ljust(width)
        return Strip([Segment(text, self.get_component_rich_style("heatmap--label"))], width)

    def _redraw(self) -> None:
        """Compute what every cell shows and repaint those that differ from what is on the screen."""
        if self._is_empty or not self._columns or not self._plan.height:
            return
        values, self._bin_steps = self._bins.shown(self._columns)
        self._shown = values = group_rows(values, self._plan.groups)
        self._scale = self._steady.update(values)
        codes = cell_codes(values, self._scale, self._plan.halves)
        widen = 1
        while widen < WIDEST_STEP and 2 * widen * len(values) <= self._columns:
            widen *= 2
        self._widen = widen
        drawn = np.full((len(codes), self._columns), EMPTY, np.int16)
        drawn[:, : widen * codes.shape[1]] = np.repeat(codes, widen, axis=1)
        previous, self._codes = self._codes, drawn
        for tile in self._tiles:
            if previous.shape != drawn.shape:
                tile.refresh()
            else:
                span = slice(tile.first, tile.last)
                self._repaint(tile, previous[:, span] != drawn[:, span])
        self._legend_line.show([self._legend_strip()])

    @staticmethod
    def _repaint(tile: _Tile, changed: np.ndarray) -> None:
        """Repaint the runs of rows of a tile in which a cell changed."""
        columns = np.flatnonzero(changed.any(axis=0))
        if not columns.size:
            return
        rows = np.r_[0, changed.any(axis=1).astype(np.int8), 0]
        starts, ends = np.flatnonzero(np.diff(rows) == 1), np.flatnonzero(np.diff(rows) == -1)
        left, width = int(columns[0]), int(columns[-1] - columns[0]) + 1
        heights = ends - starts
        tile.refresh(*(Region(left, int(y), width, int(h)) for y, h in zip(starts, heights, strict=True)))

    def _legend_strip(self) -> Strip:
        base, note = self.rich_style, self.get_component_rich_style("heatmap--note")
        low, high = map(decade_label, self._scale)
        if self._coloured:
            levels = np.linspace(0, LEVELS - 1, min(LEVELS, max(4, self.size.width // 6))).astype(int)
            bar = [Segment(" ", pair_styles()[level * (LEVELS + 1)]) for level in levels.tolist()]
        else:
            bar = [Segment(RAMP, base)]
        dots = ".." if self._ascii else "…"
        segments = [Segment(f"{low} ", note), *bar, Segment(f" {high}", note)]
        segments.append(Segment(f"   step {int(self._steps[0]):,} {dots} {int(self._steps[-1]):,}", note))
        if np.any(self._codes == MISSING):
            mark = Segment("!", self.get_component_rich_style("heatmap--missing"))
            segments += [Segment("   ", note), mark, Segment(" not finite", note)]
        if np.any(self._codes == ZERO):
            segments.append(Segment("   0 exactly zero", note))
        if len(self._plan.groups) > self._plan.height or len(self._plan.groups) < self._bins.rows:
            lines = "a line" if self._plan.height == 1 else f"{self._plan.height} lines"
            segments.append(Segment(f"   {self._bins.rows} rows on {lines}", note))
        return Strip(segments)
