"""All that can be done on a screen, for the command palette."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from textual.app import App, SystemCommand
from textual.binding import ActiveBinding
from textual.screen import Screen

from .screens.help import meaning


def commands(app: App, screen: Screen) -> Iterator[SystemCommand]:
    """Yield every action of a screen, of what has the focus there, and of the application, each once."""
    told: set[str] = set()
    for active in screen.active_bindings.values():
        action, text = active.binding.action, active.binding.description
        if not (active.enabled and text and _is_ours(active)) or action in told:
            continue
        told.add(action)
        said = meaning(screen, action)
        key = app.get_key_display(active.binding)
        yield SystemCommand(f"{text}  ({key})", said, partial(app.run_action, action, active.node))


def _is_ours(active: ActiveBinding) -> bool:
    """Return whether we bind an action, and not Textual: a field to type in binds dozens, such as moving its cursor."""
    if isinstance(active.node, (App, Screen)):
        return bool(active.binding.id)
    kinds = (kind for kind in type(active.node).__mro__ if not kind.__module__.startswith("textual."))
    return any(each.action == active.binding.action for kind in kinds for each in vars(kind).get("BINDINGS", ()))
