"""Operations that each backend has in a form of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from reskeras.backend.process import name


def count_in(variable: keras.Variable) -> Any:
    """Return the whole number that a variable holds: one of Python's where it can be had at once, which is on PyTorch
    without a compiler on a CPU, else a tensor of int32."""
    if name() == "torch" and _is_at_hand(variable.value):
        return int(variable.value)
    return keras.ops.cast(keras.ops.convert_to_tensor(variable), "int32")


def vector(numbers: Sequence[Any]) -> Any:
    """Return numbers, and tensors of one number each, as one float32 vector."""
    if name() == "torch" and all(not hasattr(each, "device") or _is_at_hand(each) for each in numbers):
        import torch

        return torch.tensor([float(each) for each in numbers], device="cpu")
    return keras.ops.stack([keras.ops.cast(each, "float32") for each in numbers])


def _is_at_hand(tensor: Any) -> bool:
    import torch

    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()


def square_sum(tensor: Any, axes: Iterable[int] | None = None) -> Any:
    """Return the sums of a tensor's squares in float32.

    Args:
        tensor: of any type of real numbers.
        axes: over which to sum; all where none are given.
    """
    tensor = keras.ops.cast(tensor, "float32")
    axes = tuple(range(len(tensor.shape)) if axes is None else axes)
    if name() == "tensorflow":
        import tensorflow as tf

        # Without XLA squares are written to memory, and read again. XLA has no such operation.
        if tf.__internal__.get_enclosing_xla_context() is None:
            return tf.square(tf.raw_ops.EuclideanNorm(input=tensor, axis=axes))
    return keras.ops.sum(keras.ops.square(tensor), axes)


def write_row(variable: keras.Variable, index: Any, parts: Sequence[Any]) -> None:
    """Write one row of a matrix variable in place, leaving every other row untouched whatever values it holds.

    Args:
        variable: (rows, columns).
        index: a whole number, as `count_in` gives it, the row.
        parts: vectors, which together make up the row.
    """
    if name() == "torch":
        import torch

        if isinstance(index, int):
            torch.cat(list(parts), out=variable.value.detach()[index])
        else:
            variable.value.index_copy_(0, index.reshape(1).long(), torch.cat(list(parts))[None])
        return
    row = keras.ops.concatenate(list(parts))
    if name() == "tensorflow":
        import tensorflow as tf

        variable.value.scatter_update(tf.IndexedSlices(row[None], tf.reshape(index, (1,))))
    else:
        place = (index, keras.ops.zeros_like(index))
        variable.assign(keras.ops.slice_update(keras.ops.convert_to_tensor(variable), place, row[None]))


def batch_norm(x: Any, axis: int, epsilon: float, scale: Any, offset: Any, statistics: Any = None) -> Any:
    """Return x with each channel normalised, scaled and shifted, in one kernel.

    Args:
        x: (batch, ..., channels), or with its channels on another axis.
        axis: the axis of the channels.
        epsilon: added to the variance.
        scale, offset: (channels,) in float32, or float64 for x of float64; None for 1 and 0.
        statistics: mean and variance to normalise with, (channels,) each; None for those of x.

    Returns:
        y in the dtype of x, with the mean and the biased variance that it was normalised with; None where there is no
        such kernel for this x, or Keras's own operations are as fast.
    """
    # JAX has none, and XLA computes no other way of writing it measurably sooner than Keras's.
    kernel = {"tensorflow": _tensorflow_batch_norm, "torch": _torch_batch_norm}.get(name())
    axis %= len(x.shape)
    return kernel(x, axis, epsilon, scale, offset, statistics) if kernel and axis else None


def _tensorflow_batch_norm(x, axis, epsilon, scale, offset, statistics):
    import tensorflow as tf

    if axis != len(x.shape) - 1 or x.dtype not in (tf.float32, tf.bfloat16, tf.float16):
        return None
    if axis == 1:
        # A batch of vectors is soon normalised in any way; Keras's operations cost less to start.
        return None
    if statistics is not None and tf.config.list_physical_devices("GPU"):
        # Its gradient there, which a frozen layer needs, is refused where operations must be repeatable.
        return None
    channels = x.shape[-1]
    scale = tf.ones(channels) if scale is None else scale
    offset = tf.zeros(channels) if offset is None else offset
    mean, variance = (tf.zeros(0), tf.zeros(0)) if statistics is None else statistics
    # Not `tf.nn`'s function, which takes a larger epsilon where it finds one small.
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x if len(x.shape) == 4 else tf.reshape(x, (1, -1, 1, channels)),
        scale=scale,
        offset=offset,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        is_training=statistics is None,
    )
    count = tf.cast(tf.size(x) // channels, variance.dtype)
    # What the kernel gives in training is the unbiased variance.
    biased = variance * (count - 1) / count if statistics is None else variance
    return y if len(x.shape) == 4 else tf.reshape(y, tf.shape(x)), mean, biased


def _torch_batch_norm(x, axis, epsilon, scale, offset, statistics):
    import torch

    if not x.is_floating_point():
        return None
    channels = x.shape[axis]
    count = x.numel() // channels
    # Keras's few small operations take less than one kernel takes to wake its threads. (Where no statistics are to be
    # computed, nothing may depend on the size, for a network to be exported with a batch of any.)
    if statistics is None and (count < 2 or (x.device.type == "cpu" and x.numel() < 2**15)):
        return None
    if axis == x.ndim - 1 and x.ndim != 4:
        # In rows of channels, which the kernel is fast on whatever lies between.
        y = _torch_batch_norm(x.reshape(1, -1, 1, channels), 3, epsilon, scale, offset, statistics)
        return y[0].reshape(x.shape), *y[1:]
    settings = {"training": statistics is None, "momentum": 1.0, "eps": epsilon}
    if statistics is None:
        statistics = x.new_zeros((2, channels), dtype=torch.promote_types(x.dtype, torch.float32))
    mean, variance = statistics
    y = torch.nn.functional.batch_norm(x.movedim(axis, 1), mean, variance, scale, offset, **settings)
    # What the kernel writes in training is the unbiased variance.
    biased = variance * ((count - 1) / count) if settings["training"] else variance
    return y.movedim(1, axis), mean, biased
