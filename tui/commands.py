"""All that can be done on a screen, for the command palette."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.app import App, SystemCommand
from textual.screen import Screen

from .screens.help import meaning


def commands(app: App, screen: Screen) -> Iterator[SystemCommand]:
    """Yield every action of a screen, of what has the focus there, and of the application, each once."""
    told: set[str] = set()
    for active in screen.active_bindings.values():
        action, text = active.binding.action, active.binding.description
        # What Textual itself binds on every screen has no name of ours.
        ours = active.binding.id or not isinstance(active.node, (App, Screen))
        if not (active.enabled and text and ours) or action in told:
            continue
        told.add(action)
        said = meaning(screen, action) or text
        key = app.get_key_display(active.binding)
        yield SystemCommand(f"{text}  ({key})", said, partial(app.run_action, action, active.node))
