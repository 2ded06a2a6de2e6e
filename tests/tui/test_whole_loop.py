"""From the form to a trained network, with a real worker process, prepared meanwhile, on the backend under test."""

from __future__ import annotations

import asyncio
import time

import numpy as np
from reskeras_tui.app import ReskerasApp
from reskeras_tui.plots.heatmap import HeatMap
from reskeras_tui.screens import design
from reskeras_tui.screens.live import LiveScreen
from textual.widgets import Input, Select
from watching import text_of, until, words_of

from reskeras.runs import list_runs

PATIENCE = 240
"""Seconds that a worker may take to import, compile, train, test and export on a busy machine."""


async def _finished(pilot, run):
    """Wait for a run's end, noting the most that was seen on the way."""
    seen, deadline = set(), time.monotonic() + PATIENCE
    while run.state() not in ("finished", "failed", "crashed", "stopped"):
        assert time.monotonic() < deadline, run.log_path.read_text()[-2000:]
        seen.add(run.state())
        await asyncio.sleep(0.1)
    assert run.state() == "finished", run.log_path.read_text()[-2000:]
    return seen


def test_choose_train_and_watch(bench, tmp_path, backend, monkeypatch):
    # Prepared once, when the form is as it is to be: each preparation compiles a step.
    monkeypatch.setattr(design, "WARM_SECONDS", 3600)

    async def story(app, pilot):
        screen = app.screen
        screen.query_one("#architecture", Select).value = "plain"
        await until(pilot, lambda: app.screen.query("#option-branch"), "the form of the architecture")
        for name, value in (("option-depth", "3"), ("option-width", "8"), ("training-epochs", "2")):
            screen.query_one(f"#{name}", Input).value = value
        await until(pilot, lambda: "ready" in words_of(app, "#start-message"), "a form without problems")
        monkeypatch.setattr(design, "WARM_SECONDS", 0.01)
        screen.check_now()
        await until(pilot, lambda: app._warming._worker, "a prepared worker")
        monkeypatch.setattr(design, "WARM_SECONDS", 3600)
        prepared = app._warming._worker
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, LiveScreen), "the live screen")
        assert app._warming._worker is None, "none is prepared while none is designed"
        run = list_runs(tmp_path)[0]
        assert await _finished(pilot, run) & {"starting", "running"}
        assert next(event for event in run.events() if event["event"] == "starting")["pid"] == prepared.process.pid
        await until(pilot, lambda: "finished" in text_of(app), "the end on the screen")
        summary = run.summary()
        assert summary["backend"] == backend
        assert summary["step"] == summary["steps"] == 80
        assert f"{100 * summary['test_accuracy']:.1f} %" in text_of(app)
        assert "stage1_block3" in text_of(app), "the layers stand beside the heat map"
        low, high = app.screen.query_one("#heatmap", HeatMap).scale_range
        norms = run.series("gradient_norm").largest
        assert low <= np.log10(np.median(norms)) <= high
        assert run.model_path.is_file()

    bench(story, size=(120, 36), app=lambda: ReskerasApp(tmp_path, warm=True))
