"""An application on a bench, driven by its keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from reskeras_tui.app import ReskerasApp
from textual.pilot import Pilot
from watching import until

from reskeras.runs import Run


@pytest.fixture
def bench(tmp_path: Path):
    """A function that runs `story(app, pilot)` in an application of a given size and folder of runs, or one made by
    `app`. It opens on the live run or the form, or at once on `run`, or on the list of runs: the form takes longest to
    make."""

    def play(
        story: Callable[[ReskerasApp, Pilot], Awaitable[None]],
        size: tuple[int, int] = (100, 30),
        runs: Path = tmp_path,
        app: Callable[[], ReskerasApp] | None = None,
        run: Run | None = None,
        listed: bool = False,
    ) -> None:
        async def whole() -> None:
            played = app() if app else ReskerasApp(runs, run=run)
            if listed:
                played.find_live_run = played.action_show_runs
            async with played.run_test(size=size) as pilot:
                await until(
                    pilot, lambda: played.screen.query("#start, #status, #runs, #compare-note"), "the first screen"
                )
                await story(played, pilot)

        asyncio.run(whole())

    return play
