"""The terminal UI never imports what computes, and opens quickly."""

import resource
import subprocess
import sys

import pytest

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
        await pilot.press("right", "down", "3", "f2", "f3", "d")
asyncio.run(story())
print([name for name in {FORBIDDEN!r} if name in sys.modules])
"""
    assert run_python(code).strip() == "[]"


def test_first_paint_is_quick(tmp_path):
    code = f"""
import asyncio
from pathlib import Path
from reskeras_tui.app import ReskerasApp
async def story():
    async with ReskerasApp(Path({str(tmp_path)!r})).run_test(size=(160, 48)) as pilot:
        pass
asyncio.run(story())
"""
    # Processor time, which does not grow while other processes have the machine; on an idle one it is well under 1 s.
    before = processor_seconds()
    run_python(code)
    assert processor_seconds() - before < 5


def processor_seconds() -> float:
    """Return the processor time of the processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
