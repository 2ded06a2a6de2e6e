"""What each screen shows, cell by cell, in each of three kinds of terminal: `python tests/tui/snapshots.py` remakes the
pictures with which tests/tui/test_snapshots.py compares.

A picture is text: the characters, and below them the styles, as runs of cells with a letter each and what a terminal is
sent for it. SVG of the same, as pytest-textual-snapshot keeps it, would take some megabytes, and hold one kind of
terminal only, for Textual takes that from the environment when it is imported.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

FOLDER = Path(__file__).parent / "snapshots"
SIZES = ((80, 24), (100, 30), (160, 48))
TERMINALS = {
    "colour": {"TEXTUAL_COLOR_SYSTEM": "truecolor"},
    "no colour": {"TEXTUAL_COLOR_SYSTEM": "truecolor", "NO_COLOR": "1"},
    "ansi": {"TEXTUAL_COLOR_SYSTEM": "standard"},
}
"""Kinds of terminal, and how Textual is told of them."""

NOW = 1_700_000_000
"""The time on all clocks."""


def drawn() -> dict[str, dict[str, str]]:
    """Return the pictures of all kinds of terminal: kind -> file name -> picture."""
    return {name: _drawn_on(name) for name in TERMINALS}


def _drawn_on(name: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLORTERM")}
    environment = {"TEXTUAL_ANIMATIONS": "none", "TERM": "xterm-256color", "KERAS_BACKEND": "tensorflow"}
    with tempfile.TemporaryDirectory() as folder:
        homes = {"XDG_CACHE_HOME": folder + "/cache", "XDG_CONFIG_HOME": folder + "/config"}
        done = subprocess.run(
            [sys.executable, __file__, "draw", folder],
            env=kept | environment | homes | TERMINALS[name],
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def picture(app) -> str:
    """Return what stands on the screen, its characters and its styles."""
    strips = app.screen._compositor.render_strips()[: app.size.height]
    known: dict[str, str] = {}
    lines = []
    for strip in strips:
        cells = [(char, _codes(app, segment.style)) for segment in strip for char in segment.text]
        runs = []
        for codes, part in groupby(cells, key=lambda cell: cell[1]):
            letter = known.setdefault(codes, _letter(len(known)))
            runs.append(f"{sum(1 for _ in part)}{letter}")
        lines.append((" ".join(runs), "".join(char for char, _ in cells).rstrip()))
    legend = [f"{letter} = {codes or 'plain'}" for codes, letter in known.items()]
    return "\n".join([*(text for _, text in lines), "", *(runs for runs, _ in lines), "", *legend, ""])


def _letter(place: int) -> str:
    """Return a name of a style, without a digit: a, b, ... z, aa, ab ..."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    return (letters[place // 26 - 1] if place >= 26 else "") + letters[place % 26]


def _codes(app, style) -> str:
    """Return what this terminal is sent for a style."""
    return style._make_ansi_codes(app.console._color_system) if style and app.console._color_system else ""


async def _settled(app, pilot, words: str) -> str:
    """Return the picture once these words are on it and it no longer changes."""
    before, same = "", 0
    for _ in range(1000):
        await asyncio.sleep(0.1)
        now = picture(app)
        same = same + 1 if now == before and words in now else 0
        before = now
        if same == 3:
            return now
    raise AssertionError(f"waited for {words!r} in vain:\n{before}")


async def _draw_all(folder: Path) -> dict[str, str]:
    from recorded import RecordedRun
    from reskeras_tui.app import ReskerasApp
    from reskeras_tui.demo import unpack
    from reskeras_tui.preferences import Preferences

    found: dict[str, str] = {}
    designs, runs = Path("designs"), Path("saved_models")
    app = ReskerasApp(designs)
    async with app.run_test(size=SIZES[0]) as pilot:
        for size in SIZES:
            await pilot.resize_terminal(*size)
            found[_name("design", size)] = await _settled(app, pilot, "ready")
    recorded = unpack(runs)
    live = RecordedRun(runs, layers=40, probes=True).begin().grow(120).log("a line of the log\n")
    for place, run in enumerate((*recorded, live.run)):
        os.utime(run.settings_path, (NOW - 3600 * (3 - place),) * 2)
    app = ReskerasApp(runs, run=live.run, preferences=Preferences(refresh=0.2))
    async with app.run_test(size=SIZES[0]) as pilot:
        while not app.screen.query("#status"):
            await asyncio.sleep(0.02)
        for size in SIZES:
            await pilot.resize_terminal(*size)
            app.show_run(live.run)
            found[_name("live", size)] = await _settled(app, pilot, "vanishing")
            app.compare(recorded)
            found[_name("compare", size)] = await _settled(app, pilot, "is ahead")
            app.action_show_runs()
            found[_name("runs", size)] = await _settled(app, pilot, "running")
            app.replay(recorded[0])
            app.screen.player.playing = False
            while app.screen._whole is None:
                await asyncio.sleep(0.02)
            app.screen.action_go(0.6)
            found[_name("replay", size)] = await _settled(app, pilot, "step 120 of 200")
    live.close()
    return found


def _name(screen: str, size: tuple[int, int]) -> str:
    return f"{screen}-{size[0]}x{size[1]}"


def draw(folder: Path) -> None:
    """Print the pictures of the kind of terminal that the environment says."""
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    from reskeras_tui.plots import scale
    from reskeras_tui.widgets import run_table

    from reskeras import installed

    run_table.time = SimpleNamespace(time=lambda: NOW)
    # A colour scale that holds for some seconds would depend on how busy the machine is.
    scale.SteadyRange.__init__.__defaults__ = (0.0, 0.0, lambda: 0.0)
    installed.installed_backends = lambda: ["tensorflow"]
    # From inside the folder, so that the pictures show the usual name of the folder of runs.
    os.chdir(folder)
    print(json.dumps(asyncio.run(_draw_all(folder))))


def together(pictures: dict[str, dict[str, str]], name: str) -> str:
    """Return the file of a screen at a size: its pictures, one kind of terminal below the other."""
    import textual

    parts = [f"textual {textual.__version__}\n"]
    return "\n".join([*parts, *(f"== {kind}\n{each[name]}" for kind, each in pictures.items())])


def main() -> None:
    """Remake all pictures."""
    pictures = drawn()
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for name in pictures["colour"]:
        (FOLDER / f"{name}.txt").write_text(together(pictures, name), "utf-8")


if __name__ == "__main__":
    draw(Path(sys.argv[2])) if sys.argv[1:2] == ["draw"] else main()
