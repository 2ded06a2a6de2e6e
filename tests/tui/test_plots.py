"""The terminal plots: their numbers against naive references, and what stands on the screen."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import pairwise

import numpy as np
import pytest
import textual.constants
from hypothesis import given, settings
from hypothesis import strategies as st
from reskeras_tui.plots import colours, heatmap, scale
from reskeras_tui.plots.heatmap import HeatMap, plan_rows
from reskeras_tui.plots.lines import Axes, LinePlot, Series, trace
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

pytestmark = pytest.mark.any_backend

NASTY = [0.0, -1.0, 1e-300, 1e300, -1e300, 1.0, math.nan, math.inf, -math.inf, 5e-324]
NORMS = st.sampled_from([0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, math.nan, math.inf])
FINITE = st.floats(allow_nan=False, allow_infinity=False)
examples = settings(max_examples=60)


class Host(App[None]):
    """An app that shows one widget."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget

    def lines(self) -> list[str]:
        return [strip.text for strip in self.screen._compositor.render_strips()]

    def cell(self, x: int, y: int) -> Segment:
        return next(iter(self.screen._compositor.render_strips()[y].crop(x, x + 1)))


def shown(widget: Widget, act: Callable[[Host, Pilot], object], size=(80, 24)) -> list[str]:
    """Run an app, act on it once it is laid out, and return the lines of the screen."""

    async def run() -> list[str]:
        app = Host(widget)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            result = act(app, pilot)
            if isinstance(result, Awaitable):
                await result
            await pilot.pause()
            return app.lines()

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def colourful_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textual.constants, "COLOR_SYSTEM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


def steps_and_norms(steps: int, layers: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(1, steps + 1), np.tile(10.0 ** np.linspace(-5, 0, layers), (steps, 1))


@examples
@given(st.lists(st.floats(-300, 300), min_size=1, max_size=50))
def test_robust_range_covers_the_middle_in_half_decades(values):
    low, high = scale.robust_range(np.array([*values, math.nan, -math.inf]))
    assert low <= np.percentile(values, 2) and np.percentile(values, 98) <= high
    assert high - low >= 1 and (low * 2) % 1 == 0 and (high * 2) % 1 == 0
    assert high - low < max(values) - min(values) + 2
    assert scale.robust_range(np.array([math.nan, -math.inf])) is None


def test_steady_range_holds_then_follows_and_widens_at_once():
    now = [0.0]
    steady = scale.SteadyRange(hold=5, share=0.1, clock=lambda: now[0])
    assert steady.update(np.array([-np.inf])) == (-6, 0)
    assert steady.update(np.array([-3.0, -1.0])) == (-3, -1)
    now[0] = 1
    assert steady.update(np.full(100, -2.0)) == (-3, -1), "held although the data shrank"
    assert steady.update(np.r_[np.full(95, -2.0), np.full(5, 4.0)]) == (-3, -1), "5 % outside are too few"
    assert steady.update(np.r_[np.full(80, -2.0), np.full(20, 4.0)]) == (-3, 4), "20 % widen it"
    now[0] = 7
    assert steady.update(np.full(100, -2.2)) == (-2.5, -1.5)


def test_decade_labels():
    labels = {-6: "1e-6", 0: "1e+0", -5.5: "3e-6", 0.5: "3e+0", 308.5: "3e+308", -323: "1e-323"}
    assert {log: scale.decade_label(log) for log in labels} == labels


@examples
@given(FINITE, FINITE, st.integers(1, 30))
def test_linear_axes_never_fail_and_hold_their_data(one, other, steps):
    low, high = sorted(np.clip([one, other], -scale.HUGE, scale.HUGE).tolist())
    axis_low, axis_high, _ = scale.nice_range(low, high, steps)
    slack = 1e-6 * (axis_high - axis_low)
    assert axis_low < axis_high and axis_low <= low + slack and high - slack <= axis_high
    ticks = scale.even_ticks(axis_low, axis_high, steps)
    assert len(ticks) >= 2 and all(axis_low - slack <= value <= axis_high + slack for value, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks) <= steps + 5


@examples
@given(st.floats(-320, 308), st.floats(0, 600), st.integers(1, 9))
def test_log_axes_hold_their_data(low, span, steps):
    axis_low, axis_high = scale.log_range(low, min(low + span, 309))
    assert axis_low <= low + 1e-6 and axis_high > axis_low
    ticks = scale.log_ticks(axis_low, axis_high, steps)
    assert ticks and len(ticks) <= steps + 2
    assert all(axis_low - 1e-6 <= value <= axis_high + 1e-6 for value, _ in ticks)


@examples
@given(st.lists(st.sampled_from([math.nan, math.inf, -2.0, 0.0, 1.5, 7.0]), max_size=60), st.integers(1, 20))
def test_reduction_to_columns_matches_a_loop(values, columns):
    y, x = np.array(values, float), np.arange(len(values), dtype=float)
    got = scale.reduce_to_columns(x, y, (0, max(len(values) - 1, 1)), columns)
    held: dict[int, list[int]] = {}
    for index in np.flatnonzero(np.isfinite(y)).tolist():
        held.setdefault(min(int(index / max(len(values) - 1, 1) * columns), columns - 1), []).append(index)
    assert got.column.tolist() == list(held)
    previous = None
    for position, indices in enumerate(held.values()):
        part = y[indices]
        expected = part[0], part.min(), part.max(), part[-1]
        assert expected == tuple(part[position] for part in (got.first, got.lowest, got.highest, got.last))
        joined = previous is not None and bool(np.isfinite(y[previous : indices[0]]).all())
        assert got.joined[position] == joined
        previous = indices[-1]


def naive_bin(part: np.ndarray) -> float:
    """What a column of the map shows for these norms of one layer."""
    logs = [math.log10(norm) for norm in part if 0 < norm < math.inf]
    if not logs or not np.isfinite(part).all():
        return -math.inf if np.isfinite(part).all() else math.nan
    mean = sum(logs) / len(logs)
    return min(logs) if mean - min(logs) > max(logs) - mean + 1e-6 else max(logs)


@examples
@given(st.lists(st.tuples(NORMS, NORMS), min_size=25), st.lists(st.integers(1, 24)), st.integers(1, 20))
def test_growing_time_bins_match_a_loop(values, stops, columns):
    values = np.array(values)
    bins, known = scale.TimeBins(2, capacity=8), 0
    for stop in [*sorted(stops), len(values)]:
        bins.update(values[:stop], max(known - 1, 0))
        known, room = stop, min(columns, 8)
        got, size = bins.shown(columns)
        assert math.ceil(stop / size) <= room and (size == 1 or math.ceil(2 * stop / size) > room)
        parts = [values[start : min(start + size, stop)] for start in range(0, stop, size)]
        expected = [[naive_bin(part[:, 0]), naive_bin(part[:, 1])] for part in parts]
        np.testing.assert_allclose(got, expected, atol=1e-12)


@examples
@given(st.integers(0, 300), st.integers(1, 100), st.booleans())
def test_rows_share_the_height(layers, height, half_blocks):
    plan = plan_rows(layers, height, half_blocks)
    assert plan.height <= height
    named = [label for label in plan.labels if label is not None]
    assert named == sorted(set(named))
    if layers <= height:
        assert named == list(range(layers)) and (not layers or plan.halves >= 2)
    elif half_blocks and layers <= 2 * height:
        assert plan.halves == 1 and named == list(range(0, layers, 2))
    else:
        assert plan.height == height, "groups fill the height"


def test_brightness_rises_with_the_level_and_carries_it_from_256_colours_on():
    luminance = [np.dot((0.2126, 0.7152, 0.0722), colour.triplet) for colour in colours.level_colours()]
    assert len(luminance) == 32 and np.all(np.diff(luminance) > 0)
    carries = {("truecolor", 0): 1, ("256", 0): 1, ("standard", 0): 0, (None, 0): 0, ("truecolor", 1): 0}
    for terminal, expected in carries.items():
        assert colours.colour_carries_value(colours.colour_depth(*terminal)) == expected


def test_glyph_setting():
    assert colours.resolve_glyphs("auto", {"TERM": "xterm"}, "UTF-8") == "braille"
    assert colours.resolve_glyphs("auto", {"TERM": "linux"}, "UTF-8") == "ascii"
    assert colours.resolve_glyphs("auto", {"TERM": "xterm"}, "ISO-8859-1") == "ascii"
    assert colours.resolve_glyphs("block", {"TERM": "linux"}, "ascii") == "block"
    with pytest.raises(ValueError, match=r"glyphs is one of auto, braille, block, ascii\. Received: 'dots'"):
        HeatMap(glyphs="dots")


def test_names_are_cut_in_the_middle_and_stay_one_cell_a_character():
    assert colours.shorten("stage1_block2_norm1", 10) == "sta…_norm1"
    assert [len(colours.shorten("abcdef", width)) for width in range(8)] == [0, 1, 2, 3, 4, 5, 6, 6]
    assert colours.narrow("größe 層\n\x1b") == "größe ???"
    assert colours.narrow("größe", ascii_only=True) == "gr??e"


def test_rows_that_share_a_group_or_a_cell():
    values = np.array([[1.0, 2.0, -np.inf, -np.inf, np.nan]])
    np.testing.assert_array_equal(scale.group_rows(values, np.array([0, 2, 3])), [[2, -np.inf, np.nan]])
    nan, zero = math.nan, -math.inf
    values = np.array([[0.0, nan, zero, zero, zero, 0.0, nan]])
    codes = colours.cell_codes(values, (0.0, 1.0), halves=1)
    assert codes.ravel().tolist() == [colours.MISSING, colours.ZERO, 0, colours.MISSING]
    codes = colours.cell_codes(np.array([[0.0, nan]]), (0.0, 1.0), halves=3)
    assert codes.ravel().tolist() == [0, colours.TOP_ONLY, colours.MISSING]


def test_empty_plots_say_so():
    for widget in (HeatMap(), LinePlot("loss")):
        assert sum("waiting for the first step" in line for line in shown(widget, lambda *_: None)) == 1


@pytest.mark.parametrize("layers", [5, 11, 23, 40])
def test_a_name_stands_beside_its_layer(layers):
    names = [f"layer{index}_end" for index in range(layers)]
    hot = layers // 4 * 2
    steps, values = np.arange(1, 31), np.full((30, layers), 1e-3)
    values[:, hot] = 1.0

    async def act(app: Host, pilot: Pilot) -> None:
        app.widget.set_rows(names)
        app.widget.update_data(steps, values)
        await pilot.pause()
        y = next(y for y, line in enumerate(app.lines()) if line.startswith(f"layer{hot}_end"))
        text, style, _ = app.cell(14, y)
        assert (style.color if text == "▀" else style.bgcolor) == colours.level_colours()[-1]

    lines = shown(HeatMap(), act)
    expected = names if layers <= 23 else names[::2]
    assert [name for line in lines for name in names if line.startswith(name + " ")] == expected
    assert any("step 1 … 30" in line for line in lines)


def test_one_new_step_repaints_one_column(monkeypatch):
    repainted: list[tuple] = []
    refresh = heatmap._Tile.refresh

    def record(tile, *regions, **options):
        repainted.append((tile, regions))
        return refresh(tile, *regions, **options)

    steps, values = steps_and_norms(2000, 11)
    widget = HeatMap()
    widget._steady = scale.SteadyRange(clock=lambda: 0.0)
    widget.set_rows([f"layer{index}" for index in range(11)])

    async def grow(_: Host, pilot: Pilot) -> None:
        widget.update_data(steps[:50], values[:50])
        await pilot.pause()
        monkeypatch.setattr(heatmap._Tile, "refresh", record)
        widget.update_data(steps[:50], values[:50])
        assert repainted == [], "the same data repaint nothing"
        widget.update_data(steps[:51], values[:51])
        ((tile, regions),) = repainted
        assert [(region.width, region.height) for region in regions] == [(1, tile.size.height)]
        assert tile.first + regions[0].x == 50
        repainted.clear()
        widget.update_data(steps[:51], values[:51] * np.linspace(1, 100, 51)[:, None])
        assert len(repainted) > 1, "the data of another run are noticed, though the steps are the same"

    shown(widget, grow)


def test_a_spike_of_one_step_in_100000_is_visible():
    steps, values = np.arange(1, 100_001), np.full((100_000, 4), 1e-3)
    values[70_000, 1] = 1e6
    loss = np.ones(100_000)
    loss[70_000] = 5.0
    for glyphs in ("braille", "ascii"):
        widget = HeatMap(glyphs=glyphs)
        lines = shown(widget, lambda app, _: app.widget.update_data(steps, values))
        assert any("step 1" in line and "100,000" in line for line in lines)
        rows, columns = np.nonzero(widget._codes == colours.LEVELS**2 - 1)
        assert len(set(columns.tolist())) == 1 and set((rows * 4 // len(widget._codes)).tolist()) == {1}
        plot = LinePlot(glyphs=glyphs)
        lines = shown(plot, lambda app, _: app.widget.set_series([Series("train", steps, loss, "cyan")]))
        upper_half = [line[5:].replace("┈", " ").split() for line in lines[2:10]]
        assert all(len(glyph) == 1 for glyph in upper_half) and all(len(row[0]) == 1 for row in upper_half)


@pytest.mark.parametrize("environment", ["NO_COLOR", "standard"])
def test_without_colours_glyphs_carry_the_values(monkeypatch, environment):
    if environment == "standard":
        monkeypatch.setattr(textual.constants, "COLOR_SYSTEM", "standard")
    else:
        monkeypatch.setenv("NO_COLOR", "1")
    steps, values = steps_and_norms(30, 10)
    values[10, 5], values[12, :] = math.nan, 0.0
    widget = HeatMap()
    text = "\n".join(shown(widget, lambda *_: widget.update_data(steps, values)))
    assert set(colours.RAMP) <= set(text) and f"1e-5 {colours.RAMP} 1e+0" in text
    assert "! not finite" in text and "0 exactly zero" in text and "▀" not in text
    assert widget.legend == f"1e-5 {colours.RAMP} 1e+0" and widget.scale_range == (-5, 0)


def test_ascii_forms_are_ascii():
    steps, values = steps_and_norms(3000, 30)
    values[5, 5] = math.inf
    widget = HeatMap(glyphs="ascii")
    widget.set_rows([f"größe_层_{index}_with_a_name_that_is_far_too_long" for index in range(30)])
    lines = shown(widget, lambda app, _: app.widget.update_data(steps, values))
    loss, marks = Series("größe", steps, 1 / steps, "red"), Series("val", steps, 2 / steps, "red", marks=True)
    lines += shown(LinePlot("ü", glyphs="ascii"), lambda app, _: app.widget.set_series([loss, loss, marks]))
    assert all(line.isascii() for line in lines) and any("o" in line for line in lines[26:])


def test_a_new_theme_repaints_everything():
    async def act(app: Host, pilot: Pilot) -> None:
        app.widget.update_data(*steps_and_norms(30, 10))
        await pilot.pause()
        dark = app.cell(79, 0).style
        app.theme = "textual-light"
        await pilot.pause()
        assert app.cell(79, 0).style.bgcolor != dark.bgcolor

    shown(HeatMap(), act)


def test_wrong_shapes_are_refused():
    widget = HeatMap()
    widget.set_rows(["one", "two"])
    with pytest.raises(ValueError, match=r"The map has 2 rows\. Received values of 3"):
        widget.update_data(np.arange(4), np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"Received: \(3,\) and \(4, 2\)"):
        widget.update_data(np.arange(3), np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"x and y of series 'a' have one shape"):
        LinePlot().set_series([Series("a", np.arange(3), np.arange(4), "red")])


SIZES = [(1, 1), (2, 1), (1, 5), (3, 3), (10, 2), (20, 5), (300, 100), (80, 24)]
CASES = [[], [1.0], NASTY, [math.nan] * 3, [0.0] * 5, [2.5] * 40, [1e308, -1e308]]


@pytest.mark.parametrize("glyphs", ["braille", "block", "ascii"])
@pytest.mark.parametrize("kind", ["map", "linear", "log"])
def test_nothing_raises_at_any_size(glyphs, kind):
    widget = HeatMap(glyphs=glyphs) if kind == "map" else LinePlot("t", glyphs=glyphs, log_y=kind == "log")

    async def act(app: Host, pilot: Pilot) -> None:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            for values in CASES:
                y, x = np.array(values, float), np.arange(len(values))
                if kind == "map":
                    widget.set_rows(["first_layer", "second_layer", "third"])
                    widget.update_data(x, np.stack([y, y[::-1], np.abs(y)], axis=1))
                else:
                    line, mark = Series("a", x[::-1], y, "$accent"), Series("c", x, y, "green", marks=True)
                    widget.set_series([Series("b", x, y, "bold red"), line, mark])
                await pilot.pause()
                assert [len(line) for line in app.lines()] == [size[0]] * size[1]

    shown(widget, act)


def test_lines_show_gaps_marks_ranges_and_last_values():
    x = np.arange(1, 101)
    y = np.where((x > 40) & (x < 60), np.nan, 0.5)
    series = [Series("train", x, y, "cyan"), Series("val", x[::25], x[::25] / 100, "red", marks=True)]
    plot = LinePlot("loss", y_range=(0, 1), glyphs="block")
    lines = shown(plot, lambda *_: plot.set_series(series), size=(60, 14))
    assert lines[0].startswith("loss   ─── train 0.5   ● val 0.76")
    assert lines[-1].split()[0] == "0" and lines[-1].split()[-1] == "100"
    assert sum(line[4:].count("●") for line in lines[1:]) == 4
    row = next(line[4:] for line in lines[1:-2] if "▀▀▀" in line or "▄▄▄" in line)
    assert row[:20].strip() and not row[24:30].strip(" ┈●") and row[36:].strip()


def test_unchanged_lines_are_not_repainted(monkeypatch):
    repainted: list[tuple] = []
    x = np.arange(100)
    widget = LinePlot(glyphs="braille")

    def act(*_: object) -> None:
        widget.set_series([Series("train", x, np.sin(x), "cyan")])
        monkeypatch.setattr(widget, "refresh", lambda *regions, **_: repainted.append(regions))
        widget.set_series([Series("train", x, np.sin(x), "cyan")])
        assert repainted == []
        changed = np.sin(x)
        changed[50] = 0.0
        widget.set_series([Series("train", x, changed, "cyan")])
        assert 0 < len(repainted[0]) < widget.size.height

    shown(widget, act, size=(100, 20))


def test_a_line_is_joined_and_follows_its_values():
    pixels = trace(np.array([0.0, 99.0]), np.array([0.0, 1.0]), Axes((0, 100), (0, 1), [], []), 100, 50)
    filled = [np.flatnonzero(column) for column in pixels.T]
    assert all(len(rows) for rows in filled) and filled[0][-1] == 49 and filled[-1][0] == 0
    assert all(left[0] - 1 <= right[-1] <= left[-1] for left, right in pairwise(filled))
