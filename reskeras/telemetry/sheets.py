"""From rings as they were copied to the tables of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reskeras import backend
from reskeras.layers.probes import NOT_MEASURED, SLOTS
from reskeras.runs.folder import Run
from reskeras.runs.statistics import OF_RUN
from reskeras.runs.tables import TableWriter, header
from reskeras.telemetry import ring
from reskeras.telemetry.layout import weight_layout
from reskeras.telemetry.places import Place


class Sheets:
    """Writes the tables of a training.

    Args:
        run: whose tables they are.
        recordings: of the optimizers that record.
        last: the step after which measuring begins.
        places: where the model is probed.
    """

    def __init__(self, run: Run, recordings: list[ring._Recording], last: int, places: Sequence[Place] = ()):
        self._recordings, self._last = recordings, last
        weights = [variable for each in recordings for variable in each.weights]
        self._layout = weight_layout(weights)
        self._weights = TableWriter(run.folder / "weights", self._layout.header)
        self._blocks = None
        if places:
            names = tuple(name for place in places for name in place.names)
            columns = {"block": tuple(range(len(names)))}
            shapes = [place.shape for place in places for _ in place.names]
            self._blocks = TableWriter(run.folder / "blocks", header(SLOTS, {"block": names}, columns, shapes=shapes))
        self._run = TableWriter(
            run.folder / "run", header([each.name for each in OF_RUN], {"run": ("run",)}, {"run": (0,)})
        )

    def take(self, copies: list[Any]) -> None:
        """Write the steps that are new in copied rings, waiting for what is still being computed."""
        steps, rows = self._new(copies)
        if not len(steps):
            return
        parts = [ring.parts(*pair) for pair in zip(self._recordings, rows, strict=True)]
        self._weights.add(steps, self._layout.rows(np.concatenate([measured for _, measured, _ in parts], axis=2)))
        head = parts[0][0]
        if self._blocks is not None:
            [seen] = [probes for _, _, probes in parts if probes.shape[1]]
            self._blocks.add(steps, _block_rows(seen.reshape(len(steps), -1, len(SLOTS)), head[:, 1]))
        nothing = np.full(len(steps), np.nan, np.float32)
        self._run.add(steps, np.stack([head[:, 0], head[:, 1], nothing, nothing], axis=1)[:, :, None])
        self._last = int(steps[-1])

    def _new(self, copies) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the steps that every ring holds anew, and each ring's rows of them."""
        found = [ring.new_rows(backend.as_numpy(each), self._last) for each in copies]
        steps = found[0][0]
        for each, _ in found[1:]:
            steps = np.intersect1d(steps, each)
        return steps, [rows[np.isin(known, steps)] for known, rows in found]

    def flush(self) -> None:
        """Wait until everything written is on the disk."""
        for each in self._tables():
            each.flush()

    def close(self) -> None:
        """End writing."""
        for each in self._tables():
            each.close()

    def _tables(self) -> list[TableWriter]:
        return [each for each in (self._weights, self._blocks, self._run) if each is not None]


def _block_rows(seen: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return rows of the table of blocks, (T, statistics, blocks), from what probes saw under scales of the loss.

    Args:
        seen: (T, blocks, slots).
        scale: (T,).
    """
    rows = np.where(seen <= NOT_MEASURED, np.nan, seen).swapaxes(1, 2).astype(np.float64)
    with np.errstate(invalid="ignore"):
        for squared in ("forward_rms", "backward_norm"):
            rows[:, SLOTS.index(squared)] = np.sqrt(rows[:, SLOTS.index(squared)])
    rows[:, SLOTS.index("backward_norm")] /= scale[:, None]
    return rows.astype(np.float32)
