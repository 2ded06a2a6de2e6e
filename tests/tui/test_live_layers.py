"""The layers of a run on the live screen: quantities, the cursor, the profile, the table, the verdicts, steering."""

import json

import numpy as np
import pytest
from recorded import RecordedRun
from reskeras_tui.courses import QUANTITIES, Courses, View
from reskeras_tui.follow import RunReader
from reskeras_tui.lacking import why_lacking
from reskeras_tui.screens.adjust import AdjustScreen
from reskeras_tui.widgets.cursor_map import CursorMap
from textual.widgets import Input
from watching import text_of, until, words_of

from reskeras.runs.tables import cut_table
from reskeras.verdicts import slope_over_depth
from reskeras.verdicts.depth import trend

pytestmark = pytest.mark.any_backend


async def shown(pilot, app, step):
    await until(pilot, lambda: f"step {step} of" in text_of(app) and app.screen.query_one("#heatmap")._steps.size)
    return app.screen.query_one("#heatmap")


def test_a_key_goes_through_the_quantities(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=12, probes=True).begin().grow(40)

    async def story(app, pilot):
        heatmap = await shown(pilot, app, 40)
        for quantity, heading in zip(
            (*QUANTITIES[1:], QUANTITIES[0]),
            ("dE/dx of each block", "update ratio", "forward RMS", "branch over skip", "weight norm", "gradient norm"),
            strict=True,
        ):
            await pilot.press("m")
            by = "block" if quantity in ("backward_norm", "forward_rms", "branch_ratio") else "layer"
            wanted = run.run.series(quantity, by).largest
            await until(pilot, lambda heading=heading: heading in words_of(app, "#heatmap-title"), heading)
            await until(pilot, lambda wanted=wanted: heatmap._values.shape == wanted.shape, heading)
            np.testing.assert_array_equal(heatmap._values, wanted)

    bench(story)
    run.close()


def test_a_quantity_that_is_not_measured_says_how_to_get_it(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=12).begin().grow(40)

    async def story(app, pilot):
        heatmap = await shown(pilot, app, 40)
        await pilot.press("m")
        await until(pilot, lambda: "reskeras" not in words_of(app, "#lacking") and words_of(app, "#lacking"))
        assert words_of(app, "#lacking") == (
            "dE/dx is measured from telemetry probes on, and this run has norms. "
            "Start a run with --telemetry probes to see it."
        )
        assert "--telemetry probes" in text_of(app) and not heatmap._steps.size
        for _ in QUANTITIES[1:]:
            await pilot.press("m")
        await until(pilot, lambda: len(heatmap._steps) == 40 and not words_of(app, "#lacking"), "the gradient again")

    bench(story)
    run.close()


def test_what_is_switched_off_can_be_switched_on(tmp_path):
    settings = RecordedRun(tmp_path, probes=True).run.settings
    assert "Press a and set it to probes" in why_lacking("forward_rms", "norms", settings, "running")
    assert "Press a and set it to norms" in why_lacking("gradient_norm", "off", settings, "running")
    assert "--telemetry probes" in why_lacking("forward_rms", "norms", settings, "finished")
    assert why_lacking("forward_rms", "probes", settings, "running") == ""
    assert "ended before" in why_lacking("forward_rms", "probes", settings, "failed")


@pytest.mark.parametrize("size", ((80, 24), (160, 48)))
def test_the_cursor_reads_layer_step_and_exact_value(bench, tmp_path, size):
    run = RecordedRun(tmp_path, layers=12).begin().grow(30)
    norms = run.run.series("gradient_norm", "layer")

    def told():
        return words_of(pilot_app[0], "#reading")

    pilot_app = []

    async def story(app, pilot):
        pilot_app.append(app)
        heatmap = await shown(pilot, app, 30)
        await until(pilot, lambda: app.focused is heatmap, "the focus on the map")
        assert "arrow keys" in told()
        await pilot.press("down")
        first, newest = norms.names[0], float(norms.largest[-1, 0])
        await until(pilot, lambda: first in told() and "step 30" in told() and f"{newest:.6g}" in told(), "row 1")
        assert "╋" in text_of(app) or "X" in text_of(app)
        row = heatmap._plan.groups[1]
        await pilot.press("down", "left", "left")
        # A cell may stand for several layers: it reads the largest.
        value, name = max((float(norms.largest[27, place]), norms.names[place]) for place in range(row, _end(heatmap)))
        await until(pilot, lambda: "step 28" in told() and name in told() and f"{value:.6g}" in told(), "two earlier")
        run.grow(5)
        await shown(pilot, app, 35)
        assert "step 28" in told(), "the cursor stays at its step"
        await pilot.press("end")
        await until(pilot, lambda: "step 35" in told())
        await pilot.press("home")
        await until(pilot, lambda: "step 1 " in told())
        await pilot.click(heatmap, offset=(heatmap.size.width // 3 + 2, 0))
        await until(pilot, lambda: first in told() and "step 1 " not in told(), "the mouse")

    def _end(heatmap):
        return [*heatmap._plan.groups, 12][2]

    bench(story, size=size)
    run.close()


def test_a_joined_cell_reads_the_value_that_it_shows(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=4, steps=2000).begin().grow(500)
    norms = run.run.series("gradient_norm", "layer").largest

    async def story(app, pilot):
        heatmap = await shown(pilot, app, 500)
        heatmap.select(2)
        for _ in range(3):
            heatmap.action_move(0, -1)
            found = heatmap.reading()
            assert found.first == found.last, "each row is a step"
            assert found.value == norms[found.last - 1, found.row]
            begin = (found.last - 1) // heatmap._bin_steps * heatmap._bin_steps
            part = norms[begin : begin + heatmap._bin_steps, found.row]
            assert heatmap._bin_steps > 1 and found.value in (part.min(), part.max())

    bench(story, size=(80, 24))
    run.close()


def test_the_profile_has_start_slope_and_span(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=24, probes=True).begin().grow(150)

    async def story(app, pilot):
        await shown(pilot, app, 150)
        await pilot.press("v")
        plot = app.screen.query_one("#profile")
        await until(pilot, lambda: len(plot._series) == 2 and plot.size.height > 2, "the profile")
        norms = run.run.series("gradient_norm", "layer").median
        start, now = plot._series
        np.testing.assert_allclose(now.y, np.median(norms[-100:], axis=0), rtol=1e-5)
        np.testing.assert_allclose(start.y, np.median(norms[:10], axis=0), rtol=1e-5)
        slope = slope_over_depth(now.y)
        assert f"slope {slope.per_block:+.3g} decades a layer" in words_of(app, "#slope")
        assert f"span {slope.decades:.2g} decades" in words_of(app, "#slope")
        await pilot.press("m")
        await until(pilot, lambda: "slope +0.5 decades a block" in words_of(app, "#slope"), "dE/dx")
        assert f"{trend(run.run.series('backward_norm')).per_block:+.3g}" == "+0.5"

    bench(story, size=(80, 24))
    run.close()


def test_the_profile_stands_beside_the_map_where_there_is_room(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=24).begin().grow(50)

    async def story(app, pilot):
        heatmap = await shown(pilot, app, 50)
        await until(pilot, lambda: "slope" in text_of(app), "the profile")
        assert heatmap.size.height > 8 and app.screen.query_one("#profile").size.height >= 6
        await pilot.press("v")
        await until(pilot, lambda: "24 rows" in text_of(app) or "times" in text_of(app), "the table")
        assert heatmap.size.height > 8

    bench(story, size=(160, 48))
    run.close()


def test_one_cursor_is_in_map_and_table(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=60, probes=True).begin().grow(40)

    async def story(app, pilot):
        heatmap = await shown(pilot, app, 40)
        await pilot.press("v", "v")
        table = app.screen.query_one("#table")
        await until(pilot, lambda: app.focused is table and "weight" in text_of(app), "the table with all quantities")
        await pilot.press("down", "down", "pagedown")
        await until(pilot, lambda: table.row == 11 and heatmap.row == 11, "the cursor in both")
        name = run.run.series("gradient_norm").names[11]
        assert name in text_of(app), "the table follows its cursor"
        await pilot.press("v", "v")
        await until(pilot, lambda: app.focused is heatmap and name in words_of(app, "#reading"), "the map")
        await pilot.press("up")
        await until(pilot, lambda: table.row == heatmap.row < 11)
        await pilot.press("b", "v", "v")
        await until(pilot, lambda: "+ stage1_block2" in text_of(app) and "dE/dx" in text_of(app), "blocks")
        table.select(0)
        await pilot.press("enter")
        await until(pilot, lambda: "- stage1_block1" in text_of(app) and "stage1_block1_conv2" in text_of(app))

    bench(story, size=(80, 24))
    run.close()


def test_verdicts_are_told_with_a_symbol_and_in_full(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=40, probes=True).begin().grow(40)

    async def story(app, pilot):
        await until(pilot, lambda: "✘ severe, vanishing: stage1_block1" in text_of(app), "the verdict")
        assert "rises by" not in text_of(app), "cut to the width"
        await pilot.press("v", "v", "v")
        await until(pilot, lambda: "rises by 0.5" in text_of(app), "the verdict in full")

    bench(story, size=(80, 24))
    run.close()


def test_verdicts_are_not_asked_for_at_each_reading(tmp_path, monkeypatch):
    run = RecordedRun(tmp_path, layers=4).begin().grow(20)
    reader, clock = RunReader(run.run), [100.0]
    monkeypatch.setattr("reskeras_tui.follow.time.monotonic", lambda: clock[0])
    first = reader.read()
    assert first.verdicts is None
    assert reader.judge(first).verdicts
    assert reader.judge(first) is None
    run.grow(5)
    assert reader.judge(first) is None, "too early"
    clock[0] += 6
    assert reader.judge(first) is not None
    clock[0] += 60
    assert reader.judge(first) is None, "nothing new"
    assert reader.read().verdicts == reader.judge(first) or reader.read().verdicts
    run.close()


def test_learning_rate_telemetry_and_checkpoint_are_asked_for_and_acknowledged(bench, tmp_path):
    run = RecordedRun(tmp_path, probes=True).begin().grow(20)

    def asked():
        found = [json.loads(path.read_text()) for path in sorted(run.run.commands_path.iterdir())]
        return {each["command"]: each.get("value") for each in found}

    async def story(app, pilot):
        await shown(pilot, app, 20)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AdjustScreen) and isinstance(app.focused, Input))
        await pilot.press(*"-1", "enter")
        await until(pilot, lambda: "A learning rate is a number above 0" in text_of(app), "the error")
        await pilot.press("backspace", "backspace", *"1e-4", "down", "right", "ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, AdjustScreen), "the end of the dialog")
        assert asked() == {"learning_rate": 1e-4, "telemetry": "deep"}
        await until(pilot, lambda: "learning rate 0.0001 asked for, not taken up yet" in text_of(app))
        await pilot.press("k")
        await until(pilot, lambda: "checkpoint asked for" in text_of(app))
        assert asked()["checkpoint"] is None and len(asked()) == 3
        for path in run.run.commands_path.iterdir():
            path.unlink()
        run.events.write("telemetry", level="probes", steps=20, callback_seconds=0.1, reader_seconds=1.0, seconds=5.0)
        run.events.write("answer", done=True, asked="learning_rate", value=1e-4, step=21)
        await until(pilot, lambda: "✓ learning rate 0.0001 at step 21" in text_of(app), "the answer")
        assert "not taken up yet" not in text_of(app)
        assert "telemetry probes, 2.0 % of the time   learning rate 0.09" in words_of(app, "#status")
        run.events.write("answer", done=False, asked="checkpoint", step=22, refusal="The disk is full.")
        await until(pilot, lambda: "✗ checkpoint refused: The disk is full." in text_of(app), "the refusal")

    bench(story, size=(100, 30))
    run.close()


def test_curves_change_metric_axis_and_smoothing(bench, tmp_path):
    run = RecordedRun(tmp_path, probes=True).begin().grow(60)
    run.events.write("epoch", epoch=2, step=60, loss=0.5, accuracy=0.8, span_f1=0.4, validation_span_f1=0.3)

    async def story(app, pilot):
        await shown(pilot, app, 60)
        loss, metric = app.screen.query_one("#loss"), app.screen.query_one("#metric")
        assert loss.log_y and not app.screen.query_one("#accuracy").log_y
        raw = loss._series[0].y
        await pilot.press("t")
        await until(pilot, lambda: loss._series[0].name == "loss, mean of 10")
        assert loss._series[0].y[-1] == pytest.approx(raw[-10:].mean())
        await pilot.press("t", "t", "y", "y")
        await until(pilot, lambda: loss._series[0].name == "loss" and not loss.log_y)
        await pilot.press("c")
        await until(pilot, lambda: metric.display and metric._series[0].name == "span_f1" and "span_f1" in text_of(app))
        await pilot.press("c")
        await until(pilot, lambda: metric._series[0].name == "learning rate" and len(metric._series[0].x) == 60)
        await pilot.press("c")
        await until(pilot, lambda: app.screen.query_one("#accuracy").display and not metric.display)

    bench(story, size=(130, 40))
    run.close()


def test_blocks_are_read_from_where_they_are_probed(tmp_path):
    run = RecordedRun(tmp_path, layers=8, probes=True).begin().grow(10)
    known = run.blocks.header
    # Without probes there are rows all the same, without a number.
    run.blocks.add(np.array([11]), np.full((1, len(known.statistics), known.width), np.nan, np.float32))
    courses = Courses(run.run)
    assert courses.read(View("forward_rms")).steps.tolist() == list(range(1, 11))
    broken = np.full((1, len(known.statistics), known.width), np.nan, np.float32)
    broken[0, known.statistics.index("dead_share")] = 0
    run.blocks.add(np.array([12]), broken)
    found = courses.read(View("forward_rms"))
    assert found.steps[-1] == 12 and np.isnan(found.values[-1]).all(), "an output that is not finite is seen"
    run.close()


def test_a_profile_begins_anew_with_a_run_that_is_cut_back(tmp_path):
    run = RecordedRun(tmp_path, layers=4).begin().grow(300).finish()
    courses = Courses(run.run)
    assert courses.read(View()).steps[-1] == 300
    cut_table(run.run.folder / "weights", 40, np.empty(0, np.uint8))
    found = courses.read(View())
    norms = run.run.series("gradient_norm", "layer").median
    assert found.steps.tolist() == list(range(1, 41))
    np.testing.assert_allclose(found.profile.now, np.median(norms, axis=0), rtol=1e-5)


def test_what_is_read_bit_by_bit_is_what_is_read_at_once(tmp_path):
    run = RecordedRun(tmp_path, layers=6, steps=1000).begin()
    view, growing = View("gradient_norm", "block", frozenset({"stage1_block2"})), Courses(run.run)
    for _ in range(7):
        run.grow(33)
        found = growing.read(view)
    whole = Courses(run.run).read(view)
    assert [row.name for row in found.rows] == [
        *("stage1_block1", "stage1_block2", "stage1_block2_conv1", "stage1_block2_conv2", "stage1_block3")
    ]
    np.testing.assert_array_equal(found.values, whole.values)
    np.testing.assert_array_equal(found.profile.now, whole.profile.now)
    np.testing.assert_array_equal(found.profile.start, whole.profile.start)
    run.close()


def test_the_cursor_map_takes_any_data():
    heatmap = CursorMap()
    assert heatmap.row is None and heatmap.reading() is None
    heatmap.select(5)
    assert heatmap.row is None and heatmap.reading() is None
