"""Loss, accuracy and other metrics of a growing run, as a plot wants them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from reskeras.runs import Run, RunError, results
from reskeras.runs.series import CURVE

MOST_POINTS = 4000
"""Points of a curve handed to a plot; above it each stretch keeps its lowest and its highest."""


@dataclass(frozen=True)
class Validation:
    """Results of the epochs so far: the step at the end of each, loss and accuracy on validation samples."""

    step: np.ndarray
    loss: np.ndarray
    accuracy: np.ndarray


@dataclass(frozen=True)
class Metric:
    """A metric of the user's own: the step at the end of each epoch, and the results on training and on validation
    samples, NaN where there is none."""

    name: str
    step: np.ndarray
    training: np.ndarray
    validation: np.ndarray


class CurveReader:
    """The training curve of a run, of which each reading reads what has been added."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._file: int | None = None
        self._points, self._used = np.empty(0, CURVE), 0
        self._thinned = self._points

    def read(self) -> np.ndarray:
        """Return the curve, thinned where it is long; what cannot be read is left out."""
        try:
            facts = os.stat(self._run.curve_path)
            if facts.st_ino != self._file or facts.st_size < self._used * CURVE.itemsize:
                # A run that goes on has been cut back to where it does.
                self._file, self._used = facts.st_ino, 0
            found = self._run.curve(start=self._used)
        except (RunError, OSError):
            return self._thinned
        if len(found) or len(self._thinned) > self._used:
            self._take(found)
        return self._thinned

    def _take(self, found: np.ndarray) -> None:
        used = self._used + len(found)
        if used > len(self._points):
            self._points = np.concatenate([self._points[: self._used], np.empty(used, CURVE)])
        self._points[self._used : used], self._used = found, used
        self._thinned = thinned(self._points[:used])


def validation(events: list[dict[str, Any]]) -> Validation:
    """Return the results of the epochs that were validated."""
    epochs = [event for event in results.epochs(events) if event.get("validation_loss") is not None]
    rows = [(event.get("step"), event["validation_loss"], results.accuracy(event, "validation_")) for event in epochs]
    return Validation(*np.array([[_number(each) for each in row] for row in rows], float).reshape(-1, 3).T)


def metrics(events: list[dict[str, Any]]) -> tuple[Metric, ...]:
    """Return the metrics of the epochs other than loss, accuracy and learning rate."""
    epochs = results.epochs(events)
    found = dict.fromkeys(name for event in epochs for name in results.metrics(event))
    known = {"loss", "learning_rate"}
    if any(results.accuracy(event) is not None for event in epochs):
        known |= {name for name in found if name in ("accuracy", "acc") or name.endswith(("_accuracy", "_acc"))}
    steps = np.array([_number(event.get("step")) for event in epochs], float)

    def column(name: str) -> np.ndarray:
        return np.array([_number(event.get(name)) for event in epochs], float)

    names = [name for name in found if name not in known and not name.startswith("validation_")]
    return tuple(Metric(name, steps, column(name), column(f"validation_{name}")) for name in names)


def thinned(curve: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """Return about `most` points of a curve at most: those of lowest and of highest loss in each stretch."""
    if len(curve) <= most:
        return np.array(curve)
    width = -(-2 * len(curve) // most)
    whole = len(curve) // width * width
    loss = np.nan_to_num(curve["loss"][:whole].reshape(-1, width), nan=np.inf)
    starts = np.arange(0, whole, width)
    kept = np.concatenate([starts + loss.argmin(1), starts + loss.argmax(1), np.arange(whole, len(curve))])
    return np.array(curve[np.unique(kept)])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def smoothed(values: np.ndarray, points: int) -> np.ndarray:
    """Return the means of what is finite among each value and those before it, so many `points` in all."""
    if points <= 1 or not len(values):
        return values
    known = np.isfinite(values)
    totals = np.cumsum(np.r_[0.0, np.where(known, values, 0.0)])
    counts = np.cumsum(np.r_[0, known])
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(ends - points, 0)
    count = counts[ends] - counts[begins]
    # Where a value is not finite there is a gap, as without smoothing.
    return np.where(known, (totals[ends] - totals[begins]) / np.maximum(count, 1), np.nan)
