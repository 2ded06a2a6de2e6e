"""The terminal UI never imports what computes, and opens quickly."""

import asyncio
import subprocess
import sys

import pytest
from reskeras_tui.app import ReskerasApp
from reskeras_tui.screens.opening import OpeningScreen
from watching import text_of

pytestmark = pytest.mark.any_backend

FORBIDDEN = ("keras", "tensorflow", "jax", "torch", "sklearn")


def run_python(code: str, **environment: str) -> str:
    import os

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_backend_is_imported_by_any_module():
    code = f"""
import importlib, pkgutil, sys
import reskeras_tui
for module in pkgutil.walk_packages(reskeras_tui.__path__, "reskeras_tui."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print([name for name in {FORBIDDEN!r} if name in sys.modules])
"""
    assert run_python(code).strip() == "[]"


def test_no_backend_is_imported_while_a_form_is_filled_in(tmp_path):
    code = f"""
import asyncio, sys
from pathlib import Path
from reskeras_tui.app import ReskerasApp
async def story():
    app = ReskerasApp(Path({str(tmp_path)!r}))
    async with app.run_test(size=(80, 24)) as pilot:
        while not app.screen.query("#start"):
            await pilot.pause(0.02)
        await pilot.press("right", "down", "3", "f2", "f3", "d")
asyncio.run(story())
print([name for name in {FORBIDDEN!r} if name in sys.modules])
"""
    assert run_python(code).strip() == "[]"


def test_the_first_picture_waits_for_nothing_but_textual(tmp_path):
    """It takes most of a second until everything of ours is imported; something is to be seen before."""
    code = f"""
import asyncio, sys
from pathlib import Path
import reskeras_tui.program
from reskeras_tui.app import ReskerasApp
LARGE = ("numpy", "pydantic", "reskeras.catalogue", "reskeras.runs.folder", "reskeras_tui.widgets.form")
def opened():
    strips = app.screen._compositor.render_strips()
    print("reskeras" in strips[0].text, [name for name in LARGE if name in sys.modules])
    import_parts()
app = ReskerasApp(Path({str(tmp_path)!r}))
import_parts, app._import_parts = app._import_parts, opened
async def story():
    async with app.run_test(size=(160, 48)) as pilot:
        while not app.screen.query("#start"):
            await pilot.pause(0.02)
        # Left while its parts are still being mounted, Textual's lists look for parts that are gone.
        await pilot.pause()
    print([name in sys.modules for name in LARGE])
asyncio.run(story())
"""
    assert run_python(code).splitlines() == ["True []", "[True, True, True, True, True]"]


def test_before_it_is_open_it_can_be_left_and_nothing_else(tmp_path):
    async def story():
        app = ReskerasApp(tmp_path)
        app._import_parts = lambda: None
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.press("f1", "f3", "f4", "f8", "ctrl+p", "e")
            await pilot.click(".tab")
            assert app.screen_stack == [app.screen] and isinstance(app.screen, OpeningScreen)
            assert "q Quit" in text_of(app) and app.is_running
            await pilot.press("q")
            assert not app.is_running

    asyncio.run(story())


def test_help_and_misuse_need_no_terminal():
    for words, code, part in (
        (["--help"], 0, "Examples"),
        ([], 2, "reskeras train"),
        (["--depth", "3"], 2, "--depth"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "reskeras_tui", *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code and part in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
