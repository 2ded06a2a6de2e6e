"""What a step measures of gradients and weights, in as few operations as each backend allows."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras

from reskeras.backend import torch_measuring
from reskeras.backend.additions import Additions
from reskeras.backend.operations import square_sum
from reskeras.backend.process import name


def _not_finite(norm, gradients, stacked):
    """Return how many entries of each gradient are NaN, and how many are infinite."""
    ops = keras.ops

    def counts():
        return [_counts(each, gradients, stacked) for each in (ops.isnan, ops.isinf)]

    # Nearly always there is none: then looking at each entry is left out.
    if name() != "torch":
        found = ops.cond(
            ops.all(ops.isfinite(norm)), lambda: ops.stack([ops.zeros_like(norm)] * 2), lambda: ops.stack(counts())
        )
        return found[0], found[1]
    import torch

    if torch.compiler.is_compiling():
        return counts()
    if norm.device.type != "cpu":
        # Whoever asks a GPU whether there are any waits for it.
        return [each(norm).float() for each in (torch.isnan, torch.isinf)]
    return [norm.new_zeros(norm.shape)] * 2 if torch_measuring.are_finite(norm) else counts()


def _counts(condition, tensors, stacked):
    ops = keras.ops
    found = []
    for each, rows in zip(tensors, stacked, strict=True):
        each = ops.convert_to_tensor(each)
        axes = tuple(range(1, len(each.shape))) if rows else None
        count = ops.sum(ops.cast(condition(each), "int32"), axes)
        found.append(ops.reshape(ops.cast(count, "float32"), (-1,)))
    return ops.concatenate(found)


def norms(tensors: Sequence[Any], stacked: Sequence[bool]) -> Any:
    """Return the Euclidean norm of each tensor as one float32 vector.

    Args:
        tensors: gradients or weights.
        stacked: for each, whether it is many in one, whose rows each have a norm of their own.
    """
    if name() == "torch":
        return torch_measuring.norms(tensors, stacked)
    if name() == "tensorflow":
        tensors = [_rows_summed(each) for each in tensors]
    squares = []
    for each, rows in zip(tensors, stacked, strict=True):
        square = square_sum(each, range(1, len(each.shape)) if rows else None)
        squares.append(keras.ops.reshape(square, (-1,)))
    return keras.ops.sqrt(keras.ops.concatenate(squares))


def values_now(variables: Sequence[keras.Variable]) -> list[Any]:
    """Return the values of variables, which a later change may change."""
    if name() == "tensorflow":
        import tensorflow as tf

        # Read within the function that is traced, in the order of what is assigned.
        return [tf.convert_to_tensor(each.value) for each in variables]
    values = [each.value for each in variables]
    return [each.detach() for each in values] if name() == "torch" else values


class WeightStatistics:
    """Measures what a step makes of weights: `begin` before it changes any, then `end`."""

    def __init__(self):
        self._values: list[Any] = []
        self._stacked: list[bool] = []
        self._norms = None
        self._of_gradients: list[Any] = []
        self._seen: list[tuple[int, int]] = []
        self._additions = Additions()

    def begin(
        self,
        variables: Sequence[keras.Variable],
        stacked: Sequence[bool],
        gradients: Sequence[Any],
        zeros: bool = False,
    ) -> None:
        """Measure gradients, and keep the values of the weights as they are now.

        Args:
            variables: the weights.
            stacked: for each of them, whether it is many in one, as in `norms`.
            gradients: of each.
            zeros: whether to count the zeros among a gradient's entries.
        """
        self._stacked = list(stacked)
        self._keep(variables)
        norm = norms(gradients, stacked)
        self._of_gradients = [norm, *_not_finite(norm, gradients, stacked)]
        if zeros:
            self._of_gradients.append(_counts(lambda each: each == 0, gradients, stacked))

    def _keep(self, variables) -> None:
        values = values_now(variables)
        if name() == "torch":
            if not self._seen or self._seen != torch_measuring.seen(values):
                self._copy(values)
            return
        self._additions.begin(variables)
        self._values, self._norms = values, norms(values, self._stacked)

    def _copy(self, values: Sequence[Any]) -> None:
        import torch

        # Optimizers there change weights in place.
        if [each.shape for each in self._values] != [each.shape for each in values]:
            self._values = [torch.empty_like(each) for each in values]
        torch._foreach_copy_(self._values, list(values))
        self._norms = norms(self._values, self._stacked)

    def behind(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """Return gradients as they are, for an optimizer that is to come behind what `begin` measures."""
        if name() == "tensorflow":
            import tensorflow as tf

            # A weight whose old value is still read is copied first, and a gradient that is still read is not written
            # over.
            with tf.control_dependencies([self._norms, *self._of_gradients]):
                return [tf.identity(each) for each in gradients]
        if name() == "torch":
            return gradients
        import jax
        import jax.numpy as jnp

        # What depends on all that was measured writes over weights and gradients where they are: XLA would copy them
        # first, for all it knows. Nor does it write squares of gradients to memory, to have them for their norms too.
        found = jax.lax.optimization_barrier([self._norms, *self._of_gradients])
        nothing = jnp.where(jnp.stack([each[0] for each in found]).max() < -1, 1, 0)
        return [each + nothing.astype(each.dtype) for each in gradients]

    def adding(self, variable: Any, change: Any) -> AbstractContextManager:
        """Know what is added to a variable, or subtracted, by what is done within.

        Args:
            variable: any variable.
            change: what is added or subtracted.
        """
        return self._additions.noting(variable, change)

    def end(self, clipped: Sequence[Any] | None, after: Sequence[Any]) -> Any:
        """Return what was measured of the weights as one float32 matrix, (7, weights).

        The rows are the norms of gradients, of clipped gradients, of weights before the step and of what was added to
        them, and the numbers of entries of a gradient that are NaN, infinite and 0 (NaN where zeros are not counted).
        A weight that is many has a column for each of its rows.

        Args:
            clipped: the gradients after clipping; None where nothing is clipped, which gives NaN.
            after: each weight after the step.
        """
        before, (norm, nan, infinite, *zeros), self._of_gradients = self._norms, self._of_gradients, []
        missing = norm.new_full(norm.shape, math.nan) if name() == "torch" else keras.ops.full_like(norm, math.nan)
        clipped_norm = missing if clipped is None else norms(clipped, self._stacked)
        zero = zeros[0] if zeros else missing
        rows = [norm, clipped_norm, before, self._changes(after), nan, infinite, zero]
        return torch_measuring.matrix(rows) if name() == "torch" else keras.ops.stack(rows)

    def _changes(self, after: Sequence[Any]) -> Any:
        """Return the norms of what was added to the values."""
        if name() == "torch":
            # What this step ends with is mostly what the next one begins with.
            found, self._norms = torch_measuring.changes(self._values, after, self._stacked)
            self._seen = torch_measuring.seen(after)
            return found
        added, before, self._values = self._additions.end(), self._values, []
        changes = [b - a if change is None else change for change, a, b in zip(added, before, after, strict=True)]
        return norms(changes, self._stacked)


def over_replicas(gradients: Sequence[Any]) -> Sequence[Any]:
    """Return the sum of gradients over all replicas that train at the same time, where there is more than one.

    JAX's are of the whole batch as they are; TensorFlow's optimizers sum them only after clipping.
    """
    if replicas() == 1:
        return gradients
    import tensorflow as tf

    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))


def replicas() -> int:
    """Return how many replicas of this code run at the same time on parts of a batch: on TensorFlow, where a strategy
    makes them."""
    if name() != "tensorflow":
        return 1
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return 1 if context is None else context.num_replicas_in_sync


def apart_in_replicas(kind: type) -> Any:
    """Return an object of a class, whose attributes are others in each replica.

    TensorFlow traces its replicas by turns, each in a thread of its own.
    """
    return type(kind.__name__, (kind, threading.local), {})() if name() == "tensorflow" else kind()


def _rows_summed(gradient: Any) -> Any:
    """Return the rows of an embedding's gradient that are not 0, each once; any other gradient as it is.

    TensorFlow gives a row for each look-up, and the same row again for the same number.
    """
    import tensorflow as tf

    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, place = tf.unique(gradient.indices)
    return tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))
