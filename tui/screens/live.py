"""The screen on which a run is watched: gradient norms layer by layer, curves, status, log."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer, Label

from reskeras.runs import Run
from reskeras.runs.folder import LIVE_STATES

from ..follow import Snapshot
from ..plots.heatmap import HeatMap
from ..plots.lines import LinePlot, Series
from ..widgets.log_pane import LogPane
from ..widgets.run_status import RunStatus
from ..widgets.top_bar import TopBar

TRAINING_STYLE, VALIDATION_STYLE = "$secondary", "$accent"
"""The theme's colours of the two kinds of curve; marks for validation tell them apart by shape too."""

PAUSABLE, RESUMABLE = ("running",), ("paused", "stopped", "resumable")
"""States in which a run can be paused, and in which it can go on."""

LOG_HEIGHT = 40
"""Lines of the terminal from which on the log is shown without being asked for."""


class LiveScreen(Screen):
    """Follow one run.

    Args:
        run: the run to show.
    """

    BINDINGS: ClassVar = [
        Binding("s", "stop", "Stop"),
        Binding("p", "pause", "Pause"),
        Binding("p", "resume", "Resume"),
        Binding("b", "toggle_rows", "Layers/blocks"),
        Binding("l", "toggle_log", "Log"),
        Binding("d,escape", "app.show_design", "Design", key_display="d"),
        Binding("r", "app.show_runs", "Runs"),
        Binding("f3", "app.show_runs", "Runs", show=False),
        Binding("question_mark", "app.show_help", "Help", key_display="?"),
        Binding("f1", "app.show_help", "Help", show=False),
        Binding("q", "app.quit", "Quit"),
    ]

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run
        self.by = "layer"
        self._names: tuple[str, ...] | None = None
        self._state = ""
        self._by_script = False

        self._status = RunStatus(run.name, id="status")
        self._rows_title = Label("", id="heatmap-title", markup=False)
        self._heatmap = HeatMap(id="heatmap")
        self._log_pane = LogPane(id="log")
        self._plots = {
            "loss": LinePlot(log_y=True, id="loss"),
            "accuracy": LinePlot(y_range=(0.0, 1.0), id="accuracy"),
            "metric": LinePlot(id="metric"),
        }

    def compose(self) -> ComposeResult:
        yield TopBar("live", str(self.run.folder.parent))
        yield self._status
        with Horizontal(id="live-body"):
            with Vertical(id="gradients"):
                yield self._rows_title
                yield self._heatmap
                yield self._log_pane
            with Vertical(id="curves"):
                yield from self._plots.values()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self._title_rows()
        self._plots["metric"].display = False
        self.set_class(self.app.size.height >= LOG_HEIGHT, "-log")

    def _title_rows(self) -> None:
        self._rows_title.update(f"gradient norm of each {self.by}, the first at the top")

    def show(self, snapshot: Snapshot) -> None:
        """Show how the run stands."""
        # The last reading may arrive while the screen is being taken down.
        if not (self.is_mounted and self._status.is_attached):
            return
        self._status.show(snapshot)
        if snapshot.by == self.by:
            self._show_norms(snapshot)
        self._show_curves(snapshot)
        self._log_pane.show(snapshot)
        if (snapshot.state, snapshot.by_script) != (self._state, self._by_script):
            self._state, self._by_script = snapshot.state, snapshot.by_script
            if snapshot.by_script:
                self.remove_class("-log")
            elif snapshot.state in ("failed", "crashed"):
                self.add_class("-log")
            self.refresh_bindings()

    def _show_norms(self, snapshot: Snapshot) -> None:
        if snapshot.names != self._names:
            self._names = snapshot.names
            self._heatmap.set_rows(list(snapshot.names))
        if len(snapshot.steps):
            self._heatmap.update_data(snapshot.steps, snapshot.norms)

    def _show_curves(self, snapshot: Snapshot) -> None:
        curve, validation = snapshot.curve, snapshot.validation
        for name, validated in (("loss", validation.loss), ("accuracy", validation.accuracy)):
            self._draw(
                self._plots[name],
                Series(name, curve["step"], curve[name], TRAINING_STYLE),
                Series("validation", validation.step, validated, VALIDATION_STYLE, marks=True),
            )
        self._plots["accuracy"].display = snapshot.has_accuracy
        self._plots["metric"].display = bool(snapshot.metrics) and not snapshot.has_accuracy
        for metric in snapshot.metrics[:1]:
            self._draw(
                self._plots["metric"],
                Series(metric.name, metric.step, metric.training, TRAINING_STYLE, marks=True),
                Series("validation", metric.step, metric.validation, VALIDATION_STYLE, marks=True),
            )

    def _draw(self, plot: LinePlot, *series: Series) -> None:
        if plot.id == "loss":
            # A loss of somebody's own may be below 0, where a logarithm would hide it.
            plot.log_y = not any(np.any(one.y <= 0) for one in series)
        plot.set_series([one for one in series if np.isfinite(one.y).any()])

    # What the keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        # None greys the key in the footer: there is nothing to stop, or a script trains, which takes no commands and
        # prints where it was started.
        if action == "stop" and (self._by_script or self._state not in LIVE_STATES or self._state == "stopping"):
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

    def action_toggle_rows(self) -> None:
        """Make a row of the map a layer or a whole block."""
        self.by = "block" if self.by == "layer" else "layer"
        self._title_rows()
        self.app.follow(self.run, self.by)

    def action_toggle_log(self) -> None:
        """Show or hide the log."""
        self.toggle_class("-log")
