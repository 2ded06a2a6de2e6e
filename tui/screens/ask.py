"""Small screens that ask for a text, or whether something is to be done."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static, TextArea


class AskScreen(ModalScreen[str | None]):
    """Ask for a text.

    Args:
        title: what is asked for.
        value: what is there already.
        hint: what is allowed, in a line.
        check: says what is wrong with a text, or nothing; None takes any.
        lines: whether the text may have several lines; ctrl+s ends it then.
    """

    BINDINGS: ClassVar = [
        Binding("ctrl+s,enter", "accept", "Accept", key_display="enter, ctrl+s"),
        Binding("escape", "dismiss(None)", "Leave as it is"),
    ]

    def __init__(
        self,
        title: str,
        value: str = "",
        hint: str = "",
        check: Callable[[str], str | None] | None = None,
        lines: bool = False,
    ) -> None:
        super().__init__()
        self._title, self._value, self._hint, self._check, self._lines = title, value, hint, check, lines

    def compose(self) -> ComposeResult:
        with Vertical(id="ask") as box:
            box.border_title = self._title
            if self._lines:
                yield TextArea(self._value, id="ask-text", show_line_numbers=False)
            else:
                yield Input(self._value, id="ask-text", select_on_focus=False)
            yield Static(self._hint, id="ask-hint", markup=False)
        yield Footer(show_command_palette=False)

    @property
    def _text(self) -> str:
        field = self.query_one("#ask-text")
        return field.text if isinstance(field, TextArea) else field.value

    @on(Input.Submitted)
    def action_accept(self) -> None:
        """Take the text as it is."""
        problem = self._check(self._text) if self._check else None
        if problem is None:
            self.dismiss(self._text)
            return
        hint = self.query_one("#ask-hint", Static)
        hint.update(f"✗ {problem}")
        hint.add_class("-problem")


class ConfirmScreen(ModalScreen[bool]):
    """Ask whether something is to be done.

    Args:
        question: what would be done.
        consequence: what that means, and how it can be undone.
    """

    BINDINGS: ClassVar = [
        Binding("y", "dismiss(True)", "Yes"),
        Binding("n,escape", "dismiss(False)", "No", key_display="n"),
    ]

    def __init__(self, question: str, consequence: str = "") -> None:
        super().__init__()
        self._question, self._consequence = question, consequence

    def compose(self) -> ComposeResult:
        with Vertical(id="ask"):
            yield Static(self._question, id="ask-question", markup=False)
            yield Static(self._consequence, id="ask-hint", markup=False)
            yield Static("y yes    n no", id="ask-keys", markup=False)
        yield Footer(show_command_palette=False)
