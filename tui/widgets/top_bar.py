"""The line at the top: the product's name, the screens, and where runs are kept."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

SCREENS = {"design": "Design", "live": "Live", "runs": "Runs", "compare": "Compare"}
"""The screens by the app's action that shows each."""


class TopBar(Horizontal):
    """The name, the screens with the present one marked, and a remark at the right.

    Args:
        here: the key in `SCREENS` of the screen that this bar is on.
        remark: what is said at the right.
    """

    def __init__(self, here: str, remark: str = "") -> None:
        super().__init__()
        self._here, self._remark = here, remark

    def compose(self) -> ComposeResult:
        yield Static("reskeras", id="product", markup=False)
        for action, title in SCREENS.items():
            mark = "▸ " if action == self._here else "  "
            tab = Static(Content.from_markup(f"[@click=app.show_{action}]$mark$title[/]", mark=mark, title=title))
            tab.add_class("tab")
            tab.set_class(action == self._here, "-here")
            yield tab
        yield Static(self._remark, id="remark", markup=False)
