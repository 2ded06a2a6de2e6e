"""One body run over many slices, in the form of a loop that each backend compiles best."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from reskeras.backend.process import has_no_numbers, is_jax_on_cpu, name

SHORT = 4
"""So many runs are written out in TensorFlow's graph: a loop and its gradient are traced as long as four bodies."""


def unrolls_convolutions() -> bool:
    """Return whether convolutions are slow inside of a loop: there JAX computes them without a CPU's fast kernels.

    Measured on two cores with JAX 0.10.2: a training step of six residual blocks of 16 channels on 16x16 images, 32 of
    them, takes 37 ms unrolled and 860 ms in a loop.
    """
    return is_jax_on_cpu()


def scan(body, carry: Any, slices: list[Any], depth: int, constants: tuple = (), unroll: bool = False):
    """Run `body` once for each of `depth` slices, each run on what the one before gave.

    JAX and TensorFlow's graphs hold the body once, whatever the depth.

    Args:
        body: `(carry, slices, constants) -> (carry, outputs)`, without side effects; the carry keeps its shape and
            type, and `outputs` is a list of tensors.
        carry: the first carry, a tensor.
        slices: tensors of `depth` rows each, or lists as long of what is no tensor; the body gets a list of one row of
            each.
        depth: how many rows there are, 1 or more.
        constants: tensors that each run gets.
        unroll: whether the body is written out `depth` times, where a loop makes it slow.

    Returns:
        The last carry, and a list of each output's values, stacked on a new first axis.
    """
    if name() == "jax":
        import jax

        def step(carry, rows):
            return body(carry, rows, constants)

        return jax.lax.scan(step, carry, slices, length=depth, unroll=depth if unroll else 1)
    if name() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly() and not unroll and depth > SHORT:
            return _loop_in_graph(body, carry, slices, depth, constants)
        rows = zip(*(tf.unstack(each, depth) for each in slices), strict=True)
    else:
        rows = zip(*(each if isinstance(each, list) else each.unbind(0) for each in slices), strict=True)
    rows = rows if slices else ((),) * depth
    if has_no_numbers(carry):
        # One run tells shapes as well as a thousand.
        carry, found = body(carry, list(next(iter(rows))), constants)
        return carry, [each.expand(depth, *each.shape) for each in found]
    outputs = []
    for row in rows:
        carry, found = body(carry, list(row), constants)
        outputs.append(found)
    return carry, [keras.ops.stack(each) for each in zip(*outputs, strict=True)]


def map_rows(function, rows: list[Any]) -> list[Any]:
    """Return what a function gives for each row of some tensors, stacked on a new first axis.

    All rows are computed at once, or where that cannot be, as where Python code decides by values, one by one.

    Args:
        function: takes a list of one row of each tensor, and returns a list of tensors; without side effects.
        rows: tensors of equally many rows, 1 or more.
    """
    try:
        return keras.ops.vectorized_map(function, rows)
    except Exception:
        # Each backend has errors of its own for what it cannot do; any other is raised once more.
        found = [function(list(row)) for row in zip(*map(keras.ops.unstack, rows), strict=True)]
    return [keras.ops.stack(each) for each in zip(*found, strict=True)]


def _loop_in_graph(body, carry, slices, depth, constants):
    import tensorflow as tf

    first = [each[0] for each in slices]
    # What comes out is known once the body has been traced, in a graph of its own that is thrown away.
    spec = tf.function(body).get_concrete_function(carry, first, constants).structured_outputs[1]
    # Each run takes its rows from the ends of lists, and puts its outputs at the ends of others; gradients go the same
    # ways. The gradient of a row that is read by its place is a list of `depth` entries, which is added to that of all
    # others: in a thousand blocks, half of a step.
    lists = [_list_of(tf.reverse(each, [0])) for each in slices]
    filled = [
        tf.raw_ops.EmptyTensorList(element_shape=_in_list(each.shape), max_num_elements=depth, element_dtype=each.dtype)
        for each in spec
    ]

    def step(place, carry, lists, filled):
        taken = [_last_of(one, each) for one, each in zip(lists, slices, strict=True)]
        following, found = body(carry, [row for _, row in taken], constants)
        following = tf.ensure_shape(following, carry.shape)
        filled = [
            tf.raw_ops.TensorListPushBack(input_handle=one, tensor=each)
            for one, each in zip(filled, found, strict=True)
        ]
        return place + 1, following, [rest for rest, _ in taken], filled

    _, carry, _, filled = tf.while_loop(
        lambda place, *_: place < depth,
        step,
        (0, carry, lists, filled),
        maximum_iterations=depth,
        parallel_iterations=1,
    )
    return carry, [_stacked(one, each, depth) for one, each in zip(filled, spec, strict=True)]


def _list_of(rows):
    """Return a list of a tensor's rows."""
    import tensorflow as tf

    return tf.raw_ops.TensorListFromTensor(tensor=rows, element_shape=_in_list(rows.shape[1:]))


def _last_of(rows, like):
    """Return a list without its last entry, and that, which is shaped as the rows of another tensor."""
    import tensorflow as tf

    rest, row = tf.raw_ops.TensorListPopBack(
        input_handle=rows, element_shape=_in_list(like.shape[1:]), element_dtype=like.dtype
    )
    return rest, tf.ensure_shape(row, like.shape[1:])


def _stacked(rows, spec, depth):
    """Return a list as one tensor."""
    import tensorflow as tf

    return tf.raw_ops.TensorListStack(
        input_handle=rows, element_shape=_in_list(spec.shape), element_dtype=spec.dtype, num_elements=depth
    )


def _in_list(shape):
    """Return a shape as TensorFlow's lists want it, with -1 for what is not known."""
    return np.array([-1 if size is None else size for size in shape], "int32")


def recomputed(body):
    """Return a body for `scan` of which the backward pass keeps the carry alone and computes the rest again."""

    def run(carry, rows, constants):
        def flat(*tensors):
            first, rows_now, rest = tensors[0], tensors[1 : 1 + len(rows)], tensors[1 + len(rows) :]
            following, outputs = body(first, list(rows_now), rest)
            return (following, *outputs)

        remat = _remat_tensorflow if name() == "tensorflow" else keras.remat
        following, *outputs = remat(flat)(carry, *rows, *constants)
        return following, outputs

    return run


def _remat_tensorflow(function):
    """Do as `tf.recompute_grad`, which fails inside of a loop where some outputs are whole numbers."""
    import tensorflow as tf

    def is_real(tensor):
        return tensor.dtype.is_floating

    @tf.custom_gradient
    def run(*tensors):
        outputs = function(*tensors)

        def gradient(*upstream):
            # Without need of the upstream gradient, the graph's optimizer would merge this with the forward pass, and
            # keep everything.
            zero = _zero_of(next(each for each in upstream if each is not None and is_real(each)))
            later = [each + tf.cast(zero, each.dtype) if is_real(each) else each for each in tensors]
            with tf.GradientTape() as tape:
                tape.watch([each for each in later if is_real(each)])
                again = function(*later)
            pairs = [(y, dy) for y, dy in zip(again, upstream, strict=True) if is_real(y) and dy is not None]
            found = tape.gradient(
                [y for y, _ in pairs],
                [each for each in later if is_real(each)],
                output_gradients=[dy for _, dy in pairs],
                unconnected_gradients="zero",
            )
            found = iter(found)
            return [next(found) if is_real(each) else None for each in tensors]

        return outputs, gradient

    return run


def _zero_of(tensor):
    """Return a zero that is known once a tensor is, be that infinite or not a number."""
    import tensorflow as tf

    first = tf.reshape(tensor, [-1])[0]
    return tf.where(tf.math.is_nan(first) | (first == first), tf.zeros_like(first), first)


def scan_in_segments(body, carry: Any, slices: list[Any], depth: int, constants: tuple = ()):
    """Do as `scan` does, keeping for the backward pass the carry of every k-th run alone, k the root of the depth.

    Arguments and results as in `scan`. The runs of a segment are computed again when its gradient is (Chen et al. 2016,
    1604.06174, section 4.1): memory grows with the root of the depth.
    """
    length = math.isqrt(depth)
    whole = depth // length * length

    def segment(count):
        return recomputed(lambda carry, rows, constants: scan(body, carry, rows, count, constants))

    def in_segments(each):
        if isinstance(each, list):
            return [each[start : start + length] for start in range(0, whole, length)]
        return keras.ops.reshape(each[:whole], (depth // length, length, *each.shape[1:]))

    parts = [in_segments(each) for each in slices]
    carry, outputs = scan(segment(length), carry, parts, depth // length, constants)
    outputs = [keras.ops.reshape(each, (whole, *each.shape[2:])) for each in outputs]
    if whole < depth:
        carry, last = segment(depth - whole)(carry, [each[whole:] for each in slices], constants)
        outputs = [keras.ops.concatenate(pair) for pair in zip(outputs, last, strict=True)]
    return carry, outputs
