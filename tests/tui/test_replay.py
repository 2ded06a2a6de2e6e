"""Recorded runs played again on the live screen: cut where they stood, scrubbed, faster and slower."""

import numpy as np
import pytest
from recorded import RecordedRun
from reskeras_tui.follow import RunReader
from reskeras_tui.replaying import JUMP, SPEEDS, WHOLE_SECONDS, Player, cut
from reskeras_tui.screens.live import LiveScreen
from reskeras_tui.screens.replay import ReplayScreen
from reskeras_tui.widgets.layers_pane import LayersPane
from watching import text_of, until, words_of

from reskeras.runs.folder import LIVE_STATES

pytestmark = pytest.mark.any_backend


def test_a_cut_holds_what_was_known_then(tmp_path):
    run = RecordedRun(tmp_path).begin().grow(60)
    run.events.write("sample", epoch=1, text="abc")
    run.grow(60).events.write("sample", epoch=2, text="abd")
    run.grow(80).events.write("answers", samples=[])
    whole = RunReader(run.finish().run).read()
    for step in (0, 1, 49, 50, 51, 199):
        then = cut(whole, step)
        assert len(then.steps) == len(then.norms) == step
        assert not len(then.curve) or then.curve["step"].max() <= step
        assert list(then.validation.step) == [each for each in (50, 100, 150) if each <= step]
        assert not {"tested", "answers", "end"} & set(then.events) and "training" in then.events
        # What it wrote after an epoch was known then, whatever came in between.
        assert then.events.get("sample", {}).get("epoch") == (None if step < 50 else min(step // 50, 2))
        assert not then.is_live and then.state not in LIVE_STATES
        assert list(then.rates.step) == list(range(1, step + 1))
        assert then.learning_rate == (pytest.approx(0.1 * (1 - step / 200)) if step else None)
    assert {"tested", "answers", "end"} <= set(cut(whole, 200).events) and len(cut(whole, 200).steps) == 200


def test_what_an_earlier_end_answered_is_shown_at_its_step(tmp_path):
    run = RecordedRun(tmp_path).begin().grow(60)
    run.events.write("stopping", step=60)
    run.events.write("answers", samples=[1])
    run.events.write("end", status="stopped", code=0)
    run.events.write("starting", backend="jax", pid=1)
    run.events.write("resumed", step=60, epoch=2)
    run.grow(60).events.write("answers", samples=[2])
    whole = RunReader(run.finish().run).read()
    shown = {step: cut(whole, step).events.get("answers", {}).get("samples") for step in (0, 1, 59, 60, 61, 119, 120)}
    assert shown == {0: None, 1: None, 59: None, 60: [1], 61: None, 119: None, 120: [2]}
    assert cut(whole, 1).events["starting"] is whole.history[0] and cut(whole, 61).events["starting"]["pid"] == 1


def test_the_clock_is_that_of_the_recording(tmp_path):
    run = RecordedRun(tmp_path).begin().grow(200).finish()
    player = Player(speed=2)
    player.follow([RunReader(run.run).read()])
    # Recorded at 40 steps a second.
    assert player.length == 200 and player.whole_seconds == pytest.approx(5)
    player.advance(1.0)
    assert player.step == pytest.approx(80, abs=1)
    player.change_speed(1)
    assert player.speed == 5
    player.advance(60)
    assert player.at_end and not player.playing and player.step == 200
    player.toggle()
    assert player.playing and player.step == 0
    player.playing = False
    player.advance(9)
    assert player.step == 0
    player.jump(1)
    assert player.step == 200 * JUMP
    player.jump(-1)
    player.jump(-1)
    assert player.step == 0
    for _ in SPEEDS:
        player.change_speed(1)
    assert player.speed == 100


def test_a_speed_that_nobody_chose_fits_the_length(tmp_path):
    run = RecordedRun(tmp_path).begin().grow(200).finish()
    snapshot = RunReader(run.run).read()
    slow = snapshot.curve.copy()
    slow["seconds"] *= 60
    player = Player()
    player.follow([cut(snapshot, 200), snapshot.__class__(**{**vars(snapshot), "curve": slow})])
    assert player.speed in SPEEDS and player.whole_seconds / player.speed <= WHOLE_SECONDS * 10
    assert np.all(np.diff(player._seconds) >= 0)


def test_a_run_is_played_scrubbed_and_left(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(60).log("all done\n")
    run.events.write("sample", epoch=1, text="def f")
    run.grow(140).events.write("answers", samples=[{"text": "two", "true": "zwei", "answer": "drei"}])
    run.finish()

    async def story(app, pilot):
        await until(pilot, lambda: app.screen.query_one("#runs").row_count == 1)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "▷ replay" in words_of(app, "#status"))
        # On a busy machine it may have come to its end meanwhile, where the key would play it again.
        if app.screen.player.playing:
            await pilot.press("space")
        await pilot.press("less_than_sign", *["full_stop"] * 8)
        await until(pilot, lambda: "step 40 of 200" in words_of(app, "#status"))
        assert "‖ paused" in words_of(app, "#transport") and "97.2 %" not in text_of(app)
        assert len(app.screen.query_one("#heatmap")._steps) == 40
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "step 41 of 200" in words_of(app, "#status"))
        # No key of the live screen reaches a run that is only shown again.
        assert app.screen.check_action("stop", ()) is None and app.screen.check_action("pause", ()) is None
        await pilot.press("s", "p")
        assert run.run.requested() == []
        before = app.screen.player.speed
        await pilot.press("plus")
        assert app.screen.player.speed > before
        await pilot.press("comma", "o")
        await until(pilot, lambda: "step 36 of 200" in words_of(app, "#status"))
        await until(pilot, lambda: "The network answers" in text_of(app), "no answers before the first epoch")
        transport = app.screen.query_one("#transport")
        start, width = transport._bar
        await pilot.click("#transport", offset=(1 + start + width // 2, 0))
        await until(pilot, lambda: 90 <= app.screen.player.step <= 110)
        await until(pilot, lambda: "after epoch 1: def f" in text_of(app) and "drei" not in text_of(app))
        await pilot.press("greater_than_sign")
        await until(pilot, lambda: "97.2 %" in text_of(app) and "at the end" in words_of(app, "#transport"))
        await until(pilot, lambda: "✗ drei is zwei" in text_of(app), "the answers with the end")
        await pilot.press("comma")
        await until(pilot, lambda: "drei" not in text_of(app) and "def f" in text_of(app), "no answers before it")
        await pilot.press("o")
        await pilot.press("g")
        await until(pilot, lambda: type(app.screen) is LiveScreen and "✓ finished" in words_of(app, "#status"))

    bench(story, size=(100, 30), listed=True)


def test_the_table_is_that_of_the_step(bench, tmp_path):
    run = RecordedRun(tmp_path, layers=120, probes=True).begin().grow(200).finish()
    norms, weights = (run.run.series(each, "block").median for each in ("gradient_norm", "weight_norm"))

    async def story(app, pilot):
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen._whole is not None)
        screen, table = app.screen, app.screen.query_one("#table")
        screen.player.playing = False
        await pilot.press("b", "v", "less_than_sign", *["full_stop"] * 8)
        # Groups of blocks, the first of them open.
        screen.post_message(LayersPane.Opened(frozenset({"stage1_block1 to stage1_block3"})))
        await until(pilot, lambda: len(table._names) == 20 + 3 and "weight" in table._columns, "the table")
        await until(pilot, lambda: screen._sheet.step == 40 and screen._sheet.rows == screen._whole.rows)
        assert table._columns["gradient"][1:4] == pytest.approx(np.median(norms[:40, :3], axis=0), rel=1e-5)
        assert table._columns["start"][0] == pytest.approx(np.median(norms[:10, :3], axis=0).max(), rel=1e-5)
        assert table._columns["weight"][1:4] == pytest.approx(weights[39, :3], rel=1e-5)
        assert table._columns["weight"][4] == pytest.approx(weights[39, 3:6].max(), rel=1e-5)
        assert "learning rate 0.08" in words_of(app, "#status")
        await pilot.press("right_square_bracket", "c")
        await until(pilot, lambda: table._columns["weight"][1] == pytest.approx(weights[40, 0], rel=1e-5), "step 41")
        rate = app.screen.query_one("#metric")
        await until(pilot, lambda: rate.display and rate._series[0].name == "learning rate")
        assert rate._series[0].y == pytest.approx(0.1 * (1 - np.arange(1, 42) / 200))

    bench(story, size=(130, 40), listed=True)


def test_time_passes_by_itself(bench, tmp_path):
    run = RecordedRun(tmp_path).begin().grow(200).finish()

    async def story(app, pilot):
        app.replay(run.run, speed=10)
        await until(pilot, lambda: "at the end" in words_of(app, "#transport"), "the end")
        await until(pilot, lambda: "97.2 %" in text_of(app))

    bench(story, size=(80, 24), listed=True)
