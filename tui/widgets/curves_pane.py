"""The curves of a run: its loss, and below it accuracy or another metric."""

from __future__ import annotations

import time

import numpy as np
from textual.app import ComposeResult
from textual.containers import Vertical

from ..curves import smoothed
from ..follow import Snapshot
from ..plots.lines import LinePlot, Series

TRAINING_STYLE, VALIDATION_STYLE = "$secondary", "$accent"
"""The theme's colours of the two kinds of curve; marks for validation tell them apart by shape too."""

SMOOTHINGS = (1, 10, 50)
"""Points over which a curve is averaged."""

CALM_SECONDS = 0.7
"""Between two drawings while nobody asks for another: there are a few new points at most."""

LOG_AXES = ("loss", "all", "none")
"""Which curves have a logarithmic axis."""


class CurvesPane(Vertical):
    """The loss, and one more curve that a key changes."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._snapshot: Snapshot | None = None
        self._chosen, self._calm_until = "", 0.0
        self._log_axes, self._points = LOG_AXES[0], SMOOTHINGS[0]
        self._plots = {
            "loss": LinePlot(log_y=True, id="loss"),
            "accuracy": LinePlot(y_range=(0.0, 1.0), id="accuracy"),
            "metric": LinePlot(id="metric"),
        }

    def compose(self) -> ComposeResult:
        yield from self._plots.values()

    def on_mount(self) -> None:
        self._plots["metric"].display = False

    # What the keys do

    def next_metric(self) -> None:
        """Show another metric below the loss."""
        names = self._names()
        if names:
            place = names.index(self._chosen) if self._chosen in names else 0
            self._chosen = names[(place + 1) % len(names)]
            self._draw()

    def next_log_axis(self) -> None:
        """Make other axes logarithmic."""
        self._log_axes = _after(self._log_axes, LOG_AXES)
        self._draw()

    def next_smoothing(self) -> None:
        """Average over another number of points."""
        self._points = _after(self._points, SMOOTHINGS)
        self._draw()

    # Drawing

    def show(self, snapshot: Snapshot) -> None:
        """Show the curves as they stand."""
        self._snapshot = snapshot
        if not snapshot.is_live or time.monotonic() >= self._calm_until:
            self._calm_until = time.monotonic() + CALM_SECONDS
            self._draw()

    def _names(self) -> list[str]:
        snapshot = self._snapshot
        if snapshot is None:
            return []
        return ["accuracy"] * snapshot.has_accuracy + [metric.name for metric in snapshot.metrics]

    def _draw(self) -> None:
        snapshot, names = self._snapshot, self._names()
        if snapshot is None:
            return
        if self._chosen not in names:
            self._chosen = names[0] if names else ""
        curve, validation = snapshot.curve, snapshot.validation
        self._draw_curve("loss", curve["step"], curve["loss"], validation.step, validation.loss)
        self._plots["accuracy"].display = self._chosen == "accuracy"
        self._plots["metric"].display = bool(self._chosen) and self._chosen != "accuracy"
        if self._chosen == "accuracy":
            self._draw_curve("accuracy", curve["step"], curve["accuracy"], validation.step, validation.accuracy)
        for metric in snapshot.metrics:
            if metric.name == self._chosen:
                self._plot(
                    "metric",
                    Series(metric.name, metric.step, metric.training, TRAINING_STYLE, marks=True),
                    Series("validation", metric.step, metric.validation, VALIDATION_STYLE, marks=True),
                )

    def _draw_curve(self, name: str, steps, values, validated_steps, validated) -> None:
        shown = f"{name}, mean of {self._points}" if self._points > 1 else name
        self._plot(
            name,
            Series(shown, steps, smoothed(values, self._points), TRAINING_STYLE),
            Series("validation", validated_steps, validated, VALIDATION_STYLE, marks=True),
        )

    def _plot(self, name: str, *series: Series) -> None:
        plot = self._plots[name]
        wanted = self._log_axes == "all" or (self._log_axes == "loss" and name == "loss")
        # A loss or a metric of somebody's own may be below 0, where a logarithm would hide it.
        plot.log_y = wanted and (name == "accuracy" or not any(np.any(one.y <= 0) for one in series))
        plot.set_series([one for one in series if np.isfinite(one.y).any()])


def _after(value, values):
    return values[(values.index(value) + 1) % len(values)]
