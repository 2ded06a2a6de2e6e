"""The recorded runs that come with the program are whole, small, and play without a backend."""

import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
from reskeras_tui.app import ReskerasApp
from reskeras_tui.demo import NAMES, unpack
from reskeras_tui.screens.replay import ReplayScreen
from watching import text_of, until, words_of

from reskeras import verdicts

pytestmark = pytest.mark.any_backend


def test_the_recorded_runs_are_whole_and_small(tmp_path):
    packed = resources.files("reskeras_tui").joinpath("recorded", "demo.tar.xz")
    assert len(packed.read_bytes()) < 300_000
    plain, residual = unpack(tmp_path)
    assert (plain.name, residual.name) == NAMES
    for run, skip in ((plain, "none"), (residual, "add")):
        assert run.state() == "finished" and run.settings.options["skip"] == skip
        assert run.settings.options["depth"] == 56
        assert run.series("gradient_norm").last[-1] == run.series("backward_norm").last[-1] == run.summary()["step"]
        assert np.isfinite(run.series("backward_norm").median).all() and verdicts.of(run)
    # What the demonstration is there to show: without skips, so deep a network does not learn.
    assert residual.summary()["test_accuracy"] > plain.summary()["test_accuracy"] + 0.5


def test_they_play_side_by_side_and_one_alone(bench, tmp_path):
    runs = unpack(tmp_path)

    async def story(app, pilot):
        await until(pilot, lambda: "playing" in words_of(app, "#transport"), "the replay")
        assert "dE/dx" in words_of(app, "#compare-note")
        await pilot.press("end")
        await until(pilot, lambda: "B (skip add) is ahead with test accuracy" in text_of(app))
        await pilot.press("5", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and app.screen.run.name == "resnet-56")
        await until(pilot, lambda: app.screen.player.length == 200)
        await pilot.press("r")
        await until(pilot, lambda: "resnet-56" in text_of(app) and "◆" in text_of(app))

    bench(story, size=(80, 24), app=lambda: ReskerasApp(tmp_path, compared=runs, replay=True))


def test_playing_them_imports_no_backend():
    code = """
import asyncio, sys, tempfile
from pathlib import Path
from reskeras_tui.app import ReskerasApp
from reskeras_tui.demo import unpack
async def story(folder):
    app = ReskerasApp(Path(folder), compared=unpack(Path(folder)), replay=True)
    async with app.run_test(size=(80, 24)) as pilot:
        while not app.screen.query("#compare-note") or app.screen._comparison is None:
            await pilot.pause(0.05)
        await pilot.press("end", "5", "enter")
with tempfile.TemporaryDirectory() as folder:
    asyncio.run(story(folder))
print([name for name in ("keras", "tensorflow", "jax", "torch", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
