"""A ring of gradient norms inside the optimizer: every step leaves a row, whatever compiler runs the step."""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np

from reskeras import backend
from reskeras.layers.slices import rows_of, slices_of

ROWS = 64
"""How many steps the ring remembers; it must be read at least that often."""

_WRAP = 2**24
"""A float32 counts exactly to here: the ring keeps steps modulo this, and the reader restores them."""

# Keras's own and private, but alike since Keras 3.0: looked for at import, so that a change is an error with a name.
for _hook in ("_clip_gradients", "_backend_apply_gradients", "_var_key"):
    if not hasattr(keras.optimizers.Optimizer, _hook):
        raise ImportError(f"Keras {keras.__version__} has no Optimizer.{_hook}, which reskeras.telemetry builds on.")


@dataclass
class _Recording:
    """What a recording optimizer knows; an object of its own, since Keras would track variables in plain attributes."""

    ring: keras.Variable
    weights: list[keras.Variable]
    place: dict
    present: list[int]


class _GradientRing:
    """Mixed into the class of an optimizer: records the norm of each weight's gradient before it is clipped or used.

    What arrives at `_clip_gradients` is unscaled and, with accumulation, already the mean over the micro-steps.
    """

    def _make_ring(self, variables) -> None:
        watched = [v for v in variables if not self._overwrite_variable_with_gradient(v)]
        place = {self._var_key(variable): index for index, variable in enumerate(watched)}
        ring = self.add_variable(
            shape=(ROWS, 1 + sum(map(rows_of, watched))),
            initializer=keras.initializers.Constant(-1.0),
            dtype="float32",
            name="ring",
        )
        self._recording = _Recording(ring, watched, place, list(range(len(watched))))

    def build(self, variables):
        super().build(variables)
        self._make_ring(variables)

    def _backend_apply_gradients(self, grads, trainable_variables):
        place = self._recording.place
        self._recording.present = [place[self._var_key(variable)] for variable in trainable_variables]
        return super()._backend_apply_gradients(grads, trainable_variables)

    def _clip_gradients(self, grads):
        recording = self._recording
        stacked = [slices_of(recording.weights[index]) is not None for index in recording.present]
        self._write_row(backend.norms(grads, stacked))
        return super()._clip_gradients(grads)

    def _write_row(self, norms) -> None:
        ops = keras.ops
        present, weights = self._recording.present, self._recording.weights
        if present != list(range(len(weights))):
            ends = np.cumsum([rows_of(weights[index]) for index in present])
            parts = dict(zip(present, ops.split(norms, ends[:-1].tolist()), strict=True))
            # A weight that got no gradient in this step has norm 0.
            norms = ops.concatenate(
                [parts.get(index, ops.zeros((rows_of(weight),), "float32")) for index, weight in enumerate(weights)]
            )
        accumulated = self.gradient_accumulation_steps or 1
        step = ops.cast(ops.floor_divide(ops.convert_to_tensor(self._iterations), accumulated), "int32")
        count = ops.cast(ops.mod(step + 1, _WRAP), "float32")
        row = ops.concatenate([ops.reshape(count, (1,)), norms])
        backend.write_row(self._recording.ring, ops.mod(step, ROWS), row)


def is_attached(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether an optimizer records gradient norms."""
    return isinstance(optimizer, _GradientRing)


def attach(optimizer: keras.optimizers.Optimizer) -> None:
    """Make an optimizer record gradient norms, built or not; one that records already is left as it is.

    The optimizer keeps its name and everything it computes.
    """
    if is_attached(optimizer):
        return
    # The instance's own type is extended: on PyTorch it is not the class that the user named but a faster one.
    base = type(optimizer)
    optimizer.__class__ = type(base.__name__, (_GradientRing, base), {"__module__": base.__module__})
    if optimizer.built:
        optimizer._make_ring(optimizer._trainable_variables)


def detach(optimizer: keras.optimizers.Optimizer) -> None:
    """Undo `attach`: the optimizer is of its own type again and holds no ring."""
    if not is_attached(optimizer):
        return
    if optimizer.built:
        optimizer._untrack_variable(optimizer._recording.ring)
        del optimizer._recording
    optimizer.__class__ = type(optimizer).__mro__[2]


def watched_weights(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return the weights whose gradients a built, recording optimizer records, in the order of the ring's columns.

    The weight of a `Stack` has a column for each slice.
    """
    return list(optimizer._recording.weights)


def ring_of(optimizer: keras.optimizers.Optimizer) -> keras.Variable:
    """Return the ring of a built, recording optimizer: (ROWS, 1 + columns), the step modulo 2^24 first."""
    return optimizer._recording.ring


def new_rows(ring: np.ndarray, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a copied ring that are newer than step `last`, oldest first.

    Args:
        ring: (ROWS, 1 + weights) as copied from the device.
        last: the newest step that is known already; 0 for none.

    Returns:
        The steps (rows,) counted from 1, and their norms (rows, weights).
    """
    written = ring[:, 0] >= 0
    ahead = np.mod(ring[:, 0].astype(np.int64) - last, _WRAP)
    fresh = np.flatnonzero(written & (ahead > 0) & (ahead <= ROWS))
    fresh = fresh[np.argsort(ahead[fresh])]
    return last + ahead[fresh], ring[fresh, 1:]
