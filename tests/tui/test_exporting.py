"""From the screen to files: the trained network, a report, charts, numbers, with the path said afterwards."""

import pytest
from recorded import RecordedRun
from reskeras_tui.exporting import EXPORTS, default_path, problem
from reskeras_tui.screens.ask import AskScreen
from reskeras_tui.screens.export import ExportScreen
from watching import text_of, until, words_of

pytestmark = pytest.mark.any_backend

NETWORK, REPORT, CHARTS, CSV = EXPORTS


async def asked_for_a_path(app, pilot, downs):
    await pilot.press("e")
    await until(pilot, lambda: isinstance(app.screen, ExportScreen) and app.focused)
    await pilot.press(*["down"] * downs, "enter")
    await until(pilot, lambda: isinstance(app.screen, AskScreen) and app.focused)


def told(app, text):
    return any(text in notice.message for notice in app._notifications)


def test_each_kind_is_written_and_its_path_is_said(bench, tmp_path, monkeypatch):
    run = RecordedRun(tmp_path / "runs").begin().grow(40).finish().run
    monkeypatch.chdir(tmp_path)
    targets = {kind: default_path(kind, [run]) for kind in EXPORTS}

    async def story(app, pilot):
        await until(pilot, lambda: "✓ finished" in words_of(app, "#status"))
        for place, (kind, target) in enumerate(targets.items()):
            await asked_for_a_path(app, pilot, place)
            assert app.screen.query_one("#ask-text").value == str(target), kind
            await pilot.press("enter")
            await until(pilot, lambda target=target: told(app, str(target)) and not told(app, "Nothing"), "the path")
            await until(pilot, target.exists)
        # What is there is not written over, and a path that is no network's is refused with what would be.
        await asked_for_a_path(app, pilot, 0)
        await pilot.press("enter")
        await until(pilot, lambda: "is there already" in words_of(app, "#ask-hint"))
        await pilot.press(*"2", "enter")
        await until(pilot, lambda: "Did you mean" in words_of(app, "#ask-hint"))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.query("#status"))

    bench(story, run=run)
    assert targets[NETWORK].read_bytes() == run.model_path.read_bytes()
    assert run.name in targets[REPORT].read_text("utf-8")
    for kind, ending in ((CHARTS, ".svg"), (CSV, ".csv")):
        assert {file.suffix for file in targets[kind].iterdir()} == {ending}


def test_a_live_run_has_no_network_yet(bench, tmp_path):
    live = RecordedRun(tmp_path).begin().grow(40)

    async def story(app, pilot):
        await until(pilot, lambda: "● running" in words_of(app, "#status"))
        await pilot.press("e")
        await until(pilot, lambda: "at the end of a training" in text_of(app))
        await pilot.press("escape")

    bench(story)
    live.close()


def test_marked_runs_are_reported_together(bench, tmp_path, monkeypatch):
    runs = [RecordedRun(tmp_path / "runs", skip=skip).begin().grow(40).finish().run for skip in ("none", "add")]
    monkeypatch.chdir(tmp_path)

    async def story(app, pilot):
        await until(pilot, lambda: app.screen.query_one("#runs").row_count == 2)
        await pilot.press("space", "space")
        await asked_for_a_path(app, pilot, 0)
        await pilot.press("enter")
        target = default_path(REPORT, app.shown_runs())
        await until(pilot, target.exists)
        text = target.read_text("utf-8")
        assert all(run.name in text for run in runs)

    bench(story, runs=tmp_path / "runs", listed=True)


def test_what_is_wrong_with_a_path(tmp_path):
    run = RecordedRun(tmp_path / "runs").begin().grow(20).finish().run
    (tmp_path / "file").write_text("")
    assert "Name a path" in problem(REPORT, [run], " ")
    assert "is a file" in problem(CSV, [run], str(tmp_path / "file"))
    assert "is a folder" in problem(REPORT, [run], str(tmp_path))
    assert problem(CHARTS, [run], str(tmp_path)) is None
    assert problem(NETWORK, [run], str(tmp_path / "a.keras")) is None
