"""A run's folder written as a worker writes it, bit by bit, with made-up numbers and without a worker."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from norms import weights_header, write_norms

from reskeras.request import check_request
from reskeras.runs import Run, create, liveness
from reskeras.runs.events import EventWriter
from reskeras.runs.series import CURVE, RowWriter
from reskeras.runs.statistics import OF_BLOCKS, OF_RUN
from reskeras.runs.tables import TableWriter, header


class RecordedRun:
    """A run that grows when it is told to; it looks alive as long as `close` was not called.

    Args:
        parent: the folder of runs.
        layers: how many layers the table has, two weights each, two layers a block.
        steps: how many steps the run is to have.
        architecture: the name that its settings hold.
        probes: whether the outputs of its blocks are probed too; dE/dx falls by half a decade with each block to the
            input, and the signal stays the same.
        options: options of the architecture other than its own defaults.
    """

    def __init__(
        self,
        parent: Path,
        layers: int = 12,
        steps: int = 200,
        architecture: str = "resnet",
        probes: bool = False,
        **options: object,
    ) -> None:
        level = "probes" if probes else "norms"
        request = check_request(architecture, options, {"epochs": 4, "telemetry": level})
        self.probes = probes
        self.blocks: TableWriter | None = None
        self.whole: TableWriter | None = None
        self.run: Run = create(request.settings, parent)
        self.layers, self.steps, self.step = layers, steps, 0
        self.lock = liveness.hold(self.run.lock_path)
        self.events = EventWriter(self.run.events_path)
        self.weights: TableWriter | None = None
        self.curve: RowWriter | None = None
        self.parameters = request.plan.parameters()
        self._numbers = np.random.default_rng(0)

    def begin(self) -> RecordedRun:
        """Write all that comes before the first step."""
        self.events.write("starting", backend="jax", pid=os.getpid())
        weights = [
            (f"stage1_block{layer // 2 + 1}_conv{layer % 2 + 1}/{kind}", f"stage1_block{layer // 2 + 1}")
            for layer in range(self.layers)
            for kind in ("kernel", "bias")
        ]
        self.events.write("built", parameters=self.parameters, weights=len(weights), layers=self.layers)
        self.events.write(
            "training",
            steps=self.steps,
            epochs=4,
            steps_per_epoch=self.steps // 4,
            backend="jax",
            device="cpu:0",
        )
        self.weights = TableWriter(self.run.folder / "weights", weights_header(weights))
        if self.probes:
            names = tuple(dict.fromkeys(block for _, block in weights))
            statistics, columns = [each.name for each in OF_BLOCKS], {"block": tuple(range(len(names)))}
            self.blocks = TableWriter(self.run.folder / "blocks", header(statistics, {"block": names}, columns))
        known = header([each.name for each in OF_RUN], {"run": ("run",)}, {"run": (0,)})
        self.whole = TableWriter(self.run.folder / "run", known)
        self.curve = RowWriter(self.run.curve_path, CURVE)
        return self

    def grow(self, steps: int) -> RecordedRun:
        """Write so many steps, with a point of the curve for every second one, and epochs where they end; the learning
        rate falls evenly from 0.1 to 0."""
        ahead = np.arange(self.step + 1, self.step + steps + 1)
        of_run = np.full((steps, len(OF_RUN), 1), np.nan, np.float32)
        of_run[:, 0, 0] = 0.1 * (1 - ahead / self.steps)
        self.whole.add(ahead, of_run)
        for _ in range(steps):
            self.step += 1
            self._write_step()
            if self.step % max(self.steps // 4, 1) == 0:
                self._write_epoch()
        return self

    def _write_step(self) -> None:
        depth = np.repeat(np.arange(self.layers), 2)
        wave = 0.6 * np.sin(self.step / 12 + depth / 4) + self._numbers.normal(0, 0.08, 2 * self.layers)
        norms = 10.0 ** (-3.5 + 3 * depth / self.layers - self.step / self.steps + wave)
        write_norms(self.weights, [self.step], norms[None], 1e-3 if self.probes else None)
        if self.probes:
            self._write_blocks()
        if self.step % 2 == 0:
            point = np.zeros(1, CURVE)
            share = self.step / self.steps
            noise = self._numbers.normal(0, 0.05)
            point["step"], point["epoch"] = self.step, 1 + (self.step - 1) * 4 // self.steps
            point["seconds"] = self.step / 40
            point["loss"] = 2.3 * np.exp(-4 * share + noise)
            point["accuracy"] = np.clip(1 - 0.9 * np.exp(-4 * share + noise), 0, 1)
            self.curve.write(point)

    def _write_blocks(self) -> None:
        known = self.blocks.header
        values = np.full((1, len(known.statistics), known.width), np.nan, np.float32)
        depth = np.arange(known.width)
        measured = {
            "backward_norm": 10.0 ** (0.5 * (depth - known.width)),
            "forward_rms": np.ones(known.width),
            "branch_ratio": np.full(known.width, 0.3),
            "dead_share": np.zeros(known.width),
        }
        for name, numbers in measured.items():
            values[0, known.statistics.index(name)] = numbers
        self.blocks.add(np.array([self.step]), values)

    def _write_epoch(self) -> None:
        share = self.step / self.steps
        self.events.write(
            "epoch",
            epoch=self.step * 4 // self.steps,
            step=self.step,
            loss=2.3 * float(np.exp(-4 * share)),
            accuracy=1 - 0.9 * float(np.exp(-4 * share)),
            validation_loss=2.4 * float(np.exp(-3.6 * share)),
            validation_accuracy=1 - 0.9 * float(np.exp(-3.6 * share)),
        )

    def log(self, text: str) -> RecordedRun:
        """Append to the log."""
        with open(self.run.log_path, "a") as file:
            file.write(text)
        return self

    def finish(self, status: str = "finished", reason: str | None = None, **scores: float) -> RecordedRun:
        """Write the end, with results and further scores, and a model unless the run failed, and let go of the lock."""
        if status != "failed":
            self.events.write("tested", test_loss=0.101, test_accuracy=0.9722, **scores)
            self.run.model_path.write_bytes(b"a recorded network")
            self.events.write("exported", file=self.run.model_path.name)
        self.events.write("end", status=status, reason=reason)
        self.close()
        return self

    def close(self) -> None:
        """Let go of the lock, as the system does when a worker dies."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None
