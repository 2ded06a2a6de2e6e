"""The curves of a run: its loss, and below it accuracy, another metric, or the learning rate."""

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

LEARNING_RATE = "learning rate"
"""What its curve is called; it comes last, so that a metric is shown where nobody chooses."""

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
        self._news: tuple[str, bool, int, int] | None = None
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
            self._chosen = names[(names.index(self._second(names)) + 1) % len(names)]
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
        self._snapshot, before = snapshot, self._news
        self._news = snapshot.state, len(snapshot.curve) > 0, len(snapshot.validation.step), len(snapshot.metrics)
        if not snapshot.is_live or self._news != before or time.monotonic() >= self._calm_until:
            self._calm_until = time.monotonic() + CALM_SECONDS
            self._draw()

    def _names(self) -> list[str]:
        snapshot = self._snapshot
        if snapshot is None:
            return []
        rate = [LEARNING_RATE] * (len(snapshot.rates.step) > 0)
        return ["accuracy"] * snapshot.has_accuracy + [metric.name for metric in snapshot.metrics] + rate

    def _second(self, names: list[str]) -> str:
        """Return which curve stands below the loss: the one that was chosen, else the first there is."""
        return self._chosen if self._chosen in names else next(iter(names), "")

    def _draw(self) -> None:
        snapshot, names = self._snapshot, self._names()
        if snapshot is None:
            return
        second = self._second(names)
        curve, validation = snapshot.curve, snapshot.validation
        self._draw_curve("loss", curve["step"], curve["loss"], validation.step, validation.loss)
        self._plots["accuracy"].display = second == "accuracy"
        self._plots["metric"].display = second not in ("", "accuracy")
        if second == "accuracy":
            self._draw_curve("accuracy", curve["step"], curve["accuracy"], validation.step, validation.accuracy)
        elif second == LEARNING_RATE:
            self._plot("metric", Series(LEARNING_RATE, *snapshot.rates, TRAINING_STYLE))
        for metric in snapshot.metrics:
            if metric.name == second:
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
