"""The first picture: it is there before anything of the other screens is imported."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from ..widgets.fitting_footer import FittingFooter
from ..widgets.top_bar import TopBar


class OpeningScreen(Screen):
    """The frame that all screens share, for the moment until one of them can be shown."""

    BINDINGS: ClassVar = [Binding("ctrl+q,q", "app.quit", "Quit", key_display="q")]

    def compose(self) -> ComposeResult:
        yield TopBar("", f"runs in {self.app.runs}")
        yield FittingFooter()
