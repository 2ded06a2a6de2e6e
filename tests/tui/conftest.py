"""An application on a bench, driven by its keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from reskeras_tui.app import ReskerasApp
from textual.pilot import Pilot
from watching import until


@pytest.fixture
def bench(tmp_path: Path):
    """A function that runs `story(app, pilot)` in an application of a given size and folder of runs, or one made by
    `app`."""

    def play(
        story: Callable[[ReskerasApp, Pilot], Awaitable[None]],
        size: tuple[int, int] = (100, 30),
        runs: Path = tmp_path,
        app: Callable[[], ReskerasApp] | None = None,
    ) -> None:
        async def whole() -> None:
            played = app() if app else ReskerasApp(runs)
            async with played.run_test(size=size) as pilot:
                await until(
                    pilot, lambda: played.screen.query("#start, #status, #runs, #compare-note"), "the first screen"
                )
                await story(played, pilot)

        asyncio.run(whole())

    return play
