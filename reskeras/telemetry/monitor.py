"""The callback that writes every step's gradient norms into a run's folder."""

from __future__ import annotations

import json
import time

import keras
import numpy as np

from reskeras import backend
from reskeras.files import write_whole
from reskeras.layers.slices import rows_of, slices_of
from reskeras.runs.folder import Run, Weight
from reskeras.runs.series import RowWriter, gradient_row
from reskeras.telemetry import ring

PERIOD = 0.1
"""Seconds between two readings of the device, unless the ring fills up earlier."""


class GradientMonitor(keras.callbacks.Callback):
    """Writes the norm of the gradient of every weight at every step of a `fit`, from inside the compiled step.

    The norms are of the gradients as the backend computed them, before any clipping. Training is not changed: the
    callback reads at most ten times a second, and what it reads was copied on the device a while before.

    Args:
        run: where to write, a run's folder: its layer table and its gradient rows (`runs/folder.py` has the layout).
    """

    def __init__(self, run: Run):
        super().__init__()
        self._run = run
        self._writer: RowWriter | None = None
        self._pending = None
        self._begun = 0
        self._read_at_step = 0
        self._read_at_time = 0.0

    def set_model(self, model):
        super().set_model(model)
        # Here, for the step is compiled before training begins; and what was compiled without the ring is of no use.
        if self._writer is None and not ring.is_attached(model.optimizer):
            ring.attach(model.optimizer)
            model.train_function = None

    def on_train_begin(self, logs=None):
        optimizer = self._model.optimizer
        self._last = int(backend.as_numpy(optimizer.iterations))
        if not optimizer.built:
            optimizer.build(self._model.trainable_variables)
        weights = [row for variable in ring.watched_weights(optimizer) for row in weights_of(variable)]
        # Weights of one layer side by side, layers in the order of the forward pass.
        self._order = forward_order(ring.watched_weights(optimizer))
        write_layer_table(self._run, [weights[index] for index in self._order])
        self._row = gradient_row(len(weights))
        self._writer = RowWriter(self._run.gradients_path, self._row)
        self._reader = backend.StateReader(self._model, [ring.ring_of(optimizer)])

    # At the beginning of the step after, and not at the end of a step: a callback on the end makes Keras convert every
    # step's metrics to numbers, which waits for the device.
    def on_train_batch_begin(self, batch, logs=None):
        done, now = self._begun - self._read_at_step, time.perf_counter()
        self._begun += 1
        if not done or (done < ring.ROWS // 2 and now - self._read_at_time < PERIOD):
            return
        slow = (now - self._read_at_time) / done >= PERIOD
        self._read_at_step, self._read_at_time = self._begun - 1, now
        self._write(self._pending)
        self._pending = self._reader.copy()[0]
        if slow:
            # Steps this long are over on the device by now: the newest row need not wait for the next reading.
            self._write(self._pending)
            self._pending = None

    def on_epoch_end(self, epoch, logs=None):
        self._write(self._pending)
        self._pending = None
        self._write(self._reader.copy()[0])
        self._read_at_step = self._begun

    def on_train_end(self, logs=None):
        self._writer.flush()
        self.close()

    def close(self) -> None:
        """End writing and give the optimizer back as it was; may be called at any time, and more than once."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        ring.detach(self._model.optimizer)

    def _write(self, copied) -> None:
        if copied is None:
            return
        steps, norms = ring.new_rows(backend.as_numpy(copied), self._last)
        if not len(steps):
            return
        rows = np.empty(len(steps), self._row)
        rows["step"], rows["norm"] = steps, norms[:, self._order]
        self._writer.write(rows)
        self._last = int(steps[-1])


def weight_of(path: str, shape: tuple[int, ...]) -> Weight:
    """Return the row of the layer table for a Keras weight path: `stage1_block2/conv1/kernel` is a weight of the layer
    `stage1_block2_conv1` in the block `stage1_block2`."""
    *address, _ = path.split("/")
    return Weight(path, "_".join(address) or path, address[0] if address else path, shape)


def weights_of(variable: keras.Variable) -> list[Weight]:
    """Return the rows of the layer table for a variable: one, or for a weight of a `Stack` one for each slice."""
    slices, shape = slices_of(variable), tuple(variable.shape)
    if slices is None:
        return [weight_of(variable.path, shape)]
    return [weight_of(path, shape[1:]) for path in slices.paths]


def forward_order(variables: list[keras.Variable]) -> list[int]:
    """Return the columns of the variables' norms in the order of the forward pass, those of one layer side by side."""
    first: dict[str, int] = {}
    keys = []
    for index, variable in enumerate(variables):
        slices = slices_of(variable)
        # The slices of a stack come one after another, each with all of its weights.
        owner = slices.stack if slices else weight_of(variable.path, ()).layer
        begin = first.setdefault(owner, index)
        keys += [(begin, number, index) for number in range(rows_of(variable))]
    return sorted(range(len(keys)), key=keys.__getitem__)


def write_layer_table(run: Run, weights: list[Weight]) -> None:
    """Write `layers.json`."""
    rows = [{"path": w.path, "layer": w.layer, "block": w.block, "shape": list(w.shape)} for w in weights]
    write_whole(run.layers_path, json.dumps({"format": 1, "weights": rows}, indent=1) + "\n")
