"""The list of runs: filtered, sorted, marked, tagged, named, deleted and brought back, by keys alone."""

import os
import time

import pytest
from recorded import RecordedRun
from reskeras_tui import run_list
from reskeras_tui.app import ReskerasApp
from reskeras_tui.screens.ask import AskScreen
from reskeras_tui.screens.compare import CompareScreen
from reskeras_tui.screens.runs import RunsScreen
from reskeras_tui.widgets.run_table import SORTABLE
from watching import text_of, until, words_of

from reskeras.runs import keeping, labels, listing

pytestmark = pytest.mark.any_backend


def three(tmp_path):
    skips = ("none", "add", "gate")
    made = [RecordedRun(tmp_path, skip=skip).begin().grow(20 + 20 * age) for age, skip in enumerate(skips)]
    for age, each in enumerate(made):
        each.finish("failed" if age == 2 else "finished", "no luck" if age == 2 else None)
        os.utime(each.run.settings_path, (1000 + age, 1000 + age))
    return [each.run for each in made]


async def listed(app, pilot, runs):
    await until(pilot, lambda: app.screen.query_one("#runs").row_count == runs, "the list")
    return app.screen.query_one("#runs")


def names(table):
    return [row["run"] for row in table.rows]


def test_typing_filters_and_a_key_sorts(bench, tmp_path):
    plain, residual, gated = three(tmp_path)

    async def story(app, pilot):
        table = await listed(app, pilot, 3)
        assert names(table) == [gated.name, residual.name, plain.name]
        await pilot.press("slash", *"failed")
        await until(pilot, lambda: names(table) == [gated.name])
        assert "1 with 'failed'" in words_of(app, "#runs-note")
        assert "no luck" in words_of(app, "#runs-detail")
        await pilot.press("enter")
        assert app.focused is table
        await pilot.press("slash", "escape")
        await until(pilot, lambda: table.row_count == 3)
        assert app.focused is table
        # The cursor stays on its run, wherever that comes to be.
        await pilot.press("home", "end")
        assert table.current["run"] == plain.name
        while table.sorted_by != "loss":
            await pilot.press("s")
        losses = [row["loss"] for row in table.rows]
        assert losses == sorted(losses) and table.current["run"] == plain.name
        assert "loss ▼" in text_of(app)
        await pilot.press("S")
        assert [row["loss"] for row in table.rows] == losses[::-1] and "loss ▲" in text_of(app)

    bench(story, size=(80, 24), listed=True)


def test_a_click_on_a_heading_sorts_and_on_a_row_chooses(bench, tmp_path):
    three(tmp_path)

    async def story(app, pilot):
        table = await listed(app, pilot, 3)
        place = text_of(app).splitlines()[table.region.y].index("loss")
        await pilot.click("#runs", offset=(place, 0))
        await until(pilot, lambda: table.sorted_by == "loss" and not table.reverse)
        await pilot.click("#runs", offset=(place, 0))
        await until(pilot, lambda: table.reverse)
        await pilot.click("#runs", offset=(10, 3))
        await until(pilot, lambda: table.cursor == 2)
        await pilot.click("#runs", offset=(10, 3), times=2)
        await until(pilot, lambda: app.screen.query("#status"))

    bench(story, size=(100, 30), listed=True)


def test_marked_runs_are_compared(bench, tmp_path):
    runs = three(tmp_path)

    async def story(app, pilot):
        table = await listed(app, pilot, 3)
        await pilot.press("c")
        await until(pilot, lambda: "One run is marked" in next(iter(app._notifications)).message)
        await pilot.press("u", "space", "space")
        assert table.cursor == 2 and "2 marked" in words_of(app, "#runs-note") and text_of(app).count("◆") == 2
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert [run.name for run in app.screen.runs] == [runs[2].name, runs[1].name]
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and text_of(app).count("◆") == 2)

    bench(story, listed=True)


def test_tags_notes_and_names(bench, tmp_path):
    *_, run = three(tmp_path)

    async def story(app, pilot):
        table = await listed(app, pilot, 3)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, AskScreen) and app.focused)
        await pilot.press(*"paper best", "enter")
        await until(pilot, lambda: labels.read(run.folder).tags == ("best", "paper"))
        await until(pilot, lambda: "best paper" in words_of(app, "#runs-detail"))
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, AskScreen) and app.focused)
        await pilot.press(*["backspace"] * 6, "enter")
        await until(pilot, lambda: labels.read(run.folder).tags == ("best",))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, AskScreen) and app.focused)
        await pilot.press(*"two", "enter", *"lines", "ctrl+s")
        await until(pilot, lambda: labels.read(run.folder).note == "two\nlines")
        await until(pilot, lambda: "two lines" in words_of(app, "#runs-detail"))
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, AskScreen) and app.focused)
        await pilot.press(*["backspace"] * 40, *"a/b", "enter")
        await until(pilot, lambda: "✗ A run cannot be called 'a/b'" in words_of(app, "#ask-hint"))
        await pilot.press(*["backspace"] * 3, *"mine", "enter")
        await until(pilot, lambda: names(table)[0] == "mine")
        assert (tmp_path / "mine").is_dir()

    bench(story, listed=True)


def test_a_deleted_run_comes_back(bench, tmp_path):
    *_, run = three(tmp_path)

    async def story(app, pilot):
        table = await listed(app, pilot, 3)
        await pilot.press("x")
        await until(pilot, lambda: f"Delete {run.name}?" in text_of(app))
        await pilot.press("n")
        assert run.folder.is_dir()
        await pilot.press("x")
        await until(pilot, lambda: "Delete" in text_of(app))
        await pilot.press("y")
        await until(pilot, lambda: table.row_count == 2)
        assert [each.name for each in keeping.deleted(tmp_path)] == [run.name]
        await pilot.press("z")
        await until(pilot, lambda: table.row_count == 3 and run.folder.is_dir())

    bench(story, listed=True)


def test_what_cannot_be_done_with_a_live_run_is_greyed(bench, tmp_path):
    live = RecordedRun(tmp_path).begin().grow(20)

    async def story(app, pilot):
        await listed(app, pilot, 1)
        await until(pilot, lambda: app.screen.check_action("mark", ()))
        assert app.screen.check_action("delete", ()) is None and app.screen.check_action("resume", ()) is None
        await pilot.press("x", "m", "p")
        assert isinstance(app.screen, RunsScreen)

    bench(story, listed=True)
    live.close()


def test_ten_thousand_runs_answer_at_once(bench, tmp_path):
    record = {"state": "finished", "step": 5, "steps": 9, "tags": [], "note": "", "made": 1.0}

    rows = [
        {**record, "run": f"run-{n}", "folder": f"/runs/{n}", "loss": n * 7919 % 10007, "searched": f"run-{n}"}
        for n in range(10_000)
    ]
    used = []

    def opened():
        app = ReskerasApp(tmp_path)
        app.library.read = lambda: run_list.Listed(rows, len(rows))
        return app

    async def story(app, pilot):
        await until(pilot, lambda: "10,000 runs" in words_of(app, "#runs-note"))
        before = time.process_time()
        for _ in SORTABLE:
            await pilot.press("s")
        await pilot.press("end", "pageup", "slash", *"run-77", "enter", "home")
        used.append(time.process_time() - before)
        table = app.screen.query_one("#runs")
        assert table.row_count == 111 and table.current["run"].startswith("run-77")

    bench(story, size=(160, 48), app=opened, listed=True)
    # Twenty keys; on an idle machine about 50 ms each with all that the test itself does.
    assert used[0] < 8


def test_every_column_sorts():
    assert set(SORTABLE) <= set(listing.SORTS)
