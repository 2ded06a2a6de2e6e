"""Runs side by side: on shared scales, told apart by letters, at every size, while one goes on, and replayed."""

import numpy as np
import pytest
from recorded import RecordedRun
from reskeras_tui.app import ReskerasApp
from reskeras_tui.comparing import QUANTITIES, CompareReader, common, differences, headline, labels, shared_range
from reskeras_tui.screens.compare import CompareScreen
from watching import text_of, until, words_of

from reskeras.runs import RunError

pytestmark = pytest.mark.any_backend


def pair(tmp_path, steps=60):
    plain = RecordedRun(tmp_path, skip="none").begin().grow(steps)
    return plain, RecordedRun(tmp_path, layers=20, skip="add").begin().grow(steps)


def compared(folder, *recorded, replay=False):
    """Return what makes an application that opens on the comparison of runs."""
    return lambda: ReskerasApp(folder, compared=[each.run for each in recorded], replay=replay)


def test_what_differs_and_what_is_shared(tmp_path):
    recorded = pair(tmp_path)
    [plain, residual] = [each.finish() for each in recorded]
    found = CompareReader([plain.run, residual.run]).read()
    assert differences(found.runs) == {"skip": ["none", "add"]}
    assert labels(found.runs) == ["skip none", "skip add"]
    assert common(found.runs)["epochs"] == 4 and "skip" not in common(found.runs)
    # Blocks are half as many as layers, and nothing else was measured of blocks alone.
    assert [len(each.profile) for each in found.runs] == [6, 10]
    assert found.quantity == QUANTITIES[1] and QUANTITIES[0] not in found.available
    low, high = shared_range(found.runs)
    logs = np.log10(np.concatenate([each.values.ravel() for each in found.runs]))
    assert low <= np.percentile(logs, 5) and np.percentile(logs, 95) <= high
    assert headline(found.runs) == "" and not found.is_live


def test_a_damaged_run_is_told_and_the_others_are_shown(tmp_path):
    plain, residual = [each.finish() for each in pair(tmp_path)]
    (plain.run.folder / "weights.json").write_text("{")
    found = CompareReader([plain.run, residual.run]).read()
    assert "not JSON" in found.runs[0].snapshot.trouble and not len(found.runs[0].profile)
    assert len(found.runs[1].profile) == 10
    with pytest.raises(RunError):
        plain.run.series("gradient_norm")


def test_profiles_curves_maps_and_table_at_every_size(bench, tmp_path):
    plain, residual = pair(tmp_path)
    plain.finish()

    async def story(app, pilot):
        await until(pilot, lambda: "skip add" in text_of(app), "the comparison")
        for size in ((80, 24), (100, 30), (160, 48)):
            await pilot.resize_terminal(*size)
            await pilot.press("1")
            await until(pilot, lambda: "─A─" in text_of(app) and "─B─" in text_of(app))
            # Letters on the lines tell the runs apart where there is no colour.
            profile = app.screen.query_one("#compare-profile")
            letters = "".join(map(chr, profile._characters[1:].ravel()))
            assert "A" in letters and "B" in letters
            assert "Quit" in text_of(app).splitlines()[-1]
            await pilot.press("4")
            await until(pilot, lambda: all(map_.size.height > 5 for map_ in app.screen.query("SharedMap")))
            first, second = app.screen.query("SharedMap")
            await until(pilot, lambda a=first, b=second: a.legend == b.legend and len(a._steps) == 60)
            await pilot.press("5")
            await until(
                pilot, lambda: "none" in text_of(app) and "the same in all" in words_of(app, "#compare-verdicts")
            )
        await pilot.press("1")
        await until(pilot, lambda: app.screen.query_one("#compare-lower").display)

    bench(story, size=(80, 24), app=compared(tmp_path, plain, residual))
    residual.close()


def test_a_run_that_goes_on_is_followed(bench, tmp_path):
    plain, residual = pair(tmp_path)
    plain.finish()

    async def story(app, pilot):
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and "● running" in text_of(app))
        residual.grow(140).finish()
        await until(pilot, lambda: text_of(app).count("✓ finished") == 2, "the end")
        assert app.screen._comparison.runs[1].snapshot.step == 200
        assert not app.screen._comparison.is_live

    bench(story, size=(100, 30), app=compared(tmp_path, plain, residual))


def test_another_quantity_another_curve_and_a_run_of_its_own(bench, tmp_path):
    plain, residual = [each.finish() for each in pair(tmp_path)]

    async def story(app, pilot):
        await until(pilot, lambda: "gradient norm of each block" in words_of(app, "#compare-note"))
        await pilot.press("m")
        await until(pilot, lambda: "gradient norm of each layer" in words_of(app, "#compare-note"))
        assert [len(one.y) for one in app.screen.query_one("#compare-profile")._series] == [12, 20]
        await pilot.press("c")
        await until(pilot, lambda: "curve: accuracy" in words_of(app, "#compare-note"))
        assert app.screen.query_one("#compare-curve")._series[0].y.max() <= 1
        await pilot.press("5", "down", "enter")
        await until(pilot, lambda: app.screen.query("#status") and app.screen.run.folder == residual.run.folder)

    bench(story, app=compared(tmp_path, plain, residual))


def test_the_comparison_is_played_again(bench, tmp_path):
    plain, residual = [each.finish() for each in pair(tmp_path, steps=200)]

    async def story(app, pilot):
        await until(pilot, lambda: "▷ replay" in text_of(app) and "playing" in words_of(app, "#transport"))
        await pilot.press("space", "home", *["right"] * 4)
        await until(pilot, lambda: "step 20 of 200" in words_of(app, "#transport"))
        shown = app.screen._now().runs[0]
        assert len(shown.steps) == 20 and shown.snapshot.curve["step"].max() == 20
        assert "97.2 %" not in text_of(app)
        await pilot.press("end")
        await until(pilot, lambda: "97.2 %" in text_of(app))
        await pilot.press("g")
        await until(pilot, lambda: "▷ replay" not in text_of(app) and not app.screen._transport.display)

    bench(story, app=compared(tmp_path, plain, residual, replay=True))
