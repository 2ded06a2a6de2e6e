"""Every screen at every size, by keyboard alone, and what happens when a run cannot start."""

import pytest
from recorded import RecordedRun
from reskeras_tui.screens.live import LiveScreen
from textual.widgets import Button
from watching import text_of, until, words_of

from reskeras.runs import launch, liveness

pytestmark = pytest.mark.any_backend

SIZES = ((80, 24), (100, 30), (160, 48))


def test_form_and_plan_are_within_reach_at_every_size(bench):
    async def story(app, pilot):
        for size in SIZES:
            if app.size != size:
                await pilot.resize_terminal(*size)
            await _form_and_plan(app, pilot, size[0] >= 100)
        visited = {widget.id for widget in app.screen.focus_chain}
        wanted = {field.control.id for field in app.screen.query_one("#form").fields()}
        assert wanted | {"start"} <= visited
        app.screen.query_one("#start").focus()
        await until(pilot, lambda: not words_of(app, "#field-help"))

    bench(story, size=SIZES[0])


async def _form_and_plan(app, pilot, both: bool):
    """See the form and the plan, at once or one after the other."""
    # The footer is made a moment after the form.
    await until(pilot, lambda: all(word in text_of(app) for word in ("architecture", "Start", "Quit")))
    if both:
        await until(pilot, lambda: "y = x + f" in text_of(app) and "reskeras train" in text_of(app))
        return
    assert "y = x + f" not in text_of(app)
    app.screen.query_one("#option-depth").focus()
    await pilot.press("f2")
    await until(pilot, lambda: "y = x + f" in text_of(app))
    assert "reskeras train" in text_of(app)
    await pilot.press("f2")
    await until(pilot, lambda: "architecture" in text_of(app))
    assert app.focused.id == "option-depth"


def test_the_live_screen_holds_what_matters_at_every_size(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=40).begin().grow(100)

    async def story(app, pilot):
        for size in SIZES:
            if app.size != size:
                await pilot.resize_terminal(*size)
            await until(pilot, lambda: "step 100 of 200" in text_of(app) and "Quit" in text_of(app))
            text = text_of(app)
            parts = ("● running", run.run.name, "jax on cpu:0", "parameters", "steps/s", "left", "loss", "accuracy")
            assert [part for part in parts if part not in text] == []
            keys = ("Stop", "Pause", "Map", "View", "Rows", "Set", "Log", "Design", "Runs", "Help", "Quit")
            assert [key for key in keys if key not in text.splitlines()[-1]] == []
            assert app.screen.query_one("#heatmap").size.height >= 6
            assert app.screen.query_one("#loss").size.height >= 5
        await pilot.press("l", "b", "l")

    bench(story, size=SIZES[0])
    run.close()


def test_nothing_remains_of_a_small_size(bench, tmp_path):
    """Of a run that has ended: no later reading has its lines made anew."""
    run = RecordedRun(tmp_path).begin().grow(200).finish()

    async def story(app, pilot):
        app.open_run(run.run.name)
        await until(pilot, lambda: "step 200 of 200" in text_of(app))
        status = app.screen.query_one("#status")
        high = status.size.height
        await pilot.resize_terminal(30, 8)
        await until(pilot, lambda: status.size.height > high)
        await pilot.resize_terminal(*SIZES[1])
        await until(pilot, lambda: status.size.height == high)

    bench(story, size=SIZES[1])


def test_any_size_at_any_time(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(50)

    async def story(app, pilot):
        for key, sizes in (
            ("", ((40, 10), (160, 48), (1, 1), (80, 24))),
            ("d", ((1, 1), (60, 18))),
            ("f2", ((160, 48), (40, 10))),
            ("f3", ((1, 1), (160, 48), (40, 10))),
            ("question_mark", ((1, 1), (80, 24))),
        ):
            if key:
                await pilot.press(key)
            for size in sizes:
                await pilot.resize_terminal(*size)

    bench(story)
    run.close()


def test_start_makes_a_folder_and_opens_the_run(bench, tmp_path, monkeypatch):
    held = []

    def start(run, warm):
        held.append(liveness.hold(run.lock_path))
        return 1

    monkeypatch.setattr(launch, "start", start)

    async def story(app, pilot):
        await until(pilot, lambda: not app.screen.query_one("#start", Button).disabled)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen), "the live screen")
        (folder,) = tmp_path.iterdir()
        assert app.screen.run.folder == folder and (folder / "settings.json").is_file()
        await until(pilot, lambda: "starting the worker" in text_of(app))

    bench(story)
    assert len(held) == 1


def test_a_run_that_cannot_start_leaves_no_folder_and_says_why(bench, tmp_path, monkeypatch):
    def start(run, warm):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(launch, "start", start)
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "runs").mkdir()

    async def story(app, pilot):
        await pilot.press("f5")
        await until(pilot, lambda: "cannot be started" in words_of(app, "#start-message"))
        assert not list(app.runs.iterdir())
        assert not app.screen.query_one("#start", Button).disabled
        app.runs = tmp_path / "file" / "runs"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "No run can be made" in words_of(app, "#start-message"))
        assert "--runs" in words_of(app, "#start-message")

    bench(story, runs=tmp_path / "runs")


def test_an_empty_folder_of_runs_says_what_to_do(bench):
    async def story(app, pilot):
        await pilot.press("f3")
        await until(pilot, lambda: "No run yet" in text_of(app))
        await pilot.press("d")
        await until(pilot, lambda: app.screen.query("#form"))
        await pilot.press("f4")
        assert app.screen.query("#form")

    bench(story)
