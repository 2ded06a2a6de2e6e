"""What a step measures of gradients and weights, in as few operations as each backend allows."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import keras

from reskeras.backend import torch_measuring
from reskeras.backend.process import name


def weight_statistics(
    gradients: Sequence[Any],
    clipped: Sequence[Any] | None,
    kept: Kept,
    after: Sequence[Any],
    zeros: bool = False,
) -> Any:
    """Return measurements of weights as one float32 matrix, (7, weights).

    The rows are the norms of gradients, of clipped gradients, of weights and of what was added to them, and the numbers
    of entries of a gradient that are NaN, infinite and 0.

    Args:
        gradients: of each weight.
        clipped: the same after clipping; None where nothing is clipped, which gives NaN.
        kept: the weights before the step; they cannot be asked for once more. One that is many has a column for each
            of its rows.
        after: each weight after the step.
        zeros: whether to count zeros; otherwise they are NaN.
    """
    ops, whole, stacked = keras.ops, gradients, kept.stacked
    if name() == "tensorflow":
        gradients = [_rows_summed(each) for each in gradients]
        clipped = clipped and [_rows_summed(each) for each in clipped]
    norm, weight = norms(gradients, stacked), kept.norms()
    missing = norm.new_full(norm.shape, math.nan) if name() == "torch" else ops.full_like(norm, math.nan)
    rows = [
        norm,
        missing if clipped is None else norms(clipped, stacked),
        weight,
        kept.changes(after),
        *_not_finite(norm, gradients, stacked),
        _counts(lambda each: each == 0, whole, stacked) if zeros else missing,
    ]
    return torch_measuring.matrix(rows) if name() == "torch" else ops.stack(rows)


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
        found.append(ops.reshape(ops.sum(ops.cast(condition(each), "float32"), axes), (-1,)))
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
        square = keras.ops.square(keras.ops.cast(each, "float32"))
        axes = tuple(range(1, len(square.shape))) if rows else None
        squares.append(keras.ops.reshape(keras.ops.sum(square, axes), (-1,)))
    return keras.ops.sqrt(keras.ops.concatenate(squares))


def values_now(variables: Sequence[keras.Variable]) -> list[Any]:
    """Return the values of variables, which a later change may change."""
    if name() == "tensorflow":
        # Read within the function that is traced, in the order of what is assigned.
        return [keras.ops.convert_to_tensor(each) for each in variables]
    values = [each.value for each in variables]
    return [each.detach() for each in values] if name() == "torch" else values


class Kept:
    """Keeps values of variables as they are before a step, whatever the step assigns.

    Attributes:
        stacked: for each of them, whether it is many in one, as in `norms`.
    """

    def __init__(self):
        self._values: list[Any] = []
        self.stacked: list[bool] = []
        self._norms = None
        self._seen: list[tuple[int, int]] = []

    def take(self, variables: Sequence[keras.Variable], stacked: Sequence[bool]) -> None:
        """Keep the values of variables as they are now.

        Args:
            variables: the variables.
            stacked: as in `norms`.
        """
        values, self.stacked = values_now(variables), list(stacked)
        if name() == "tensorflow":
            import tensorflow as tf

            values = [tf.identity(each) for each in values]
        if name() != "torch":
            self._values = values
        elif not self._seen or self._seen != torch_measuring.seen(values):
            self._copy(values)

    def _copy(self, values: Sequence[Any]) -> None:
        import torch

        # Optimizers there change weights in place.
        if [each.shape for each in self._values] != [each.shape for each in values]:
            self._values = [torch.empty_like(each) for each in values]
        torch._foreach_copy_(self._values, list(values))
        self._norms = norms(self._values, self.stacked)

    def norms(self) -> Any:
        """Return the norms of the values that are kept, as one float32 vector."""
        return self._norms if name() == "torch" else norms(self._values, self.stacked)

    def changes(self, after: Sequence[Any]) -> Any:
        """Return the norms of what was added to the values; they are no longer kept.

        Args:
            after: the values after the step.
        """
        if name() == "torch":
            # What this step ends with is mostly what the next one begins with.
            found, self._norms = torch_measuring.changes(self._values, after, self.stacked)
            self._seen = torch_measuring.seen(after)
            return found
        before, self._values = self._values, []
        return norms([b - a for a, b in zip(after, before, strict=True)], self.stacked)


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
