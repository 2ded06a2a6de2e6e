"""The form of a run to be, made from the declarations of the options."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label

from reskeras import recipes
from reskeras.catalogue import ARCHITECTURES
from reskeras.datasets import EMBEDDED, KNOWN
from reskeras.installed import how_to_install, installed_backends
from reskeras.options import Option, describe
from reskeras.request import default_data
from reskeras.runs import TrainingOptions

from .data_suggester import DataSuggester
from .field import OptionField
from .preset_field import PresetField


class FormValues(NamedTuple):
    """What the form says: an architecture's name, its options, and the training options."""

    architecture: str
    options: dict[str, Any]
    training: dict[str, Any]


def architecture_option() -> Option:
    """Return the choice of an architecture, declared by the catalogue."""
    names = tuple(ARCHITECTURES)
    return Option(
        "architecture",
        "choice",
        names[0],
        "Family of networks; the open list says what each is.",
        choices=names,
    )


def backend_notes() -> dict[str, str]:
    """Return what the list of backends says beside each that is not installed."""
    installed = installed_backends()
    choices = next(option.choices for option in describe(TrainingOptions) if option.name == "backend")
    notes = {name: f"not installed: {how_to_install(name)}" for name in choices if name not in (*installed, "auto")}
    if installed:
        notes["auto"] = f"KERAS_BACKEND, else the fastest measured, else {installed[0]}"
    return notes


class DesignForm(VerticalScroll, can_focus=False):
    """Every choice of a run: one row for each declared option, architecture first."""

    BINDINGS: ClassVar = [
        Binding("up", "app.focus_previous", "Previous field", show=False),
        Binding("down", "app.focus_next", "Next field", show=False),
    ]

    class Edited(Message):
        """A value in the form changed."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._kept: dict[str, dict[str, Any]] = {}
        self._recipe = "none"
        self._shown = architecture_option().default
        self._chooser = OptionField(
            architecture_option(), notes={name: entry.summary for name, entry in ARCHITECTURES.items()}
        )
        self._architecture_fields = self._make_architecture_fields(self._shown)
        self._presets = PresetField(ARCHITECTURES[self._shown], self._architecture_fields)
        self._training_fields = [
            OptionField(
                option,
                group="training",
                notes=backend_notes() if option.name == "backend" else None,
                suggester=DataSuggester() if option.name == "data" else None,
            )
            for option in describe(TrainingOptions)
        ]

    def compose(self) -> ComposeResult:
        yield Label("Network", classes="form-heading")
        yield self._chooser
        yield Label("", id="architecture-summary", markup=False)
        with Vertical(id="architecture-options"):
            yield from self._rows_of_family()
        yield Label("Training", classes="form-heading")
        with Vertical(id="training-options"):
            yield from self._training_fields

    def _make_architecture_fields(self, name: str) -> list[OptionField]:
        kept = self._kept.get(name, {})
        return [
            OptionField(option, group="option", value=kept.get(option.name))
            for option in describe(ARCHITECTURES[name].options)
        ]

    def _rows_of_family(self) -> list[OptionField]:
        presets = [self._presets] if ARCHITECTURES[self._shown].presets else []
        return [*presets, *self._architecture_fields]

    def on_mount(self) -> None:
        self._show_summary()
        self.call_after_refresh(self._presets.follow)

    @property
    def architecture(self) -> str:
        """The name of the architecture whose options are shown."""
        return self._shown

    def fields(self) -> list[OptionField]:
        """Return all rows, from the top."""
        return [self._chooser, *self._rows_of_family(), *self._training_fields]

    def values(self) -> FormValues:
        """Return what the form says now."""
        return FormValues(self._shown, _values(self._architecture_fields), _values(self._training_fields))

    def show_problems(self, problems: dict[str, str]) -> list[str]:
        """Show each problem at its field, and return those that have no field."""
        left = dict(problems)
        for field in self.fields():
            field.show_problem(left.pop(field.option.name, ""))
        return list(left.values())

    def focus_problem(self) -> None:
        """Move to the first field that has a problem."""
        for field in self.fields():
            if field.problem:
                field.control.focus()
                return

    def field_of(self, widget: Any) -> OptionField | None:
        """Return the row that a control belongs to, or None."""
        while widget is not None and widget is not self:
            if isinstance(widget, OptionField):
                return widget
            widget = widget.parent
        return None

    @on(Input.Submitted)
    def _next_field(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()

    @on(OptionField.Changed)
    async def _field_changed(self, event: OptionField.Changed) -> None:
        event.stop()
        field = event.field
        if field is self._chooser and field.value != self._shown:
            await self._show_architecture(field.value)
        elif field is self._presets:
            field.fill()
        elif field in self._architecture_fields:
            self._presets.follow()
        elif field.option.name == "recipe":
            self._fill_recipe(field.value)
        self.post_message(self.Edited())

    async def _show_architecture(self, name: str) -> None:
        """Replace the rows of the family; what was typed is kept for when somebody comes back."""
        self._kept[self._shown] = _values(self._architecture_fields)
        fields = self._make_architecture_fields(name)
        presets = PresetField(ARCHITECTURES[name], fields)
        rows = self.query_one("#architecture-options")
        with self.app.batch_update():
            await rows.remove_children()
            await rows.mount_all([presets, *fields] if ARCHITECTURES[name].presets else fields)
            self._bring_data(name)
            # Together and last: somebody may ask for the values while rows come and go.
            self._shown, self._architecture_fields, self._presets = name, fields, presets
            self._show_summary()
        self.call_after_refresh(presets.follow)

    def _fill_recipe(self, name: str) -> None:
        """Fill in a recipe; what still has a value of the one before gets its default."""
        before, now = recipes.values_of(self._recipe), recipes.values_of(name)
        self._recipe = name
        for field in self._training_fields:
            option = field.option
            if option.name in now:
                field.show(now[option.name])
            elif option.name in before and field.shows(before[option.name]):
                field.show(option.default)

    def _bring_data(self, name: str) -> None:
        """Name the data that a family begins with, where the one named is what the family before began with."""
        [field] = [each for each in self._training_fields if each.option.name == "data"]
        if field.value == default_data(ARCHITECTURES[self._shown]):
            field.show(default_data(ARCHITECTURES[name]))

    def _show_summary(self) -> None:
        entry = ARCHITECTURES[self._shown]
        self.query_one("#architecture-summary", Label).update(f"{entry.summary}\n{entry.paper}")


def _values(fields: list[OptionField]) -> dict[str, Any]:
    return {field.option.name: field.value for field in fields}


def help_text(option: Option) -> str:
    """Return what is said about a field while it has the focus: its help, and what may be given."""
    if option.name == "data":
        return f"{option.help} By name: {', '.join([*EMBEDDED, *KNOWN])}."
    if option.kind in ("choice", "flag") or option.allowed == "text":
        return option.help
    return f"{option.help} Allowed: {option.allowed}."
