"""The screen on which a run is designed: a form, the plan beside it, and the command that does the same."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, NamedTuple

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ActiveBinding, Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Button, Label, Static

from reskeras.memory import estimate
from reskeras.options import OptionError
from reskeras.request import Request, check_request
from reskeras.runs import RunSettings
from reskeras.speeds import Choice, Workload, choose, kept, nearest, on_backend

from ..command_line import command_line
from ..keymap import named_actions
from ..messages import RequestChecked
from ..snippet import python_snippet
from ..twin import twin_of
from ..widgets.fitting_footer import FittingFooter, fitted
from ..widgets.form import DesignForm, FormValues, help_text
from ..widgets.plan_view import PlanView
from ..widgets.top_bar import TopBar
from ..words import count, duration, scaled, size
from .code import CodeScreen

SETTLE_SECONDS = 0.12
"""The form is checked when nobody has changed it for so long."""

WARM_SECONDS = 0.6
"""A worker is prepared when the choice of a backend has stood for so long: turning through the list starts none."""


FIRST_KEYS = (
    *("start", "toggle_plan", "app.show_help", "app.quit", "app.show_runs", "app.show_live", "start_twins"),
    *("show_code", "copy_command"),
)
"""Actions, the one first that is to be in the footer however narrow it is."""


class Checked(NamedTuple):
    """The request that a form's values make, with its backend; or None, and what is wrong."""

    request: Request | None
    choice: Choice | None
    problems: dict[str, str]
    costs: str = ""


def checked(values: FormValues) -> Checked:
    """Return what a form's values come to."""
    try:
        request = check_request(*values)
        choice = choose(request)
        return Checked(request, choice, {}, costs(on_backend(request, choice.backend)))
    except OptionError as error:
        return Checked(None, None, error.problems)


def costs(request: Request) -> str:
    """Return what a sample, the memory, and an epoch take, in words.

    Args:
        request: what is to be trained, its backend named.
    """
    settings = request.settings
    workload, backend = Workload.of(settings, request.plan), settings.training.backend
    known = nearest(workload, kept(settings.architecture), [backend]).get(backend)
    total = settings.training.steps or request.steps
    epoch = max(total // settings.training.epochs, 1) if not settings.training.steps else None
    if known is None or known.step is None:
        time = f"time not measured on {backend} yet"
    elif epoch is None:
        time = f"{duration(known.seconds(total))} for {count(total, 'step')}"
    else:
        time = f"an epoch {duration(max(known.step * epoch, 1))}"
    sums = request.plan.cost().multiply_adds
    return f"{scaled(sums)} multiply-adds a sample   about {size(estimate(request).total)}   {time}"


class DesignBody(Horizontal):
    """The form, and beside it what comes of it."""

    def compose(self) -> ComposeResult:
        with Vertical(id="design-left"):
            yield DesignForm(id="form")
            yield Label("", id="field-help", markup=False)
            with Horizontal(id="start-row"):
                yield Button("Start", id="start", variant="primary", compact=True)
                yield Label("", id="start-message", markup=False)
        with Vertical(id="design-right"):
            with Horizontal(id="plan-heading"):
                yield Label("", id="plan-title", markup=False)
                yield Label("", id="plan-note", markup=False)
            yield Label("", id="plan-costs", markup=False)
            yield PlanView(id="plan")
            yield Static("", id="command", markup=False)


@named_actions("design")
class DesignScreen(Screen):
    """Choose everything about a run, see its network, and start it."""

    BINDINGS: ClassVar = [
        Binding("ctrl+s", "start", "Start"),
        Binding("f5", "start", "Start", show=False),
        Binding("f2", "toggle_plan", "Plan/options"),
        Binding("ctrl+t", "start_twins", "Start twins"),
        Binding("ctrl+y", "copy_command", "Copy command"),
        Binding("f6", "show_code", "Code"),
        Binding("f3", "app.show_runs", "Runs"),
        Binding("f4", "app.show_live", "Live"),
        Binding("f1", "app.show_help", "Help"),
        Binding("ctrl+q", "app.quit", "Quit"),
    ]
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self._settling: Timer | None = None
        self._warming: Timer | None = None
        self._request: Request | None = None
        self._choice: Choice | None = None
        self._problems: dict[str, str] = {}
        self._narrow = False
        self._left: Widget | None = None
        self._starting = self._opened = self._has_form = False

    def compose(self) -> ComposeResult:
        yield TopBar("design", f"runs in {self.app.runs}")
        yield FittingFooter()

    async def open_form(self) -> None:
        """Make the form: it has hundreds of widgets, and a program that opens on a run may never show it."""
        if not self._opened:
            self._opened = True
            await self.mount(DesignBody(id="design-body"), before=self.query_one(FittingFooter))
            self._has_form = True
            self.check_now()
            self.refresh_bindings()
            if self.focused is None:
                self.form.fields()[0].control.focus()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys, of which so many are shown in the footer as fit."""
        return fitted(super().active_bindings, FIRST_KEYS, self.app)

    @property
    def form(self) -> DesignForm:
        """The form on this screen."""
        return self.query_one(DesignForm)

    # Checking

    @on(DesignForm.Edited)
    def _settle(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLE_SECONDS, self._check_values)

    def _check_values(self) -> None:
        self._check_in_thread(self.form.values())

    @work(thread=True, group="check", exclusive=True, exit_on_error=False)
    def _check_in_thread(self, values: FormValues) -> None:
        # A typed path may lead to a slow disk.
        self.post_message(RequestChecked(values, checked(values)))

    def check_now(self) -> Request | None:
        """Check the form at once and return the request, or None where something is wrong."""
        values = self.form.values()
        self._show_checked(checked(values))
        return self._request

    def on_request_checked(self, message: RequestChecked) -> None:
        if message.values == self.form.values() and not self._starting:
            self._show_checked(message.checked)

    def _show_checked(self, found: Checked) -> None:
        self._request, self._choice, self._problems, costs_text = request, choice, problems, _ = found
        homeless = self.form.show_problems(problems)
        self.query_one("#design-right").set_class(request is None, "-stale")
        self.query_one("#plan-note", Label).update("" if request else "out of date")
        self.query_one("#start", Button).disabled = request is None
        if request is None:
            self._say_problems(problems, homeless)
            return
        plan = request.plan
        self.query_one("#plan-title", Label).update(f"{plan.name}   {count(plan.parameters(), 'parameter')}")
        self.query_one("#plan-costs", Label).update(costs_text)
        self.query_one(PlanView).show(plan)
        self.query_one("#command", Static).update("$ " + command_line(request, self.app.runs))
        told = choice.measured.get(choice.backend)
        self._say(f"✓ ready: auto takes {choice.backend}, {told.milliseconds()} a step" if told else "✓ ready", "")
        self._prepare_worker(on_backend(request, choice.backend).settings)

    def _say_problems(self, problems: dict[str, str], homeless: list[str]) -> None:
        named = ", ".join(name.replace("_", " ") for name in problems)
        self._say(" ".join(homeless) or f"✗ cannot start yet: see {named}", "-problem")

    def _say(self, text: str, style: str) -> None:
        label = self.query_one("#start-message", Label)
        label.update(text)
        label.set_class(style == "-problem", "-problem")

    def _prepare_worker(self, settings: RunSettings) -> None:
        """Prepare a worker for a run a while from now, in place of whatever was to be prepared."""
        self._prepare_none()
        self._warming = self.set_timer(WARM_SECONDS, partial(self._prepare_now, settings))

    def _prepare_none(self) -> None:
        if self._warming is not None:
            self._warming.stop()
            self._warming = None

    def _prepare_now(self, settings: RunSettings) -> None:
        if self.is_active and not self._starting:
            self.app.prepare_worker(settings)

    # What the keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # Asked for every key whenever another screen is shown: looking for a widget takes too long for that.
        if not self._has_form:
            return action.startswith("app.")
        # With room for both there is nothing to toggle.
        return self.has_class("-narrow") if action == "toggle_plan" else True

    def on_resize(self) -> None:
        # The footer is made anew with its bindings, and that resizes it: only a real change may do so.
        if self._narrow != self.has_class("-narrow"):
            self._narrow = self.has_class("-narrow")
            self.refresh_bindings()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        field = self.form.field_of(event.widget)
        self.query_one("#field-help", Label).update(help_text(field.option) if field else "")

    def action_toggle_plan(self) -> None:
        """Show the plan in place of the form, or the form again."""
        self.toggle_class("-plan")
        if self.has_class("-plan"):
            self._left = self.focused
            self.query_one(PlanView).focus()
        else:
            (self._left or self.form.fields()[0].control).focus()

    def action_copy_command(self) -> None:
        """Hand the command to the terminal's clipboard."""
        if request := self.check_now():
            self.app.copy_to_clipboard(command_line(request, self.app.runs))
            self.notify("The command is in the clipboard, if this terminal has one.", timeout=3)

    def action_show_code(self) -> None:
        """Show the command and the Python program that do the same, to copy or to keep."""
        if request := self.check_now():
            program = python_snippet(request.settings, request.shape, self._choice.backend, self.app.runs)
            command = command_line(request, self.app.runs)
            self.app.push_screen(CodeScreen(request.settings.title, command, program))

    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Start the run, or go to what is in the way."""
        self._start()

    def action_start_twins(self) -> None:
        """Start the run and its twin, the same in everything but without skips, together."""
        request = self.check_now()
        try:
            twins = () if request is None else (twin_of(request),)
        except OptionError as error:
            self._say(f"✗ {error}", "-problem")
            return
        self._start(*twins)

    def _start(self, *others: Request) -> None:
        """Start what the form says, and others with it on the same backend."""
        request = self.check_now()
        if request is None:
            self.remove_class("-plan")
            self.form.focus_problem()
            return
        self.query_one("#start", Button).disabled = True
        self._say("starting two workers" if others else "starting the worker", "")
        self._starting = True
        self.app.start_run(*(on_backend(each, self._choice.backend) for each in (request, *others)))

    def show_failure(self, reason: str) -> None:
        """Say why nothing was started."""
        self._starting = False
        self.query_one("#start", Button).disabled = False
        self._say(f"✗ {reason}", "-problem")

    def on_screen_suspend(self) -> None:
        self._prepare_none()

    def on_screen_resume(self) -> None:
        self._starting = False
        if self.is_mounted and self.query("#start"):
            self.check_now()
