"""The training curve: loss and accuracy as means over all samples since the point before."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from reskeras import backend
from reskeras.runs.series import CURVE, RowWriter


class Curve:
    """Writes the curve of a model that is being trained, from the sums behind its running means.

    Args:
        model: compiled; where it keeps no running mean of a loss, there are no points.
        path: the file to append to.

    Attributes:
        lost_at: the first step by which the loss was no finite number any more; None while it is one.
    """

    def __init__(self, model: keras.Model, path: Path):
        self._model = model
        self._reader: backend.StateReader | None = None
        self._known: list[bool] = []
        self._writer = RowWriter(path, CURVE)
        self._before: np.ndarray | None = None
        self._pending = None
        self._epoch, self._epoch_open = 0, False
        self.lost_at: int | None = None

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch, counted from 1: Keras has set its sums to 0."""
        self._epoch, self._epoch_open = epoch, True
        self._before = self._pending = None

    def go_on(self) -> None:
        """Begin the next point at the sums as they are now, whose samples are in points written before."""
        self._before = self._totals(self._copy(0, 0.0)[2])

    def add(self, step: int, seconds: float) -> None:
        """Add a point after so many steps and seconds; it is written with the next one, for the device may not have
        computed it yet."""
        self.write_pending()
        self._pending = self._copy(step, seconds)

    def write_pending(self) -> None:
        """Write the point that was added last, waiting for the device."""
        if self._pending is not None:
            self._write(self._pending)
            self._pending = None

    def end_epoch(self, step: int, seconds: float) -> bool:
        """Write the epoch's last point, before a validation sets the sums to 0; return False where that is done."""
        if not self._epoch_open:
            return False
        self.add(step, seconds)
        self.write_pending()
        self._epoch_open = False
        return True

    def _copy(self, step: int, seconds: float):
        """Return the sums as they are now, on the device and perhaps still being computed."""
        if self._reader is None:
            # Now, for Keras makes its metrics with the first step.
            found = [_running_mean(self._model, names) for names in (("loss",), ("accuracy", "acc"))]
            self._known = [each is not None for each in found]
            sums = [part for each in found if each for part in (each.total, each.count)]
            self._reader = backend.StateReader(self._model, sums)
        return step, seconds, self._reader.copy()

    def _write(self, copied) -> None:
        """Append a point, unless no sample has come since the one before."""
        step, seconds, sums = copied
        if not self._known[0]:
            return
        totals = self._totals(sums)
        since = totals if self._before is None else totals - self._before
        if (since[:, 1] <= 0).any():
            return
        self._before = totals
        means = iter(since[:, 0] / since[:, 1])
        loss, accuracy = (next(means) if known else np.nan for known in self._known)
        self._writer.write(np.array([(step, self._epoch, seconds, loss, accuracy)], CURVE))
        if self.lost_at is None and not np.isfinite(loss):
            self.lost_at = step

    @staticmethod
    def _totals(sums) -> np.ndarray:
        return np.array([float(backend.as_numpy(each)) for each in sums]).reshape(-1, 2)

    def flush(self) -> None:
        """Wait until everything written is on the disk."""
        self._writer.flush()

    def close(self) -> None:
        """End writing."""
        self._writer.close()


def _running_mean(model: keras.Model, names: tuple[str, ...]):
    """Return the metric behind a running mean, that of the first output where each has one; None where there is none.

    The metric of that very name comes before that of an output, such as `head_accuracy`.
    """
    metrics = [part for metric in model.metrics for part in getattr(metric, "metrics", [metric])]
    means = [each for each in metrics if hasattr(each, "total") and hasattr(each, "count")]
    for fits in (lambda name: name in names, lambda name: name.endswith(tuple(f"_{each}" for each in names))):
        for each in means:
            if fits(each.name):
                return each
    return None
