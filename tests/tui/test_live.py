"""The live screen follows a folder that grows, and says how a run ended."""

import itertools
import json

import numpy as np
import pytest
from recorded import RecordedRun
from reskeras_tui.curves import thinned
from reskeras_tui.follow import RunReader
from reskeras_tui.kept import MOST_ROWS, Norms
from reskeras_tui.log_reader import plain_line
from reskeras_tui.rows import of_blocks
from reskeras_tui.screens.live import LiveScreen
from reskeras_tui.widgets.run_status import RunStatus
from watching import text_of, until, words_of

from reskeras.runs import launch
from reskeras.runs.tables import cut_table

pytestmark = pytest.mark.any_backend


def status(app) -> str:
    return str(app.screen.query_one("#status", RunStatus).content)


def test_a_growing_run_is_shown_while_it_grows(bench, tmp_path):
    run = RecordedRun(tmp_path)

    async def story(app, pilot):
        await until(pilot, lambda: isinstance(app.screen, LiveScreen), "the live run")
        await until(pilot, lambda: "starting" in status(app))
        run.begin()
        await until(pilot, lambda: "running" in status(app))
        assert f"{run.parameters:,} parameters" in status(app) and "jax on cpu:0" in status(app)
        run.grow(60)
        await until(pilot, lambda: "step 60 of 200" in status(app), "step 60")
        assert "epoch 2 of 4" in status(app) and "40 steps/s" in status(app) and "left" in status(app)
        heatmap, loss = app.screen.query_one("#heatmap"), app.screen.query_one("#loss")
        assert len(heatmap._names) == run.layers and len(heatmap._steps) == 60
        run.grow(50)
        await until(pilot, lambda: len(heatmap._steps) == 110, "the map to grow")
        await until(pilot, lambda: [one.name for one in loss._series] == ["loss", "validation"], "the curves")
        await until(pilot, lambda: len(loss._series[0].x) == 55 and list(loss._series[1].x) == [50, 100])
        assert "k1_conv1" in text_of(app)
        await pilot.press("b")
        await until(pilot, lambda: len(heatmap._names) == run.layers // 2, "blocks")
        run.grow(90).log("\x1b[31mall\x1b[0m done\n").finish(test_bits_per_character=2.345)
        await until(pilot, lambda: "✓ finished" in status(app), "the end")
        assert "97.2 %" in status(app) and "bits per character 2.345" in status(app)
        assert str(run.run.model_path) in status(app)
        assert "step 200 of 200" in status(app)
        await pilot.press("l")
        await until(pilot, lambda: "all done" in text_of(app))

    bench(story)
    run.close()


def test_a_thousand_layers_are_groups_that_open(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=1000).begin().grow(40)

    async def story(app, pilot):
        await until(pilot, lambda: app.screen.query("#heatmap"), "the map")
        heatmap = app.screen.query_one("#heatmap")
        await until(pilot, lambda: len(heatmap._names) == 24 and len(heatmap._steps) == 40, "groups")
        assert heatmap._names[0] == "+ stage1_block1 to stage1_block21"
        norms = run.run.series("gradient_norm", "block").largest
        np.testing.assert_allclose(heatmap._values[:, 0], norms[:, :21].max(1))
        await pilot.press("down", "enter")
        # The other groups stand aside, in one row.
        await until(pilot, lambda: len(heatmap._names) == 1 + 21 + 1, "the blocks of the first group")
        assert heatmap._names[-1] == "+ stage1_block22 to stage1_block500"
        assert heatmap._names[:3] == ["- stage1_block1 to stage1_block21", "  + stage1_block1", "  + stage1_block2"]
        np.testing.assert_allclose(heatmap._values[:, 1:22], norms[:, :21])
        np.testing.assert_allclose(heatmap._values[:, 22], norms[:, 21:].max(1))
        heatmap.select(1)
        await pilot.press("enter")
        await until(pilot, lambda: len(heatmap._names) == 1 + 21 + 1 + 2, "the layers of the first block")
        assert heatmap._names[2:4] == ["    stage1_block1_conv1", "    stage1_block1_conv2"]
        np.testing.assert_allclose(heatmap._values[:, 2:4], run.run.series("gradient_norm", "layer").largest[:, :2])
        await pilot.press("enter")
        await until(pilot, lambda: len(heatmap._names) == 1 + 21 + 1, "the block closed")
        heatmap.select(22)
        await until(pilot, lambda: "enter shows all groups" in words_of(app, "#reading"))
        await pilot.press("enter")
        await until(pilot, lambda: len(heatmap._names) == 24 and heatmap.row == 1, "all groups, the cursor on the next")
        await pilot.press("b")
        await until(pilot, lambda: len(heatmap._names) == 1000, "layers")
        starts = heatmap._plan.groups
        sizes = np.diff([*starts, 1000])
        assert starts[0] == 0 and sizes.min() >= 1 and sizes.max() - sizes.min() <= 1

    bench(story, size=(80, 24))
    run.close()


def test_groups_hold_groups_until_a_block_is_reached():
    blocks = tuple(f"block{place}" for place in range(5000))
    members = {name: [(f"{name}_conv", place)] for place, name in enumerate(blocks)}
    opened, goal = frozenset(), 3210
    for level, most in enumerate((24, 28, 28, 28)):
        rows = of_blocks(blocks, members.__getitem__, opened)
        assert len(rows) <= most
        closed = [row for row in rows if row.kind != "layer" and not row.open]
        covered = [place for row in closed for place in range(row.first, row.last)]
        assert sorted([*covered, *(row.first for row in rows if row.kind == "block" and row.open)]) == list(range(5000))
        [row] = [row for row in closed if row.first <= goal < row.last] or [None]
        if level < 3:
            assert row.level == level and not row.shuts
            opened |= row.changes
    assert [row.name for row in rows if row.level == 3] == ["block3210_conv"]
    aside = [row for row in rows if row.shuts]
    assert {row.level for row in aside} == {0, 1} and aside[0].first == 0 and aside[-1].last == 5000
    for row in aside:
        opened -= row.changes
    assert len(of_blocks(blocks, members.__getitem__, opened)) == 24


def test_each_end_is_told(bench, tmp_path):
    ends = {
        "✗ failed": RecordedRun(tmp_path).begin().grow(10).finish("failed", "The loss is not a number since step 9."),
        "■ stopped": RecordedRun(tmp_path).begin().grow(10).finish("stopped"),
        "! crashed": RecordedRun(tmp_path).begin().grow(10),
    }
    ends["! crashed"].close()

    async def story(app, pilot):
        for text, recorded in ends.items():
            app.show_run(recorded.run)
            await until(pilot, lambda text=text: text in status(app), text)
            shown = status(app)
            if "failed" in text:
                assert "not a number since step 9" in shown
            elif "crashed" in text:
                assert str(recorded.run.log_path) in shown
            else:
                assert "97.2 %" in shown and "model.keras" in shown
            await pilot.press("s")
            assert not recorded.run.commands_path.exists(), "an ended run takes no command"

    bench(story, size=(80, 24), run=ends["! crashed"].run)


def test_stop_leaves_a_command_and_says_so(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(10)

    async def story(app, pilot):
        await until(pilot, lambda: "running" in status(app))
        await pilot.press("s")
        await until(pilot, lambda: "stop requested" in status(app))
        (command,) = run.run.commands_path.iterdir()
        assert json.loads(command.read_text()) == {"command": "stop"}
        await pilot.press("s")
        assert len(list(run.run.commands_path.iterdir())) == 1, "one command is enough"
        command.unlink()
        run.events.write("stopping", command=command.stem)
        await until(pilot, lambda: "stopping" in status(app))
        run.finish("stopped")
        await until(pilot, lambda: "■ stopped" in status(app))

    bench(story)


def test_all_screens_are_a_key_away(bench, tmp_path):
    ended = RecordedRun(tmp_path).begin().grow(20).finish()
    live = RecordedRun(tmp_path).begin().grow(20)

    async def story(app, pilot):
        await until(pilot, lambda: live.run.name in status(app), "the live run first")
        await pilot.press("r")
        table = app.screen.query_one("#runs")
        await until(pilot, lambda: table.row_count == 2)
        assert [row["folder"] for row in table.rows] == [str(each.run.folder) for each in (live, ended)]
        assert "● running" in text_of(app) and "✓ finished" in text_of(app) and "97.2 %" in text_of(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "✓ finished" in status(app))
        await pilot.press("question_mark")
        await until(pilot, lambda: "Keys" in text_of(app) and "Ask the worker for a checkpoint now" in text_of(app))
        await pilot.press("end")
        await until(pilot, lambda: "Closing this program never ends a run" in text_of(app))
        await pilot.press("escape", "d")
        await until(pilot, lambda: app.screen.query("#form"))
        await pilot.press("f4")
        await until(pilot, lambda: "✓ finished" in status(app))
        await pilot.press("q")

    bench(story)
    live.close()


def test_an_unreadable_folder_is_told_not_thrown(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(5)
    (run.run.folder / "weights.json").write_text('{"format": 2, "weights": [{"path": 1}]}')

    async def story(app, pilot):
        await until(pilot, lambda: "damaged" in status(app))

    bench(story)
    run.close()


def test_one_key_pauses_a_run_and_lets_it_go_on(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(10)

    def asked():
        (command,) = run.run.commands_path.iterdir()
        words = json.loads(command.read_text())
        command.unlink()
        return words

    async def story(app, pilot):
        await until(pilot, lambda: "running" in status(app) and "p Pause" in text_of(app), "a run to pause")
        await pilot.press("p")
        await until(pilot, lambda: "pausing" in status(app), "the request")
        assert asked() == {"command": "pause"}
        run.events.write("paused", step=10)
        await until(pilot, lambda: "paused" in status(app) and "p Resume" in text_of(app), "the pause")
        await pilot.press("p")
        await until(pilot, lambda: list(run.run.commands_path.iterdir()), "the request")
        assert asked() == {"command": "resume"}
        run.events.write("continued", step=10)
        await until(pilot, lambda: "running" in status(app) and "p Pause" in text_of(app), "the end of the pause")

    bench(story, size=(100, 30))
    run.close()


def test_a_stopped_run_goes_on_from_the_screen(bench, tmp_path, monkeypatch):
    run, started = RecordedRun(tmp_path).begin().grow(10).finish("stopped"), []

    def start(run, warm=None):
        if started:
            raise OSError(12, "Cannot allocate memory")
        started.append(run.name)

    monkeypatch.setattr(launch, "start", start)

    async def story(app, pilot):
        await until(pilot, lambda: "stopped" in status(app) and "p Resume" in text_of(app), "a run that can go on")
        before = app.screen
        await pilot.press("p")
        await until(pilot, lambda: started == [run.run.name] and app.screen is not before, "the worker")
        await until(pilot, lambda: "p Resume" in text_of(app), "the run as it still is")
        await pilot.press("p")
        await until(
            pilot, lambda: any("Cannot allocate memory" in each.message for each in app._notifications), "the reason"
        )

    bench(story, size=(100, 30), run=run.run)


def test_norms_are_read_once_and_kept_small(tmp_path):
    run = RecordedRun(tmp_path, layers=4, steps=10_000).begin()
    reader = RunReader(run.run)
    for _ in range(5):
        run.grow(1000)
        snapshot = reader.read()
        norms = run.run.series("gradient_norm")
        assert snapshot.names == norms.names and len(snapshot.steps) <= MOST_ROWS + 1
        assert snapshot.steps[-1] == norms.last[-1] == snapshot.step
        np.testing.assert_allclose(snapshot.norms.max(axis=0), norms.largest.max(axis=0))
    run.close()


def test_a_run_that_goes_on_is_read_anew_from_where_it_does(tmp_path):
    run = RecordedRun(tmp_path, layers=4).begin().grow(100).finish()
    reader = RunReader(run.run)
    before = reader.read()
    assert before.steps[-1] == 100 and "tested" in before.events and before.fact("test_accuracy") == 0.9722
    cut_table(run.run.folder / "weights", 40, np.empty(0, np.uint8))
    run.events.write("starting", backend="torch", pid=1)
    after = reader.read()
    assert after.steps.tolist() == list(range(1, 41))
    np.testing.assert_array_equal(after.norms, before.norms[:40])
    assert "tested" not in after.events and after.fact("test_accuracy") is None and after.fact("backend") == "torch"


def test_the_newest_fact_is_the_one_written_last_whatever_the_clock_says(tmp_path):
    run = RecordedRun(tmp_path).begin()
    with open(run.run.events_path, "a") as log:
        log.write('{"time": 5.0, "event": "training", "steps": 77}\n')
    assert RunReader(run.run).read().fact("steps") == 77
    run.close()


@pytest.mark.parametrize("piece", (1, 7, 500, 5000))
def test_norms_do_not_depend_on_how_they_arrive(piece):
    numbers = np.random.default_rng(0)
    values, steps = numbers.random((9001, 3)), np.arange(1, 9002)
    norms = Norms()
    for start in range(0, len(steps), piece):
        norms.add(steps[start : start + piece], values[start : start + piece])
    shown_steps, shown = norms.rows()
    assert norms.read == 9001 and shown_steps[-1] == 9001 and len(shown) == len(shown_steps) <= MOST_ROWS + 1
    edges = np.concatenate([[0], shown_steps])
    for row, (first, last) in enumerate(itertools.pairwise(edges)):
        np.testing.assert_array_equal(shown[row], values[first:last].max(axis=0))


def test_long_curves_keep_their_spikes(tmp_path):
    run = RecordedRun(tmp_path, layers=1, steps=20).begin().grow(2)
    curve = np.tile(run.run.curve(), 50_000)
    curve["step"] = np.arange(len(curve))
    curve["loss"][31_337] = 99.0
    kept = thinned(curve)
    assert len(kept) <= 4200 and kept["loss"].max() == 99.0 and (np.diff(kept["step"].astype(int)) > 0).all()
    run.close()


def test_log_lines_are_plain():
    assert plain_line(b"\x1b[1;31mred\x1b[0m\ttext\r") == "red    text"
    assert plain_line(b"10 %\r50 %\r100 %") == "100 %"
    assert plain_line(b"\x1b]0;title\x07x\x08\xff") == "x\ufffd"
