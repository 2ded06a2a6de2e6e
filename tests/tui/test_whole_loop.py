"""From the form to a file that plain Keras loads, with a real worker process on the backend under test."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
from reskeras_tui.plots.heatmap import HeatMap
from reskeras_tui.screens.live import LiveScreen
from textual.widgets import Input, Select
from watching import text_of, until

from reskeras.runs import list_runs

PATIENCE = 240
"""Seconds that a worker may take to import, compile, train, test and export on a busy machine."""

LOADER = """
import sys
sys.modules["reskeras"] = None
import numpy as np, keras
print(np.asarray(keras.models.load_model(sys.argv[1]).predict(np.zeros((2, 8, 8, 1)), verbose=0)).sum(-1).tolist())
"""


async def _finished(app, pilot, run):
    """Wait for a run's end, noting the most that was seen on the way."""
    seen, deadline = set(), time.monotonic() + PATIENCE
    while run.state() not in ("finished", "failed", "crashed", "stopped"):
        assert time.monotonic() < deadline, run.log_path.read_text()[-2000:]
        seen.add(run.state())
        await pilot.pause(0.1)
    assert run.state() == "finished", run.log_path.read_text()[-2000:]
    return seen


def test_choose_train_watch_export(bench, tmp_path, backend):
    async def story(app, pilot):
        screen = app.screen
        screen.query_one("#architecture", Select).value = "plain"
        await until(pilot, lambda: app.screen.query("#option-branch"), "the form of the architecture")
        for name, value in (("option-depth", "3"), ("option-width", "8"), ("training-epochs", "2")):
            screen.query_one(f"#{name}", Input).value = value
        await until(pilot, lambda: not screen.query_one("#start").disabled, "a form without problems")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen), "the live screen")
        run = list_runs(tmp_path)[0]
        assert await _finished(app, pilot, run) & {"starting", "running"}
        await until(pilot, lambda: "finished" in text_of(app), "the end on the screen")
        summary = run.summary()
        assert summary["backend"] == backend
        assert summary["step"] == summary["steps"] == 80
        assert f"{100 * summary['test_accuracy']:.1f} %" in text_of(app)
        assert "stage1_block3" in text_of(app), "the layers stand beside the heat map"
        low, high = app.screen.query_one("#heatmap", HeatMap).scale_range
        norms = run.series("gradient_norm").largest
        assert low <= np.log10(np.median(norms)) <= high
        done = subprocess.run(
            [sys.executable, "-c", LOADER, str(run.model_path)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=dict(os.environ),
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert np.allclose(eval(done.stdout.splitlines()[-1]), 1, atol=1e-5), "probabilities sum to one"

    bench(story, size=(120, 36))


def test_stop_from_the_screen_keeps_the_network(bench, tmp_path):
    async def story(app, pilot):
        screen = app.screen
        screen.query_one("#option-depth", Input).value = "8"
        screen.query_one("#option-width", Input).value = "4"
        screen.query_one("#training-epochs", Input).value = "100000"
        await until(pilot, lambda: not screen.query_one("#start").disabled, "a form without problems")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen), "the live screen")
        run = list_runs(tmp_path)[0]
        deadline = time.monotonic() + PATIENCE
        while not len(run.series("gradient_norm").last):
            assert time.monotonic() < deadline and run.is_live(), run.log_path.read_text()[-2000:]
            await pilot.pause(0.1)
        await pilot.press("s")
        while run.is_live():
            assert time.monotonic() < deadline
            await pilot.pause(0.1)
        assert run.state() == "stopped"
        assert run.model_path.is_file()
        await until(pilot, lambda: "stopped" in text_of(app), "the end on the screen")

    bench(story, size=(80, 24))
