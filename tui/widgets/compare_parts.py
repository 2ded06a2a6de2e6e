"""Parts of the screen that compares runs: one colour scale for maps, a table of what differs, the runs in a line or two
each."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from rich.text import Text
from textual.binding import Binding
from textual.content import Content
from textual.widgets import DataTable

from .. import words
from ..comparing import Compared, Comparison, differences, headline, loss_then_and_now
from ..plots.colours import shorten
from ..plots.heatmap import HeatMap
from ..plots.scale import Range, SteadyRange

DARK_COLOURS = ("#56b4e9", "#e69f00", "#2fbf9b", "#f0e442", "#cc79a7", "#ff7f50", "#b0a4ff", "#c8c8c8")
LIGHT_COLOURS = ("#0072b2", "#b35c00", "#00795a", "#7a6a00", "#a8437e", "#d0310a", "#5b45c7", "#444444")
"""A colour for each run, after Okabe and Ito (2008), apart from each other for colour-blind eyes too."""


def colours(dark: bool) -> tuple[str, ...]:
    """Return the colours of the runs under a theme."""
    return DARK_COLOURS if dark else LIGHT_COLOURS


class GivenRange(SteadyRange):
    """A colour scale that is given from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.given: Range = (-6.0, 0.0)

    def update(self, values: np.ndarray) -> Range:
        return self.given


class SharedMap(HeatMap):
    """A heat map on a colour scale that it shares with others."""

    def __init__(self, scale: GivenRange, id: str | None = None) -> None:
        super().__init__(id=id)
        self._steady = scale


class CompareTable(DataTable):
    """A row for each run: results, and the settings in which the runs differ."""

    BINDINGS: ClassVar = [Binding("enter,o", "select_cursor", "Open", key_display="enter")]

    def __init__(self, id: str | None = None) -> None:
        super().__init__(cursor_type="row", zebra_stripes=False, id=id)
        self._shown: tuple[list[str], list[list[str]]] = ([], [])

    def show(self, comparison: Comparison) -> None:
        """Show the runs; where only cells changed, only these are drawn anew."""
        headings, rows = table_of(comparison)
        if headings != self._shown[0] or len(rows) != len(self._shown[1]):
            self.clear(columns=True)
            for heading in headings:
                self.add_column(heading, key=heading)
            for each, row in zip(comparison.runs, rows, strict=True):
                self.add_row(*map(_text, row), key=each.letter)
        else:
            for each, row, before in zip(comparison.runs, rows, self._shown[1], strict=True):
                for heading, cell, old in zip(headings, row, before, strict=True):
                    if cell != old:
                        self.update_cell(each.letter, heading, _text(cell), update_width=True)
        self._shown = headings, rows


def _text(cell: str) -> Text:
    return Text(cell, no_wrap=True)


def table_of(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells of the table of what differs, with the results; ★ marks the best of each."""
    runs, differing = comparison.runs, differences(comparison.runs)
    results = [each.results for each in runs]
    best = {
        name: _best([each[name] for each in results], least=name == "loss")
        for name in ("loss", "accuracy", "validation", "test")
    }
    # What tells the runs apart comes first: on a narrow screen, names of runs are what can be scrolled to.
    headings = ["", *(name.replace("_", " ") for name in differing), *best, "step", "state", "run"]
    rows = []
    for place, each in enumerate(runs):
        row = [each.letter, *(_value(values[place]) for values in differing.values())]
        for name, winner in best.items():
            value = results[place][name]
            row.append((words.number(value) if name == "loss" else words.share(value)) + (" ★" * (place == winner)))
        sign = words.state_sign(each.snapshot.state)
        rows.append([*row, f"{each.snapshot.step:,}", f"{sign.symbol} {sign.word}", each.snapshot.run.name])
    return headings, rows


def _best(values: list[float | None], least: bool) -> int | None:
    """Return the place of the best value; None where fewer than two are known, or several are equally good."""
    known = [(value, place) for place, value in enumerate(values) if value is not None and value == value]
    if len(known) < 2:
        return None
    winner = min(known)[1] if least else max(known, key=lambda pair: pair[0])[1]
    return winner if [value for value, _ in known].count(values[winner]) == 1 else None


def _value(value: Any) -> str:
    if value is None:
        return words.UNKNOWN
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else str(value)


def glance(comparison: Comparison, dark: bool, width: int) -> Content:
    """Return which run is ahead, and each run with its results and its worst verdict."""
    lines = [Content.styled(said, "bold")] if (said := headline(comparison.runs)) else []
    for each, colour in zip(comparison.runs, colours(dark), strict=False):
        sign = words.state_sign(each.snapshot.state)
        name = shorten(each.snapshot.run.name, max(width // 3, 12))
        told = f"  {sign.symbol} {sign.word}  {_results(each)}"
        lines.append(Content.assemble((f"─{each.letter}─ ", colour), (name, "bold"), told))
        lines.append(Content(f"    {span_of(each)}{verdict_lines(each)[0]}"))
    return Content("\n").join(lines)


def _results(each: Compared) -> str:
    loss, results, parts = loss_then_and_now(each.snapshot), each.results, []
    if loss:
        parts.append(f"loss {words.number(loss[0], 3)} → {words.number(loss[1], 3)}")
    for name in ("test", "validation", "accuracy"):
        if results[name] is not None and results[name] == results[name]:
            parts.append(f"{name} {words.share(results[name])}")
            break
    return "  ".join(parts) or "nothing measured yet"


def span_of(each: Compared) -> str:
    """Return by how much the profile changes over depth, or nothing where there is none."""
    slope = each.slope
    return f"{slope.decades:.1f} decades over depth; " if slope.decades == slope.decades else ""


def verdict_lines(each: Compared) -> list[str]:
    """Return what can be said of a run, worst first, a line each."""
    if each.snapshot.trouble:
        return [f"✗ {each.snapshot.trouble}"]
    return [f"{one.symbol} {one.kind}: {one.text}" for one in each.verdicts] or ["• no verdict yet"]
