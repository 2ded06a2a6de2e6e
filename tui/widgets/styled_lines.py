"""Lines of text in parts of several styles, of which those that change are painted anew."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

Line = tuple[tuple[str, str], ...]
"""The parts of a line: a text and a component class that gives it its style, or nothing for the widget's own."""


class StyledLines(Widget):
    """Text that often changes a little; widgets of Textual format all of it anew, which takes longer than the map."""

    ALLOW_SELECT = True

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: tuple[Line, ...] = ()
        self._strips: dict[tuple[Line, int], Strip] = {}

    def write(self, lines: tuple[Line, ...]) -> None:
        """Show these lines; one that is too long is folded."""
        before, self._lines = self._lines, lines
        if before == lines:
            return
        if len(before) != len(lines) or self._folds(before) or self._folds(lines):
            self.refresh(layout=True)
        else:
            changed = (y for y, (old, new) in enumerate(zip(before, lines, strict=True)) if old != new)
            self.refresh(*(Region(0, y, self.content_size.width, 1) for y in changed))

    @property
    def content(self) -> Content:
        """What is shown."""
        style = self.get_visual_style
        return Content("\n").join(
            Content.assemble(*((text, style(role)) if role else text for text, role in line)) for line in self._lines
        )

    def render(self) -> Content:
        return self.content

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips = {}

    def render_line(self, y: int) -> Strip:
        if y >= len(self._lines) or self.text_selection is not None or self._folds(self._lines):
            return super().render_line(y)
        key = self._lines[y], y
        if key not in self._strips:
            # What is kept is of the lines that are shown.
            self._strips = {known: strip for known, strip in self._strips.items() if known[0] in self._lines}
            self._strips[key] = self._strip(*key)
        return self._strips[key]

    def _strip(self, line: Line, y: int) -> Strip:
        base, segments, x = self.visual_style, [], 0
        for text, role in line:
            style = base + self.get_visual_style(role) if role else base
            # Selecting by mouse asks a cell for its place in the text.
            segments.append(Segment(text, style.rich_style_with_offset(x, y)))
            x += len(text)
        return Strip(segments)

    def _folds(self, lines: tuple[Line, ...]) -> bool:
        width = self.content_size.width
        return any(sum(cell_len(text) for text, _ in line) > width for line in lines)
