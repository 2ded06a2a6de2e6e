"""A closed list of values on one line, which the arrow keys turn without opening it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Select
from textual.widgets._select import SelectCurrent

from .controls import take_key


class Choice(Select[str], inherit_bindings=False):
    """One of several values: left and right turn to the neighbour, enter or space open the list.

    Args:
        choices: the values that can be chosen.
        value: the one chosen at first.
        notes: value -> what the open list says beside it.
        id: the widget's id.
    """

    BINDINGS: ClassVar = [
        Binding("enter,space", "show_overlay", "Open list", show=False),
        Binding("left", "turn(-1)", "Previous value", show=False),
        Binding("right", "turn(1)", "Next value", show=False),
    ]

    def __init__(
        self,
        choices: Sequence[str],
        *,
        value: str,
        notes: dict[str, str] | None = None,
        id: str | None = None,
    ) -> None:
        notes = notes or {}
        self.choices = tuple(choices)
        widest = max((len(choice) for choice in choices), default=0)
        prompts = [
            Content.assemble(choice.ljust(widest), (f"  {notes[choice]}", "dim")) if notes.get(choice) else choice
            for choice in choices
        ]
        super().__init__(list(zip(prompts, choices, strict=True)), value=value, allow_blank=False, compact=True, id=id)

    def watch_value(self, value: str) -> None:
        """Show the value alone: its note is for the open list."""
        for current in self.query(SelectCurrent):
            current.update(value)

    async def on_key(self, event: events.Key) -> None:
        # The open list below has the focus, and its keys come up through here.
        if not self.expanded:
            await take_key(self, event, letters=False)

    def action_turn(self, by: int) -> None:
        """Choose the value `by` places further down the list, round its ends."""
        if self.value in self.choices:
            self.value = self.choices[(self.choices.index(self.value) + by) % len(self.choices)]
