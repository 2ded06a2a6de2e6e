"""A worker imports while a run is designed: one at most, only while the form is on the screen, gone with the UI."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from reskeras_tui import warming
from reskeras_tui.app import ReskerasApp
from reskeras_tui.command_line import command_line
from reskeras_tui.screens import design
from reskeras_tui.screens.runs import RunsScreen
from reskeras_tui.warming import LEAST_MEMORY, Warming, available_memory
from textual.widgets import Input, Select
from watching import until, words_of

from reskeras import installed, speeds
from reskeras.catalogue import ARCHITECTURES
from reskeras.request import check_request
from reskeras.runs import RunSettings

pytestmark = pytest.mark.any_backend

SETTINGS = speeds.on_backend(check_request("plain", {}, {}), "jax").settings


class StandIn:
    """Takes the place of a warm worker, and keeps account of all there are."""

    made: list[StandIn]

    def __init__(self, backend: str):
        self.backend, self.idle, self.prepared = backend, True, []
        StandIn.made.append(self)
        assert sum(each.idle for each in StandIn.made) == 1

    def fits(self, backend: str) -> bool:
        return self.idle and self.backend == backend

    def prepare(self, settings: RunSettings) -> None:
        self.prepared.append(settings)

    def end(self) -> None:
        self.idle = False


@pytest.fixture
def made(monkeypatch) -> list[StandIn]:
    """The stand-ins that are made, of any backend, as if all were installed."""
    StandIn.made = []
    monkeypatch.setattr(warming, "WarmWorker", StandIn)
    monkeypatch.setattr(installed, "installed_backends", lambda: list(installed.BACKENDS))
    return StandIn.made


def play(story, runs: Path, warm: bool = True) -> None:
    """Run `story(app, pilot)` in an application that keeps a worker ready."""

    async def whole() -> None:
        app = ReskerasApp(runs, warm)
        async with app.run_test(size=(100, 30)) as pilot:
            await until(pilot, lambda: app.screen.query("#start"), "the form")
            await story(app, pilot)

    asyncio.run(whole())


def test_the_backend_chosen_in_the_end_is_prepared_once(made, tmp_path, backend):
    others = [name for name in installed.BACKENDS if name != backend]

    async def story(app, pilot):
        await until(pilot, lambda: made, "the worker of the first choice")
        assert [each.backend for each in made] == [backend]
        for name in (others[0], backend, others[1]):
            app.screen.query_one("#training-backend", Select).value = name
            await pilot.pause(0.2)
        await until(pilot, lambda: len(made) > 1, "the worker of the last choice")
        assert [(each.backend, each.idle) for each in made] == [(backend, False), (others[1], True)]
        app.screen.query_one("#option-depth", Input).value = "8"
        await until(pilot, lambda: [each.options["depth"] for each in made[1].prepared] == [20, 8], "the change")
        assert len(made) == 2

    play(story, tmp_path)
    assert not any(each.idle for each in made)


def test_the_backend_measured_to_be_the_fastest_is_shown_prepared_and_started(made, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND")
    request = check_request(next(iter(ARCHITECTURES)), {}, {})
    workload = speeds.Workload.of(request.settings, request.plan)
    for name, step in (("jax", 0.2), ("tensorflow", 0.031), ("torch", 0.1)):
        place = speeds.place(name)
        speeds.keep(speeds.Measurement(backend=name, place=place, workload=workload, first_step=1, step=step))
    started = []
    monkeypatch.setattr(ReskerasApp, "start_run", lambda app, request: started.append(request.settings))

    async def story(app, pilot):
        await until(pilot, lambda: made, "the worker")
        assert words_of(app, "#start-message") == "✓ ready: auto takes tensorflow, 31 ms a step"
        assert words_of(app, "#command") == f"$ {command_line(request, tmp_path)}"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: started, "the start")

    play(story, tmp_path)
    [worker] = made
    assert worker.backend == started[0].training.backend == "tensorflow"
    assert worker.prepared == started, "a worker that prepared other settings would begin anew"


def test_none_is_prepared_off_the_form(made, tmp_path, backend, monkeypatch):
    monkeypatch.setattr(design, "WARM_SECONDS", 3600)

    async def story(app, pilot):
        form = app.screen
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen), "the list of runs")
        form._prepare_now(SETTINGS)
        await pilot.pause(0.1)
        assert form._warming is None and not made
        monkeypatch.setattr(design, "WARM_SECONDS", 0.01)
        await pilot.press("d")
        await until(pilot, lambda: made, "the worker once the form is back")

    play(story, tmp_path)


def test_none_is_prepared_against_the_users_will(made, tmp_path, monkeypatch):
    monkeypatch.setattr(design, "WARM_SECONDS", 0.01)

    async def story(app, pilot):
        await pilot.pause(0.3)

    play(story, tmp_path, warm=False)
    assert not made


def test_short_memory_prepares_none(made, monkeypatch):
    monkeypatch.setattr(warming, "available_memory", lambda: LEAST_MEMORY - 1)
    warm = Warming()
    warm.prepare(SETTINGS)
    assert not made and warm.take() is None
    for enough in (LEAST_MEMORY, None):
        monkeypatch.setattr(warming, "available_memory", lambda enough=enough: enough)
        warm.prepare(SETTINGS)
        assert warm.take() is made.pop()


def test_what_is_closed_prepares_none(made):
    warm = Warming()
    warm.prepare(SETTINGS)
    warm.close()
    warm.prepare(SETTINGS)
    assert [each.idle for each in made] == [False]


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="only Linux tells the memory that is available")
def test_the_memory_available_is_a_part_of_what_there_is():
    assert 0 < available_memory() < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
