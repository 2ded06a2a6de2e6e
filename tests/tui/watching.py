"""Waiting for what must come true in an application, and reading what stands on its screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from reskeras_tui.app import ReskerasApp
from textual.pilot import Pilot

PATIENCE = 60.0
"""Seconds until something that must come true counts as missing."""


async def until(pilot: Pilot, condition: Callable[[], object], what: str = "") -> None:
    """Go on as soon as a condition holds; fail when it does not in time.

    Args:
        pilot: the pilot of the application.
        condition: a function that is true in the end; an exception counts as false.
        what: what was waited for, for the message.
    """
    deadline, error = time.monotonic() + PATIENCE, None
    while time.monotonic() < deadline:
        try:
            if condition():
                await pilot.pause()
                return
        except Exception as problem:
            error = problem
        # The application goes on by itself; a pause of the pilot's asks every widget, and draws the screen anew.
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited {PATIENCE} s for {what or condition}, in vain" + (f": {error!r}" if error else ""))


def text_of(app: ReskerasApp) -> str:
    """Return what stands on the screen now, line by line."""
    height = app.size.height
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in lines[:height])


def words_of(app: ReskerasApp, selector: str) -> str:
    """Return what a widget says, wherever its lines are broken."""
    return str(app.screen.query_one(selector).content)
