"""The screen on which a run is watched: its layers as a map, a profile and a table, curves, verdicts, log."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ActiveBinding

from reskeras.runs import Run
from reskeras.runs.folder import LIVE_STATES

from ..courses import QUANTITIES, View
from ..follow import Snapshot
from ..keymap import named_actions
from ..repainting import RepaintingScreen
from ..widgets.curves_pane import CurvesPane
from ..widgets.fitting_footer import FittingFooter, fitted
from ..widgets.layers_pane import ANSWERS, VIEWS, LayersPane
from ..widgets.log_pane import LogPane
from ..widgets.run_status import RunStatus
from ..widgets.top_bar import TopBar
from ..widgets.verdict_lines import VerdictLines
from .adjust import AdjustScreen

PAUSABLE, RESUMABLE = ("running",), ("paused", "stopped", "resumable")
"""States in which a run can be paused, and in which it can go on."""

LOG_HEIGHT = 40
"""Lines of the terminal from which on the log is shown without being asked for."""

ROOMY = (130, 36)
"""Columns and lines from which on the profile stands beside the map without being asked for."""

FIRST_KEYS = (
    *("app.show_help", "app.quit", "stop", "resume", "pause", "next_quantity", "next_view", "adjust", "toggle_log"),
    *("toggle_rows", "app.show_runs", "app.show_design", "toggle_answers", "next_curve", "checkpoint"),
    *("toggle_log_axis", "smooth"),
)
"""Actions, the one first that is to be in the footer however narrow it is."""

COMMANDS = ("stop", "adjust", "checkpoint")
"""Actions that ask something of a worker."""


@named_actions("live")
class LiveScreen(RepaintingScreen):
    """Follow one run.

    Args:
        run: the run to show.
    """

    BINDINGS: ClassVar = [
        Binding("s", "stop", "Stop"),
        Binding("p", "pause", "Pause"),
        Binding("p", "resume", "Resume"),
        Binding("m", "next_quantity", "Map"),
        Binding("v", "next_view", "View"),
        Binding("b", "toggle_rows", "Rows"),
        Binding("o", "toggle_answers", "Answers"),
        Binding("c", "next_curve", "Curve"),
        Binding("y", "toggle_log_axis", "Log axis"),
        Binding("t", "smooth", "Smooth"),
        Binding("a", "adjust", "Set"),
        Binding("k", "checkpoint", "Checkpoint"),
        Binding("l", "toggle_log", "Log"),
        Binding("d,escape", "app.show_design", "Design", key_display="d"),
        Binding("r", "app.show_runs", "Runs"),
        Binding("f3", "app.show_runs", "Runs", show=False),
        Binding("question_mark", "app.show_help", "Help", key_display="?"),
        Binding("f1", "app.show_help", "Help", show=False),
        Binding("q", "app.quit", "Quit"),
    ]
    AUTO_FOCUS = "#heatmap"
    PLAYS_AGAIN: ClassVar = True
    """Whether the run can be played again from here."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self.view = View()
        self._snapshot: Snapshot | None = None
        self._state = ""
        self._by_script = False

        self._status = RunStatus(run.name, id="status")
        self._verdicts = VerdictLines(id="verdicts")
        self._layers = LayersPane(id="layers")
        self._curves = CurvesPane(id="curves")
        self._log_pane = LogPane(id="log")

    def compose(self) -> ComposeResult:
        width, height = self.app.size
        self.set_class(height >= LOG_HEIGHT, "-log", update=False)
        self._layers.show_part("profile" if width >= ROOMY[0] and height >= ROOMY[1] else "map")
        yield TopBar("live", str(self.run.folder.parent))
        yield self._status
        yield self._verdicts
        with Horizontal(id="live-body"):
            with Vertical(id="gradients"):
                yield self._layers
                yield self._log_pane
            yield self._curves
        yield FittingFooter()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys, of which so many are shown in the footer as fit."""
        return fitted(super().active_bindings, FIRST_KEYS, self.app)

    def shown_runs(self) -> list[Run]:
        """Return the run that is watched."""
        return [self.run]

    def show(self, snapshot: Snapshot) -> None:
        """Show how the run stands."""
        # The last reading may arrive while the screen is being taken down.
        if not (self.is_mounted and self._status.is_attached):
            return
        self._snapshot = snapshot
        self._status.show(snapshot)
        self._verdicts.show(snapshot.verdicts)
        if snapshot.view == self.view:
            self._layers.show(snapshot)
        self._curves.show(snapshot)
        self._log_pane.show(snapshot)
        if (snapshot.state, snapshot.by_script) != (self._state, self._by_script):
            self._state, self._by_script = snapshot.state, snapshot.by_script
            if snapshot.by_script:
                self.remove_class("-log")
            elif snapshot.state in ("failed", "crashed"):
                self.add_class("-log")
            self.refresh_bindings()

    # What the keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # None greys the key in the footer: there is nothing to ask a worker for, or a script trains, which takes no
        # commands and prints where it was started.
        if action in COMMANDS and (self._by_script or self._state not in LIVE_STATES or self._state == "stopping"):
            return None
        # One key for both, of which the footer shows the one that can be done.
        resumable = self._state in RESUMABLE and not self._by_script
        if action == "resume":
            return resumable
        if action == "pause" and (resumable or self._by_script or self._state not in PAUSABLE):
            return False if resumable else None
        if action == "toggle_log" and self._by_script:
            return None
        return True

    def action_stop(self) -> None:
        """Ask the worker to end after the step at hand."""
        self._state = "stopping"
        self.app.ask_run(self.run, "stop")

    def action_pause(self) -> None:
        """Have the worker sleep after the step at hand, until the run is resumed."""
        self._state = "pausing"
        self.app.ask_run(self.run, "pause")

    def action_resume(self) -> None:
        """Go on with a run that is paused, was stopped, or broke off."""
        before, self._state = self._state, "starting"
        if before == "paused":
            self.app.ask_run(self.run, "resume")
        else:
            self.app.resume_run(self.run)

    def action_checkpoint(self) -> None:
        """Ask the worker for a checkpoint now."""
        self.app.ask_run(self.run, "checkpoint")

    def action_adjust(self) -> None:
        """Change the learning rate or the level of telemetry of the live run."""
        snapshot = self._snapshot
        if snapshot is not None:
            self.app.push_screen(AdjustScreen(self.run, snapshot.learning_rate, snapshot.level))

    def action_next_quantity(self) -> None:
        """Show another quantity of the layers: gradient norm, dE/dx, update ratio, forward RMS and others."""
        place = QUANTITIES.index(self.view.quantity)
        self._look(quantity=QUANTITIES[(place + 1) % len(QUANTITIES)])

    def action_next_view(self) -> None:
        """Show the layers as a map, as a profile over depth, as a table, or all that is said of the run."""
        part = self._layers.part
        part = VIEWS[(VIEWS.index(part) + 1) % len(VIEWS)] if part in VIEWS else VIEWS[0]
        self._layers.show_part(part)
        self._look(sheet=part == "table")

    def action_toggle_rows(self) -> None:
        """Make a row a layer or a whole block; enter opens a block."""
        shown = self._snapshot.by if self._snapshot is not None else "layer"
        by = self.view.by if self.view.by != "auto" else shown
        self._look(by="block" if by == "layer" else "layer")

    def action_toggle_answers(self) -> None:
        """Show what the network answers to test samples, and what a language model writes; or the map again."""
        self._layers.show_part(VIEWS[0] if self._layers.part == ANSWERS else ANSWERS)

    def action_next_curve(self) -> None:
        """Show the curve of another metric below the loss."""
        self._curves.next_metric()

    def action_toggle_log_axis(self) -> None:
        """Make the axes of the curves logarithmic: of the loss, of all, of none."""
        self._curves.next_log_axis()

    def action_smooth(self) -> None:
        """Smooth the curves: over 10 points, over 50, or not at all."""
        self._curves.next_smoothing()

    def action_toggle_log(self) -> None:
        """Show or hide the log."""
        self.toggle_class("-log")

    @on(LayersPane.Opened)
    def _open(self, event: LayersPane.Opened) -> None:
        self._look(opened=self.view.opened ^ event.names)

    def _look(self, **changes) -> None:
        """Have something else of the layers read."""
        view = replace(self.view, **changes)
        if view != self.view:
            self.view = view
            self.app.follow(self.run, view)
