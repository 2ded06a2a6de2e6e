"""The pictures of the README, made by the app from real runs: `python tests/pictures.py` draws them anew."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

# Read by Textual when it is imported: the pictures do not depend on the terminal that draws them.
os.environ.pop("NO_COLOR", None)
os.environ.update(
    TEXTUAL_COLOR_SYSTEM="truecolor", COLORTERM="truecolor", TERM="xterm-256color", TEXTUAL_ANIMATIONS="none"
)

from reskeras_tui.app import ReskerasApp
from reskeras_tui.demo import unpack

from reskeras.request import check_request
from reskeras.runs import create, labels, launch

PICTURES = Path(__file__).parents[1] / ".readme"
SIZE, LARGE = (120, 36), (160, 48)
PATIENCE = 300


async def draw_live(runs: Path) -> None:
    """Draw the live screen in the middle of a training whose gradients vanish towards the first layers."""
    settings = check_request("plain", {"depth": 16, "activation": "sigmoid"}, {"steps": 1600}).settings
    run = create(settings, runs)
    launch.start(run)
    app = ReskerasApp(runs)
    async with app.run_test(size=SIZE) as pilot:
        deadline = time.monotonic() + PATIENCE
        while len(run.series("gradient_norm").last) < 1000:
            if time.monotonic() > deadline or run.state() in ("failed", "crashed"):
                sys.exit(f"The run is {run.state()}: {run.log_path.read_text()[-2000:]}")
            await pilot.pause(0.05)
        await pilot.pause(0.5)
        (PICTURES / "live.svg").write_text(app.export_screenshot(title="reskeras-tui"))
        app.ask_run(run, "stop")
        while run.is_live():
            await pilot.pause(0.1)


async def draw_design(runs: Path) -> None:
    """Draw the design screen as it opens."""
    app = ReskerasApp(runs)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.screen.query("#start-message"))
        await until(pilot, lambda: "ready" in str(app.screen.query_one("#start-message").content))
        (PICTURES / "design.svg").write_text(app.export_screenshot(title="reskeras-tui"))


async def draw_recorded(folder: Path) -> None:
    """Draw the comparison, the list of runs and a replay from the recorded runs that come with the program."""
    runs = unpack(folder)
    labels.tag(runs[1], "paper")
    app = ReskerasApp(folder, compared=runs)
    async with app.run_test(size=LARGE) as pilot:
        await until(pilot, lambda: app.screen.query("#compare-table"))
        await until(pilot, lambda: app.screen.query_one("#compare-table").row_count == len(runs))
        draw(app, "compare")
        await pilot.press("r")
        await until(pilot, lambda: app.screen.query_one("#runs").row_count == len(runs))
        draw(app, "runs")
        app.replay(runs[0])
        await until(pilot, lambda: app.screen.player.length > 1)
        app.screen.player.playing = False
        app.screen.action_go(0.6)
        await pilot.press("m")
        await until(pilot, lambda: app.screen._snapshot and app.screen._snapshot.view.quantity == "backward_norm")
        draw(app, "replay")


def draw(app: ReskerasApp, name: str) -> None:
    """Write what an application shows as a picture."""
    (PICTURES / f"{name}.svg").write_text(app.export_screenshot(title="reskeras-tui"))


async def until(pilot, condition) -> None:
    """Wait for something to be drawn."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("It was never drawn.")
        await pilot.pause(0.05)
    await pilot.pause(0.5)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        # From inside the folder, so that the pictures show the usual name of the folder of runs.
        os.chdir(folder)
        asyncio.run(draw_design(Path("saved_models")))
        asyncio.run(draw_live(Path("saved_models")))
        asyncio.run(draw_recorded(Path("recorded")))
        os.chdir(home)
