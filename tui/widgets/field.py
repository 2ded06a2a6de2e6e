"""One option as a row of a form: its name, a control for its kind, and what is wrong with its value."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Label, Select, Switch

from reskeras.options import Option

from .choice import Choice
from .controls import Flag, TextInput


class OptionField(Vertical):
    """The row of an option.

    Args:
        option: its declaration.
        group: the first word of the control's id, `group-name`; without one the id is the name alone.
        value: the value shown at first; without one the default.
        notes: choice -> what the open list says beside it.
        suggester: completes what is typed into a text.
    """

    class Changed(Message):
        """The value of a field changed."""

        def __init__(self, field: OptionField) -> None:
            super().__init__()
            self.field = field

    def __init__(
        self,
        option: Option,
        *,
        group: str = "",
        value: Any = None,
        notes: dict[str, str] | None = None,
        suggester: Suggester | None = None,
    ) -> None:
        super().__init__()
        self.option = option
        self._problem = ""
        self._problem_label = Label("", classes="field-problem", markup=False)
        self.control = self._make_control(
            f"{group}-{option.name}" if group else option.name,
            option.default if value is None else value,
            notes,
            suggester,
        )

    def _make_control(self, name: str, value: Any, notes: dict[str, str] | None, suggester: Suggester | None) -> Widget:
        if self.option.kind == "choice":
            return Choice(self.option.choices, value=str(value), notes=notes, id=name)
        if self.option.kind == "flag":
            return Flag(bool(value), animate=False, id=name)
        placeholder = "automatic" if self.option.optional else self.option.allowed
        return TextInput(
            _typed(value),
            placeholder=placeholder,
            compact=True,
            suggester=suggester,
            select_on_focus=False,
            id=name,
        )

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field-row"):
            yield Label(self.title, classes="field-name")
            yield self.control
            if self.option.kind == "flag":
                yield Label(self._flag_word(), classes="field-word")
        yield self._problem_label

    @property
    def title(self) -> str:
        """The option's name as people read it."""
        return self.option.name.replace("_", " ")

    @property
    def value(self) -> Any:
        """What was chosen: text for numbers too, and None for an optional value left empty."""
        value = self.control.value
        if isinstance(value, str) and self.option.kind != "choice":
            value = value.strip()
            return None if self.option.optional and not value else value
        return value

    def show(self, value: Any) -> None:
        """Put a value of the option into the control."""
        self.control.value = self._in_control(value)

    def shows(self, value: Any) -> bool:
        """Return whether the control holds a value of the option."""
        return self.control.value == self._in_control(value)

    def _in_control(self, value: Any) -> Any:
        if self.option.kind == "flag":
            return bool(value)
        return str(value) if self.option.kind == "choice" else _typed(value)

    @property
    def problem(self) -> str:
        """What is wrong with the value, or nothing."""
        return self._problem

    def show_problem(self, problem: str) -> None:
        """Show what is wrong with the value below it, or nothing when all is well."""
        if problem != self._problem:
            self._problem = problem
            self._problem_label.update(f"✗ {problem}" if problem else "")
            self.set_class(bool(problem), "-problem")

    def _flag_word(self) -> str:
        return "yes" if self.control.value else "no"

    def _changed(self) -> None:
        self.set_class(not self.shows(self.option.default), "-changed")
        self.post_message(self.Changed(self))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._changed()

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self._changed()

    def on_switch_changed(self, event: Switch.Changed) -> None:
        event.stop()
        self.query_one(".field-word", Label).update(self._flag_word())
        self._changed()


def _typed(value: Any) -> str:
    """Return a value as somebody would type it."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
