"""The dialog in which a run's learning rate and telemetry are changed while it is trained."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Footer, Input, Label

from reskeras.options import Option
from reskeras.runs import Run, control
from reskeras.runs.statistics import LEVELS

from ..widgets.field import OptionField
from ..words import number

RATE = Option("learning_rate", "number", None, "Learning rate from the next step on.", optional=True)
LEVEL = Option("telemetry", "choice", LEVELS[1], "What is measured from the next step on.", choices=LEVELS)


class AdjustScreen(ModalScreen[None]):
    """Change what can be changed of a live run.

    Args:
        run: the run.
        rate: its learning rate now; None where it is not known.
        level: its level of telemetry now; None where it is not known.
    """

    BINDINGS: ClassVar = [
        Binding("escape", "dismiss", "Close"),
        Binding("ctrl+s", "apply", "Set"),
        Binding("up", "app.focus_previous", "Previous field", show=False),
        Binding("down", "app.focus_next", "Next field", show=False),
    ]

    def __init__(self, run: Run, rate: float | None, level: str | None) -> None:
        super().__init__()
        self.run = run
        self._rate, self._level = rate, level or LEVEL.default
        self._fields = {
            "learning_rate": OptionField(RATE, group="adjust"),
            "telemetry": OptionField(LEVEL, group="adjust", value=self._level),
        }

    def compose(self) -> ComposeResult:
        with Vertical(id="adjust"):
            yield from self._fields.values()
            yield Label("From the next step on; the worker answers between two steps.", id="adjust-note")
            with Horizontal(id="adjust-buttons"):
                yield Button("Set", id="adjust-set", variant="primary", compact=True)
                yield Button("Checkpoint now", id="adjust-checkpoint", compact=True)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#adjust").border_title = f"Set: {self.run.name}"
        rate = self._fields["learning_rate"].control
        rate.placeholder = f"now {number(self._rate, 6)}" if self._rate is not None else "a number above 0"
        rate.focus()

    @on(Input.Submitted)
    @on(Button.Pressed, "#adjust-set")
    def action_apply(self) -> None:
        """Ask the worker for what was changed, or say what is wrong with it."""
        typed, level = self._fields["learning_rate"].value, self._fields["telemetry"].value
        asked = {}
        try:
            if typed:
                asked["learning_rate"] = control.checked("learning_rate", _number(typed))
        except ValueError as error:
            self._fields["learning_rate"].show_problem(str(error))
            self._fields["learning_rate"].control.focus()
            return
        if level != self._level:
            asked["telemetry"] = level
        for name, value in asked.items():
            self.app.ask_run(self.run, name, value)
        self.dismiss()

    @on(Button.Pressed, "#adjust-checkpoint")
    def checkpoint(self) -> None:
        """Ask the worker for a checkpoint."""
        self.app.ask_run(self.run, "checkpoint")
        self.dismiss()


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
