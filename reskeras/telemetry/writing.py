"""From rings as they were copied to the tables of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reskeras import backend
from reskeras.layers.probes import SLOTS, STATISTICS, statistics
from reskeras.runs.folder import Run
from reskeras.runs.statistics import OF_RUN
from reskeras.runs.tables import TableWriter, header
from reskeras.telemetry import ring
from reskeras.telemetry.layout import weight_layout
from reskeras.telemetry.places import Place


class StatisticsWriter:
    """Writes the tables of a training.

    Args:
        run: whose tables they are.
        recordings: of the optimizers that record.
        last: the step after which measuring begins.
        places: where the model is probed.
        noise: the estimates behind the noise scale as they were, where the training goes on.
    """

    def __init__(
        self,
        run: Run,
        recordings: list[ring._Recording],
        last: int,
        places: Sequence[Place] = (),
        noise: Sequence[float] = (0.0, 0.0),
    ):
        self._recordings, self._last, self._first = recordings, last, last
        self._micro_steps = recordings[0].micro_steps
        self._noise = np.array(noise, float)
        weights = [variable for each in recordings for variable in each.weights]
        self._layout = weight_layout(weights)
        self._weights = TableWriter(run.folder / "weights", self._layout.header)
        self._blocks = None
        if places:
            names = tuple(name for place in places for name in place.names)
            columns = {"block": tuple(range(len(names)))}
            shapes = [place.shape for place in places for _ in place.names]
            self._blocks = TableWriter(
                run.folder / "blocks", header(STATISTICS, {"block": names}, columns, shapes=shapes)
            )
        self._run = TableWriter(
            run.folder / "run", header([each.name for each in OF_RUN], {"run": ("run",)}, {"run": (0,)})
        )

    def take(self, copied: tuple[list[Any], int | None]) -> None:
        """Write the steps that are new in copied rings, waiting for what is still being computed.

        Args:
            copied: the rings, and after how many steps they were copied, those that were skipped too; None where none
                can be.
        """
        copies, begun = copied
        steps, rows = self._new(copies)
        if not len(steps):
            return
        parts = [ring.parts(*pair) for pair in zip(self._recordings, rows, strict=True)]
        weights = self._layout.rows(np.concatenate([measured for _, measured, _ in parts], axis=2))
        self._weights.add(steps, weights)
        head = parts[0][0]
        if self._blocks is not None:
            [seen] = [probes for _, _, probes in parts if probes.shape[1]]
            self._blocks.add(steps, statistics(seen.reshape(len(steps), -1, len(SLOTS)), head[:, 1]))
        self._last = int(steps[-1])
        updates = self._last - self._first
        skipped = 0 if begun is None else max(begun // self._micro_steps - updates, 0)
        noise = self._noise_scale(weights[:, 0, self._layout.whole], sum(each[:, 2] for each, _, _ in parts))
        rows = np.stack([head[:, 0], head[:, 1], np.full(len(steps), skipped), noise], axis=1)
        self._run.add(steps, rows[:, :, None].astype(np.float32))

    def _noise_scale(self, norms: np.ndarray, micro_squares: np.ndarray) -> np.ndarray:
        """Return the gradient noise scale after each step, in parts of a batch; NaN where it has no parts.

        McCandlish et al. 2018 (1812.06162), equations A.2: from the squared norms of gradients of one part and of all
        k of them; each of the two estimates is a running mean, for their ratio at one step is worth little.
        """
        count = self._recordings[0].parts
        found = np.full(len(norms), np.nan)
        if count < 2:
            return found
        large = norms.astype(float) ** 2
        signal = (count * large - micro_squares) / (count - 1)
        noise = (micro_squares - large) / (1 - 1 / count)
        for place, pair in enumerate(zip(noise, signal, strict=True)):
            if np.isfinite(pair).all():
                self._noise = np.array(pair) if not self._noise.any() else 0.9 * self._noise + 0.1 * np.array(pair)
            found[place] = self._noise[0] / self._noise[1] if self._noise[1] > 0 else np.nan
        return found

    def _new(self, copies) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the steps that every ring holds anew, and each ring's rows of them."""
        found = [ring.new_rows(backend.as_numpy(each), self._last) for each in copies]
        steps = found[0][0]
        for each, _ in found[1:]:
            steps = np.intersect1d(steps, each)
        return steps, [rows if len(known) == len(steps) else rows[np.isin(known, steps)] for known, rows in found]

    def places(self) -> tuple[dict[str, tuple[int, np.ndarray]], np.ndarray]:
        """Return the `place` of each table by its name, and the estimates behind the noise scale, once everything
        written is on the disk."""
        self.flush()
        return {name: each.place() for name, each in self._tables().items()}, self._noise

    def flush(self) -> None:
        """Wait until everything written is on the disk."""
        for each in self._tables().values():
            each.flush()

    def close(self) -> None:
        """End writing."""
        for each in self._tables().values():
            each.close()

    def _tables(self) -> dict[str, TableWriter]:
        known = {"weights": self._weights, "blocks": self._blocks, "run": self._run}
        return {name: each for name, each in known.items() if each is not None}
