"""The terminal UI on runs that somebody's own script trains: any metrics, or none, and no end in sight."""

import os

import numpy as np
import pytest
from recorded import RecordedRun
from reskeras_tui import run_list
from reskeras_tui.follow import RunReader
from reskeras_tui.screens.live import LiveScreen
from script_runs import ScriptRun
from watching import text_of, until, words_of

pytestmark = pytest.mark.any_backend


def test_a_run_without_accuracy_and_without_an_end_is_shown(bench, tmp_path):
    run = ScriptRun(tmp_path / "mine", epochs=3)

    async def story(app, pilot):
        await until(pilot, lambda: "running" in words_of(app, "#status"))
        shown = words_of(app, "#status")
        assert "my_model (Functional) with Lion" in shown and "1,234 parameters" in shown and "torch on cpu" in shown
        assert "accuracy" not in shown and "testing" not in shown and "left" not in shown
        run.grow([1, 2, 3, 4]).grow([1, 2, 3, 4], loss=0.25)
        run.epoch(1, loss=0.5, mae=0.125, validation_loss=0.75, validation_mae=0.375)
        await until(pilot, lambda: "step 2 " in words_of(app, "#status"))
        await until(pilot, lambda: "mae 0.125, validation 0.375" in words_of(app, "#status"))
        assert "loss 0.25   validation 0.75 " in words_of(app, "#status").replace("\n", "   ") + " "
        assert len(app.screen.query_one("#heatmap")._names) == 4
        assert not app.screen.query_one("#accuracy").display
        metric = app.screen.query_one("#metric")
        await until(pilot, lambda: metric.display, "the metric")
        shown = [(one.name, list(one.y)) for one in metric._series]
        assert shown == [("mae", [0.125]), ("validation", [0.375])]
        await pilot.press("s")
        assert not run.run.commands_path.exists(), "the script takes no commands"
        run.finish()
        await until(pilot, lambda: "✓ finished" in words_of(app, "#status"))
        assert "model.keras" not in words_of(app, "#status")
        await pilot.press("question_mark")
        await until(pilot, lambda: "Keys" in text_of(app))
        await pilot.press("end")
        await until(pilot, lambda: "States of a run" in text_of(app))

    bench(story)


def test_metrics_take_the_place_of_no_fact(tmp_path):
    """A metric may be called anything, and what the measuring cost is no fact about the training."""
    run = ScriptRun(tmp_path / "mine", steps=50, epochs=2).grow([1, 1, 1, 1])
    run.epoch(
        1, loss=1.0, steps=0.5, parameters=0.5, epochs=0.5, backend=0.5, device=0.5, reason=0.5, test_accuracy=7.0
    )
    run.finish()
    snapshot = RunReader(run.run).read()
    facts = {name: snapshot.fact(name) for name in ("steps", "parameters", "epochs", "backend", "device", "reason")}
    assert facts == {
        "steps": 50, "parameters": 1234, "epochs": 2, "backend": "torch", "device": "cpu", "reason": None,
    }  # fmt: skip
    summary = run.run.summary()
    assert (summary["steps"], summary["parameters"], summary["backend"]) == (50, 1234, "torch")
    assert summary["reason"] is summary["test_accuracy"] is None
    assert {metric.name for metric in snapshot.metrics} >= {"steps", "reason"}


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        ({"validation_accuracy": 0.5}, 0.5),
        ({"acc": 0.25, "validation_acc": 0.5}, 0.5),
        ({"binary_accuracy": 0.25, "validation_binary_accuracy": 0.5}, 0.5),
        ({"validation_a_accuracy": 0.5, "validation_b_accuracy": 0.75}, None),
        ({"accuracy": 0.5, "validation_mae": 0.25}, None),
    ],
)
def test_the_accuracy_of_an_epoch_goes_by_several_names(metrics, found, tmp_path):
    run = ScriptRun(tmp_path / "mine").grow([1, 1, 1, 1]).epoch(1, loss=1.0, validation_loss=2.0, **metrics).finish()
    assert run.run.summary()["validation_accuracy"] == found
    accuracy = RunReader(run.run).read().validation.accuracy
    np.testing.assert_array_equal(accuracy, [np.nan if found is None else found])


def test_losses_below_zero_are_drawn(bench, tmp_path):
    run = ScriptRun(tmp_path / "mine", epochs=1)
    for loss in (1.0, -1.0, -2.5):
        run.grow([1, 2, 3, 4], loss=loss)

    async def story(app, pilot):
        await until(pilot, lambda: len(app.screen.query_one("#loss")._series[0].x) == 3)
        loss = app.screen.query_one("#loss")
        assert not loss.log_y
        assert "-2" in text_of(app)
        assert not app.screen.query_one("#metric").display and not app.screen.query_one("#accuracy").display

    bench(story, size=(140, 40))
    run.close()


def test_a_script_that_broke_off_is_told_of(bench, tmp_path):
    run = ScriptRun(tmp_path / "mine", steps=9, epochs=3).grow([1, 2, 3, np.nan]).close()

    async def story(app, pilot):
        await until(pilot, lambda: "! crashed" in words_of(app, "#status"))
        assert "The script broke off" in words_of(app, "#status") and "log" not in words_of(app, "#status")
        await pilot.press("l")
        assert not app.screen.query_one("#log").display, "a script has no log"

    bench(story, size=(80, 24), run=run.run)


def test_of_many_runs_the_newest_and_the_live_ones_are_shown_first(tmp_path, monkeypatch):
    monkeypatch.setattr(run_list, "FIRST", 2)
    scripts = [ScriptRun(tmp_path / f"run{number}") for number in range(5)]
    for age, script in enumerate(scripts):
        os.utime(script.run.settings_path, (1000 + age, 1000 + age))
    for script in scripts[1:]:
        script.finish()

    library = run_list.Library(tmp_path)
    first, then = library.read(), library.read()
    assert [row["run"] for row in first.rows] == ["run0", "run4", "run3"] and first.total == 5
    assert [row["run"] for row in then.rows] == ["run0", "run4", "run3", "run2", "run1"]
    scripts[0].close()
    assert library.read().rows[-1]["state"] == "crashed"


def test_the_list_shows_runs_of_scripts_beside_others(bench, tmp_path):
    ours = RecordedRun(tmp_path).begin().grow(20).finish()
    ended = ScriptRun(tmp_path / "ended").grow([1, 2, 3, 4]).epoch(1, loss=0.5).finish()
    live = ScriptRun(tmp_path / "live").grow([1, 2, 3, 4])

    async def story(app, pilot):
        table = app.screen.query_one("#runs")
        await until(pilot, lambda: table.row_count == 3)
        assert [row["folder"] for row in table.rows] == [str(each.folder) for each in (live.run, ended.run, ours.run)]
        cells = table.cells(table.rows[1])
        assert cells[:5] == ["✓ finished", "ended", "1", "0.5", "–"]

    bench(story, listed=True)
    live.close()
    assert ended.run.state() == "finished"


def test_the_app_opens_on_the_run_that_it_is_given(bench, tmp_path):
    asked = ScriptRun(tmp_path / "asked").grow([1, 2, 3, 4]).finish()
    newer = RecordedRun(tmp_path).begin().grow(20)

    async def story(app, pilot):
        assert isinstance(app.screen, LiveScreen) and app.screen.run.name == "asked"
        await until(pilot, lambda: "✓ finished" in words_of(app, "#status"))
        await pilot.pause(0.1)
        assert app.screen.run.name == "asked"

    bench(story, run=asked.run)
    newer.close()
