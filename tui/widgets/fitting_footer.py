"""A footer with the keys that fit, the most useful ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual.app import App
from textual.screen import ActiveBinding
from textual.widgets import Footer


class FittingFooter(Footer):
    """A footer that is made anew when the width changes; its screen says what fits, with `fitted`."""

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)
        self._width = 0
        self._shown: list[tuple] | None = None

    def on_resize(self) -> None:
        # It is made anew with its bindings, and that resizes it: only a real change may do so.
        if self.app.size.width != self._width:
            self._width = self.app.size.width
            self.screen.refresh_bindings()

    async def recompose(self) -> None:
        """Make the footer anew where it is to show other keys: bindings are gone through with every change of focus."""
        if not self.is_attached:
            return
        active = [each for each in self.screen.active_bindings.values() if each.binding.show]
        shown = [(each.binding.action, self.app.get_key_display(each.binding), each.enabled) for each in active]
        if shown != self._shown:
            self._shown = shown
            await super().recompose()


def fitted(active: dict[str, ActiveBinding], first: Sequence[str], app: App) -> dict[str, ActiveBinding]:
    """Return bindings of which so many are shown in the footer as fit on a line.

    Args:
        active: the bindings.
        first: actions, the most useful first; others follow in their own order.
        app: the application.
    """
    widths: dict[str, int] = {}
    for one in active.values():
        if one.binding.show:
            width = len(app.get_key_display(one.binding)) + len(one.binding.description) + 2
            widths.setdefault(one.binding.action, width)
    kept, room = set(), app.size.width + 1
    for action in sorted(widths, key=lambda each: first.index(each) if each in first else len(first)):
        if widths[action] <= room:
            kept.add(action)
            room -= widths[action]
    return {
        key: one if one.binding.action in kept else one._replace(binding=replace(one.binding, show=False))
        for key, one in active.items()
    }
