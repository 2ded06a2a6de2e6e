"""A line plot of several series on shared axes, drawn in braille, blocks or ASCII."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from ..words import number
from .colours import EMPTY_TEXT, LINE_GLYPHS, code_points, narrow, resolve_glyphs, shorten, styled_strip
from .scale import (
    HUGE,
    Range,
    even_ticks,
    linear_ticks,
    log_range,
    log_ticks,
    nice_range,
    nice_step,
    reduce_to_columns,
    to_columns,
    to_rows,
)

EDGE_STEPS = 20
"""The edges lie on multiples of about this part of a range, so that axes hold still while a series grows."""

# Kinds of cell, as indices into the plot's styles; the series follow.
_BASE, _AXIS, _GRID, _TITLE, _WARNING, _SERIES = range(6)


@dataclass(frozen=True)
class Series:
    """One line, or one set of marks.

    Attributes:
        name: What the legend calls it.
        x: Positions, rising, shape (T,).
        y: Values, shape (T,); NaN and infinity are gaps.
        style: A Rich style such as "cyan" or "bold #ff8800", or a theme variable such as "$accent".
        marks: True to draw each point as a mark of its own, not joined: for sparse series.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    style: str
    marks: bool = False


@dataclass(frozen=True)
class Axes:
    """The ranges and the ticks of a plot.

    Attributes:
        x, y: What the edges stand for; y is a logarithm if the axis is logarithmic.
        x_ticks, y_ticks: (position, label) inside the ranges.
    """

    x: Range
    y: Range
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def trace(x: np.ndarray, y: np.ndarray, axes: Axes, columns: int, rows: int) -> np.ndarray:
    """The pixels of a line.

    Each pixel column is filled from the lowest to the highest value in it, and joined half-way with its
    neighbours unless a gap lies between.

    Args:
        x, y: The series, shape (T,).
        axes: The ranges.
        columns, rows: The size in pixels.

    Returns:
        Pixels that are set, shape (rows, columns), top row first.
    """
    extents = reduce_to_columns(x, y, axes.x, columns)
    kept = extents.first, extents.lowest, extents.highest, extents.last
    first, lowest, highest, last = (to_rows(values, axes.y, rows) for values in kept)
    top, bottom = np.full(columns, np.inf), np.full(columns, -np.inf)
    top[extents.column], bottom[extents.column] = highest, lowest
    joins = np.flatnonzero(extents.joined)
    start = extents.column[joins - 1]
    distance = extents.column[joins] - start
    start_row, rise = last[joins - 1], first[joins] - last[joins - 1]
    # One entry for each column from a join's start to its end, `offset` columns from the start.
    length = distance + 1
    offset = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    start, distance, start_row, rise = (np.repeat(part, length) for part in (start, distance, start_row, rise))
    before = start_row + rise * np.maximum(offset - 0.5, 0) / distance
    after = start_row + rise * np.minimum(offset + 0.5, distance) / distance
    np.minimum.at(top, start + offset, np.minimum(before, after))
    np.maximum.at(bottom, start + offset, np.maximum(before, after))
    row = np.arange(rows)[:, None]
    return (row >= np.round(top)) & (row <= np.round(bottom))


class LinePlot(Widget):
    """Several series on shared axes, with a legend of their last values.

    Only the lines of the screen that changed are repainted. Beside its colour, each of several lines carries
    its number at its newest point and in the legend.

    Args:
        title: Shown before the legend.
        log_y: True for a logarithmic y axis; values that are not positive are gaps in it. May be changed, and holds
            from the next series on.
        y_range: The lowest and the highest y; None to follow the data.
        glyphs: "auto", "braille", "block" or "ascii".
        id: The widget's id.
        classes: The widget's CSS classes.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "lineplot--axis",
        "lineplot--grid",
        "lineplot--title",
        "lineplot--warning",
    }
    DEFAULT_CSS = """
    LinePlot { width: 1fr; height: 1fr; }
    LinePlot .lineplot--axis { color: $text-muted; }
    LinePlot .lineplot--grid { color: $foreground 25%; }
    LinePlot .lineplot--title { text-style: bold; }
    LinePlot .lineplot--warning { background: $error; color: $text; text-style: bold; }
    """

    def __init__(
        self,
        title: str = "",
        *,
        log_y: bool = False,
        y_range: tuple[float, float] | None = None,
        glyphs: str = "auto",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._glyph_set = LINE_GLYPHS[resolve_glyphs(glyphs)]
        self._ascii = self._glyph_set is LINE_GLYPHS["ascii"]
        self._title = narrow(title, self._ascii)
        self.log_y = log_y
        self._y_range = y_range
        self._series: list[Series] = []
        self._characters = np.empty((0, 0), np.uint32)
        self._kinds = np.empty((0, 0), np.int16)
        self._styles: list[Style] = []

    def set_series(self, series: list[Series]) -> None:
        """Show these series in place of the last ones; later ones are drawn over earlier ones."""
        if [one.style for one in series] != [one.style for one in self._series]:
            self._styles = []
            self.refresh()
        self._series = [self._cleaned(one) for one in series]
        self._draw()

    # What Textual calls

    def on_resize(self) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = []

    def render_line(self, y: int) -> Strip:
        if y >= len(self._characters):
            return Strip.blank(self.size.width, self.rich_style)
        if not self._styles:
            self._styles = self._make_styles()
        strip = styled_strip(self._characters[y], self._kinds[y], self._styles)
        return strip.adjust_cell_length(self.size.width, self._styles[_BASE])

    # Data

    def _cleaned(self, series: Series) -> Series:
        """The series with rising x, and with NaN where y cannot be drawn on this axis."""
        x, y = np.asarray(series.x, float), np.asarray(series.y, float)
        if x.shape != y.shape or x.ndim != 1:
            raise ValueError(
                f"x and y of series {series.name!r} have one shape (T,). Received: {x.shape} and {y.shape}"
            )
        x = np.where(np.isfinite(x), np.clip(x, -HUGE, HUGE), np.nan)
        if not series.style.startswith("$"):
            Style.parse(series.style)
        if np.any(np.diff(x) < 0):
            order = np.argsort(x, kind="stable")
            x, y = x[order], y[order]
        return Series(narrow(series.name, self._ascii), x, y, series.style, series.marks)

    def _plotted(self, y: np.ndarray) -> np.ndarray:
        if self.log_y:
            with np.errstate(divide="ignore", invalid="ignore"):
                y = np.log10(np.where(y > 0, y, np.nan))
        return np.where(np.isfinite(y), np.clip(y, -HUGE, HUGE), np.nan)

    def _make_styles(self) -> list[Style]:
        base = self.rich_style
        parts = (f"lineplot--{part}" for part in ("axis", "grid", "title", "warning"))
        styles = [base, *map(self.get_component_rich_style, parts)]
        return styles + [base + self._parse_style(one.style) for one in self._series]

    def _parse_style(self, style: str) -> Style:
        if not style.startswith("$"):
            return Style.parse(style)
        variable = self.app.theme_variables.get(style[1:])
        return Style(color=Color.parse(variable).rich_color) if variable else Style()

    def _axes(self, ys: list[np.ndarray], columns: int, rows: int) -> Axes | None:
        """The axes for a plot of so many cells, None if there is nothing finite to show."""
        points = [(one.x, y) for one, y in zip(self._series, ys, strict=True)]
        xs = np.concatenate([x[np.isfinite(x) & np.isfinite(y)] for x, y in points] or [np.empty(0)])
        finite = np.concatenate([y[np.isfinite(x) & np.isfinite(y)] for x, y in points] or [np.empty(0)])
        if not xs.size:
            return None
        x_low, x_high = float(xs.min()), float(xs.max())
        margin = max(0.5, abs(x_low) * 1e-6) if x_low == x_high else 0
        x_low, x_high, _ = nice_range(x_low - margin, x_high + margin, EDGE_STEPS)
        x_step = nice_step(x_high - x_low, max(columns // 14, 1))
        # No label lies between two steps.
        x_step = max(x_step, 1.0) if np.array_equal(xs, np.round(xs)) else x_step
        x_ticks = linear_ticks(x_low, x_high, x_step)
        steps = max(2, min(rows // 3, 8))
        y_low, y_high = self._fixed_range() or (float(finite.min()), float(finite.max()))
        if self.log_y:
            y_low, y_high = log_range(y_low, y_high)
            return Axes((x_low, x_high), (y_low, y_high), x_ticks, log_ticks(y_low, y_high, steps))
        if not self._fixed_range():
            y_low, y_high, _ = nice_range(y_low, y_high, EDGE_STEPS)
        return Axes((x_low, x_high), (y_low, y_high), x_ticks, even_ticks(y_low, y_high, steps))

    def _fixed_range(self) -> Range | None:
        """The given y range on this axis, None if there is none or it has no width."""
        if self._y_range is None:
            return None
        low, high = self._plotted(np.array(self._y_range, float)).tolist()
        return (low, high) if low < high else None

    # Drawing

    def _draw(self) -> None:
        """Draw everything into arrays of characters, and repaint the lines that differ from the last ones."""
        width, height = self.size
        if not width or not height:
            # Cells of an earlier drawing may be of series that are gone by the time there is room again.
            self._characters = np.empty((0, 0), np.uint32)
            return
        before = self._characters, self._kinds
        self._characters = np.full((height, width), ord(" "), np.uint32)
        self._kinds = np.full((height, width), _BASE, np.int16)
        header = 1 if height >= 3 and self._series else 0
        footer = (height >= 4) + (height >= 9)
        if header:
            self._draw_header(width)
        ys = [self._plotted(one.y) for one in self._series]
        axes = self._axes(ys, width, height - header - footer)
        if axes is None:
            text = "no finite value yet" if any(one.x.size for one in self._series) else EMPTY_TEXT
            text = shorten(text, width, self._glyph_set.ellipsis)
            self._put((height - 1) // 2, (width - len(text)) // 2, text, _AXIS)
        else:
            self._draw_plot(axes, ys, header, height - footer)
        self._repaint(*before)

    def _put(self, y: int, x: int, text: str, kind: int) -> None:
        """Write text, cropped to the widget."""
        text = text[: max(self._characters.shape[1] - x, 0)]
        self._characters[y, x : x + len(text)] = code_points(text)
        self._kinds[y, x : x + len(text)] = kind

    def _draw_header(self, width: int) -> None:
        """The title and the legend; where they do not fit the title goes first, then parts of the names."""
        title = [(self._title, _TITLE)] if self._title else []
        for start, longest in ((title, width), ([], width), ([], 8), ([], 4)):
            parts = start + self._legend(longest, bool(start))
            if sum(len(text) for text, _ in parts) <= width:
                break
        x = 0
        for text, kind in parts:
            self._put(0, x, text, kind)
            x += len(text)
        if x > width:
            self._put(0, width - 1, self._glyph_set.ellipsis, _AXIS)

    def _legend(self, longest: int, indented: bool) -> list[tuple[str, int]]:
        """(text, kind of cell) of the legend, with names of at most `longest` characters."""
        glyphs, tags = self._glyph_set, self._tags()
        parts: list[tuple[str, int]] = []
        for index, one in enumerate(self._series):
            key = glyphs.mark if one.marks else f"{glyphs.base}{tags.get(index, glyphs.base)}{glyphs.base}"
            parts += [("   " if parts or indented else "", _BASE), (key, _SERIES + index)]
            parts.append((f" {shorten(one.name, longest, glyphs.ellipsis)}", _BASE))
            if one.y.size:
                last = float(one.y[-1])
                value = (number(last), _TITLE) if math.isfinite(last) else (f"! {last}", _WARNING)
                parts += [(" ", _BASE), value]
        return parts

    def _tags(self) -> dict[int, str]:
        """The number that each line carries beside its colour; none if there is one line only."""
        lines = [index for index, one in enumerate(self._series) if not one.marks]
        return dict(zip(lines, "123456789", strict=False)) if len(lines) > 1 else {}

    def _draw_plot(self, axes: Axes, ys: list[np.ndarray], top: int, bottom: int) -> None:
        """Axes, lines, marks and numbers, between the rows `top` and `bottom - 1` of the widget."""
        width = self._characters.shape[1]
        gutter = max((len(label) for _, label in axes.y_ticks), default=0) + 1
        gutter = gutter if gutter <= width // 3 else 0
        self._draw_axes(axes, top, bottom, gutter)
        columns, rows = width - gutter, bottom - top
        bits = self._glyph_set.bits
        cell_rows, cell_columns = bits.shape
        characters, kinds = self._characters[top:bottom, gutter:], self._kinds[top:bottom, gutter:]
        total = np.zeros((rows, columns), int)
        drawn: dict[int, np.ndarray] = {}
        for index, (one, y) in enumerate(zip(self._series, ys, strict=True)):
            if not one.marks:
                pixels = trace(one.x, y, axes, columns * cell_columns, rows * cell_rows)
                cells = pixels.reshape(rows, cell_rows, columns, cell_columns)
                drawn[index] = (cells * bits[None, :, None, :]).sum((1, 3))
                total |= drawn[index]
                kinds[drawn[index] > 0] = _SERIES + index
        characters[total > 0] = self._glyph_set.glyphs[total[total > 0]]
        for index, (one, y) in enumerate(zip(self._series, ys, strict=True)):
            if one.marks:
                finite = np.isfinite(one.x) & np.isfinite(y)
                at = self._rows_of(y[finite], axes, rows), to_columns(one.x[finite], axes.x, columns)
                characters[at], kinds[at] = ord(self._glyph_set.mark), _SERIES + index
        self._draw_tags(drawn, characters, kinds)

    def _rows_of(self, values: np.ndarray, axes: Axes, rows: int) -> np.ndarray:
        """The cell row of each value, as its pixel would be in a line."""
        cell_rows = self._glyph_set.bits.shape[0]
        return np.round(to_rows(values, axes.y, rows * cell_rows)).astype(int) // cell_rows

    def _draw_tags(self, drawn: dict[int, np.ndarray], characters: np.ndarray, kinds: np.ndarray) -> None:
        """Write each line's number on its newest cell that is not near another number."""
        taken: set[tuple[int, int]] = set()
        for index, tag in self._tags().items():
            columns = np.flatnonzero(drawn[index].any(axis=0))[::-1].tolist()
            for column in columns:
                row = int(np.argmax(drawn[index][:, column] > 0))
                if not taken & {(row, near) for near in (column - 1, column, column + 1)}:
                    taken.add((row, column))
                    characters[row, column], kinds[row, column] = ord(tag), _SERIES + index
                    break

    def _draw_axes(self, axes: Axes, top: int, bottom: int, gutter: int) -> None:
        glyphs, (height, width) = self._glyph_set, self._characters.shape
        for row in range(top, bottom) if gutter else ():
            self._put(row, gutter - 1, glyphs.axis, _AXIS)
        rows = self._rows_of(np.array([value for value, _ in axes.y_ticks]), axes, bottom - top) + top
        for row, (_, label) in zip(rows.tolist(), axes.y_ticks, strict=True):
            self._put(row, gutter, glyphs.grid * (width - gutter), _GRID)
            if gutter:
                self._put(row, 0, label.rjust(gutter - 1) + glyphs.tick, _AXIS)
        if height - bottom > 1:
            corner = glyphs.corner if gutter else ""
            self._put(bottom, max(gutter - 1, 0), corner + glyphs.base * (width - gutter), _AXIS)
        if height > bottom:
            self._draw_x_labels(axes, gutter, width - gutter)

    def _draw_x_labels(self, axes: Axes, gutter: int, columns: int) -> None:
        """Both ends of the x axis, and the ticks between them that leave room for each other."""
        row = len(self._characters) - 1
        low, high = (number(end, 6) for end in axes.x)
        if len(low) + len(high) + 2 > columns:
            return self._put(row, gutter, high.rjust(columns), _AXIS)
        self._put(row, gutter, low, _AXIS)
        self._put(row, gutter + columns - len(high), high, _AXIS)
        free, end = len(low) + 2, columns - len(high) - 2
        for value, label in axes.x_ticks:
            start = int(to_columns(np.array(value), axes.x, columns)) - len(label) // 2
            if free <= start and start + len(label) <= end:
                self._put(row, gutter + start, label, _AXIS)
                free = start + len(label) + 2

    def _repaint(self, characters: np.ndarray, kinds: np.ndarray) -> None:
        """Repaint the lines that differ from these."""
        if characters.shape != self._characters.shape:
            self.refresh()
            return
        changed = (characters != self._characters) | (kinds != self._kinds)
        lines = np.flatnonzero(changed.any(axis=1)).tolist()
        if lines:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in lines))
