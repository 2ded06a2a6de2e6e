"""The recorded runs that come with the program are whole, small, and play without a backend."""

import os
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
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.pause(0.5)
        await pilot.press("end", "5", "enter")
        await pilot.pause(0.5)
with tempfile.TemporaryDirectory() as folder:
    asyncio.run(story(folder))
print([name for name in ("keras", "tensorflow", "jax", "torch", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("terminal", [{"NO_COLOR": "1"}, {"TEXTUAL_COLOR_SYSTEM": "standard"}], ids=["none", "ansi"])
def test_every_page_is_drawn_with_few_colours_at_every_size(terminal):
    code = """
import asyncio, tempfile, xml.dom.minidom
from pathlib import Path
from reskeras_tui.app import ReskerasApp
from reskeras_tui.demo import unpack
async def story(folder, runs, size):
    app = ReskerasApp(Path(folder), compared=runs)
    async with app.run_test(size=size) as pilot:
        while app.screen._comparison is None:
            await pilot.pause(0.02)
        for key in ("2", "4", "5", "1"):
            await pilot.press(key)
        await pilot.pause(0.1)
        # Runs are told apart by letters, and values by glyphs where there is no colour for them.
        picture = app.export_screenshot()
        xml.dom.minidom.parseString(picture)
        assert "─A─" in picture and "─B─" in picture and "ahead" in picture, size
with tempfile.TemporaryDirectory() as folder:
    runs = unpack(Path(folder))
    for size in ((80, 24), (160, 48)):
        asyncio.run(story(folder, runs, size))
print("done")
"""
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | terminal
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "done"
