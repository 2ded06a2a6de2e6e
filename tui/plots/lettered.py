"""A line plot whose lines carry letters, so that they are told apart without colour."""

from __future__ import annotations

import numpy as np

from .colours import shorten
from .lines import _BASE, _SERIES, _TITLE, LinePlot

REPEATS = 4
"""How often a line carries its letter over the width of the plot."""


class LetteredPlot(LinePlot):
    """Lines of several runs on shared axes: each carries the first letter of its name, several times over its length,
    and the heading tells the names without values."""

    def _tags(self) -> dict[int, str]:
        return {index: one.name[:1] for index, one in enumerate(self._series) if one.name and not one.marks}

    def _legend(self, longest: int, indented: bool) -> list[tuple[str, int]]:
        base, parts = self._glyph_set.base, []
        for index, one in enumerate(self._series):
            # The letter is the first one of the name already.
            rest = shorten(one.name[1:].strip(), longest, self._glyph_set.ellipsis) if longest > 4 else ""
            parts += [("   " if parts or indented else "", _BASE), (base + one.name[:1] + base, _SERIES + index)]
            parts.append((f" {rest}" if rest else "", _TITLE if len(self._series) == 1 else _BASE))
        return parts

    def _draw_tags(self, drawn: dict[int, np.ndarray], characters: np.ndarray, kinds: np.ndarray) -> None:
        taken: set[tuple[int, int]] = set()
        for order, (index, tag) in enumerate(self._tags().items()):
            columns = np.flatnonzero(drawn[index].any(axis=0))
            if not len(columns):
                continue
            # Lines that lie upon one another carry their letters beside one another.
            shift = 2 * order
            for share in np.linspace(0, 1, REPEATS + 1)[1:]:
                place = int(share * (len(columns) - 1)) - shift
                self._put_tag(tag, index, columns[: place + 1][::-1].tolist(), drawn[index], characters, kinds, taken)

    def _put_tag(self, tag, index, columns, cells, characters, kinds, taken) -> None:
        for column in columns[:6]:
            row = int(np.argmax(cells[:, column] > 0))
            if not taken & {(row, near) for near in (column - 1, column, column + 1)}:
                taken.add((row, column))
                characters[row, column], kinds[row, column] = ord(tag), _SERIES + index
                return
