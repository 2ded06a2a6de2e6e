"""The line that says where a replay is, on which a click goes to a place."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from .. import words
from ..replaying import Player

NARROWEST_BAR = 10


class Transport(Static):
    """Where a replay is and how fast it goes."""

    COMPONENT_CLASSES: ClassVar = {"transport--label", "transport--value", "transport--done", "transport--todo"}

    class Scrubbed(Message):
        """A place of the bar was clicked.

        Args:
            share: of the whole, 0 to 1.
        """

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._bar = (0, 0)

    def show(self, player: Player) -> None:
        """Show where a player is."""
        label, value = map(self.get_visual_style, ("transport--label", "transport--value"))
        sign = "▶ playing" if player.playing else "■ at the end" if player.at_end else "‖ paused"
        before = f"{sign}  {player.speed}×  "
        step, length = round(player.step), round(player.length)
        after = f"  step {step:,} of {length:,}"
        time = f"  {words.duration(player.seconds)} of {words.duration(player.whole_seconds)}"
        width = self.content_size.width
        if len(before) + len(after) + len(time) + NARROWEST_BAR <= width:
            after += time
        bar = max(width - len(before) - len(after), 0)
        done = round(bar * player.step / player.length) if player.length else 0
        self._bar = (len(before), bar)
        self.update(
            Content.assemble(
                (before, value),
                ("━" * done, self.get_visual_style("transport--done")),
                ("─" * (bar - done), self.get_visual_style("transport--todo")),
                (after, label),
            )
        )

    def on_click(self, event: events.Click) -> None:
        start, width = self._bar
        offset = event.get_content_offset(self)
        if offset is not None and width and start <= offset.x < start + width:
            self.post_message(self.Scrubbed((offset.x - start + 0.5) / width))
