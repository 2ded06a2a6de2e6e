"""Screens of which only what has changed is painted again, by the widgets that are to be seen there.

Textual 8 asks every widget between the first and the last change on a screen for all of its lines, which costs most of
what watching a run does, and writes a changed stretch from the left edge of its widget (textual#5625). This rests on
parts of Textual that are not public, so pyproject.toml names the versions that have them.
"""

from __future__ import annotations

from rich.console import Console
from textual._compositor import Compositor, CompositorUpdate, LayoutUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip


class Pieces(CompositorUpdate):
    """Stretches of lines, each with the column and the line where it begins.

    Args:
        pieces: (line, column, strip) each.
    """

    def __init__(self, pieces: list[tuple[int, int, Strip]]) -> None:
        self.pieces = pieces

    def render_segments(self, console: Console) -> str:
        """Return what a terminal is sent."""
        return "".join(f"\x1b[{line + 1};{column + 1}H{strip.render(console)}" for line, column, strip in self.pieces)


class ChangesOnly(Compositor):
    """Puts together what has changed on a screen, or all of it, out of what is not hidden."""

    def render_partial_update(self) -> Pieces | None:
        """Return what has changed; None where nothing has."""
        todo: dict[int, list[tuple[int, int]]] = {}
        width, height = self.size
        for line, left, right in self._regions_to_spans(self._dirty_regions):
            if 0 <= line < height and (left := max(left, 0)) < (right := min(right, width)):
                todo.setdefault(line, []).append((left, right))
        self._dirty_regions.clear()
        pieces = self._painted(todo)
        return Pieces(pieces) if pieces else None

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        """Return the whole screen."""
        if simplify:
            return super().render_full_update(simplify=True)
        self._dirty_regions.clear()
        width, height = self.size
        lines: list[list[Strip]] = [[] for _ in range(height)]
        for line, _, strip in self._painted({line: [(0, width)] for line in range(height)}):
            lines[line].append(strip)
        return LayoutUpdate(lines, self.size.region)

    def _painted(self, todo: dict[int, list[tuple[int, int]]]) -> list[tuple[int, int, Strip]]:
        """Return what stands in spans of lines: line, column and strip, from the top and from the left."""
        pieces: list[tuple[int, int, Strip]] = []
        # The widgets in front come first, and hide those behind them.
        for widget, (region, clip) in self.visible_widgets.items():
            if not todo:
                break
            shown = region.intersection(clip)
            left, right = shown.column_span
            lines = [
                line
                for line, spans in todo.items()
                if shown.y <= line < shown.bottom and any(begin < right and left < end for begin, end in spans)
            ]
            if lines:
                first = min(lines)
                part = Region(left - region.x, first - region.y, shown.width, max(lines) + 1 - first)
                strips = widget.render_lines(part)
                for line in lines:
                    found, rest = _cut(strips[line - first], left, right, todo.pop(line))
                    pieces += [(line, column, strip) for column, strip in found]
                    if rest:
                        todo[line] = rest
        return sorted(pieces, key=lambda piece: piece[:2])


def _cut(
    strip: Strip, left: int, right: int, spans: list[tuple[int, int]]
) -> tuple[list[tuple[int, Strip]], list[tuple[int, int]]]:
    """Return what of a strip that stands between two columns lies in spans, with the column of each piece, and what of
    the spans lies beside it."""
    found, rest = [], []
    for begin, end in spans:
        start, stop = max(begin, left), min(end, right)
        if start >= stop:
            rest.append((begin, end))
            continue
        found.append((start, strip.crop(start - left, stop - left)))
        rest += [span for span in ((begin, start), (stop, end)) if span[0] < span[1]]
    return found, rest


class RepaintingScreen(Screen):
    """A screen that is painted where something has changed."""

    def __init__(self, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(name, id, classes)
        self._compositor = ChangesOnly()
        # Those that Textual adds once the screen is shown; known before, they style every widget once and not twice.
        sizes = zip(self.app.size, (self.app.HORIZONTAL_BREAKPOINTS, self.app.VERTICAL_BREAKPOINTS), strict=True)
        for size, breakpoints in sizes:
            self._classes |= self._get_breakpoint_classes(size, breakpoints)
