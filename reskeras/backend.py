"""The one file that asks which backend runs: its devices, training state, repeatable arithmetic and kernels."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from reskeras import caches


def name() -> str:
    """Return the backend that Keras runs on: `"tensorflow"`, `"jax"` or `"torch"`."""
    return keras.backend.backend()


def version() -> str:
    """Return the version of the backend's package."""
    return __import__(name()).__version__


def devices() -> list[dict[str, Any]]:
    """Return the devices that the backend computes on, the one it prefers first.

    Each is a dictionary of `kind` (`"gpu"`, `"tpu"` or `"cpu"`), `name`, and `memory` in bytes or None where it is
    unknown."""
    return {"jax": _jax_devices, "tensorflow": _tensorflow_devices, "torch": _torch_devices}[name()]()


def _jax_devices():
    import jax

    found = []
    for device in jax.devices():
        memory = (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None
        kind = "gpu" if device.platform in ("gpu", "cuda", "rocm") else device.platform
        found.append({"kind": kind, "name": device.device_kind, "memory": memory})
    return found


def _tensorflow_devices():
    import tensorflow as tf

    found = []
    for device in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(device)
        found.append({"kind": "gpu", "name": details.get("device_name", device.name), "memory": None})
    return [*found, {"kind": "cpu", "name": "cpu", "memory": None}]


def _torch_devices():
    import torch

    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found.append({"kind": "gpu", "name": properties.name, "memory": properties.total_memory})
    if torch.backends.mps.is_available():
        found.append({"kind": "gpu", "name": "Apple GPU", "memory": None})
    return [*found, {"kind": "cpu", "name": "cpu", "memory": None}]


def make_repeatable(seed: int) -> None:
    """Seed every generator, and choose operations that give the same result each time on the same machine."""
    with _without_tensorflow():
        keras.utils.set_random_seed(seed)
    if name() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif name() == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # Otherwise every new tensor is written twice, to catch kernels that read what nobody wrote.
        torch.utils.deterministic.fill_uninitialized_memory = False


@contextmanager
def _without_tensorflow():
    """Hide TensorFlow from what runs inside, unless it is loaded: Keras seeds it wherever it is installed, and
    importing it for that alone takes seconds."""
    hidden = name() != "tensorflow" and "tensorflow" not in sys.modules
    if hidden:
        sys.modules["tensorflow"] = None
    try:
        yield
    finally:
        if hidden:
            del sys.modules["tensorflow"]


def keep_compiled() -> None:
    """Let JAX keep what it compiles in the user's cache folder, so that no later process compiles it again.

    `JAX_COMPILATION_CACHE_DIR` names another folder, and `JAX_ENABLE_COMPILATION_CACHE=0` turns it off. A folder that
    cannot be written is not used. The other backends compile nothing that can be kept.
    """
    if name() != "jax":
        return
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        folder = caches.folder("jax")
        if folder is None:
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    # Many small functions make up most of the time.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def norms(tensors: Sequence[Any], stacked: Sequence[bool]) -> Any:
    """Return the Euclidean norm of each tensor as one float32 vector, in as few operations as the backend allows.

    Args:
        tensors: gradients.
        stacked: for each, whether it is many in one, whose rows each have a norm of their own.
    """
    if name() == "torch":
        return _norms_torch(tensors, stacked)
    if name() == "tensorflow":
        tensors = [_rows_summed(each) for each in tensors]
    squares = []
    for each, rows in zip(tensors, stacked, strict=True):
        square = keras.ops.square(keras.ops.cast(each, "float32"))
        axes = tuple(range(1, len(square.shape))) if rows else None
        squares.append(keras.ops.reshape(keras.ops.sum(square, axes), (-1,)))
    return keras.ops.sqrt(keras.ops.concatenate(squares))


def _norms_torch(tensors, stacked):
    import torch

    # PyTorch accumulates narrower numbers in float32 by itself, and refuses wider ones.
    tensors = [each.float() if each.dtype == torch.float64 else each for each in tensors]
    single = [each for each, rows in zip(tensors, stacked, strict=True) if not rows]
    norms = iter(torch._foreach_norm(single, 2, torch.float32) if single else ())
    parts = []
    for each, rows in zip(tensors, stacked, strict=True):
        found = torch.linalg.vector_norm(each.flatten(1), dim=1, dtype=torch.float32) if rows else next(norms)
        parts.append(found.reshape(-1))
    return torch.cat(parts)


def _rows_summed(gradient: Any) -> Any:
    """Return the rows of an embedding's gradient that are not 0, each once; any other gradient as it is.

    TensorFlow gives a row for each look-up, and the same row again for the same number.
    """
    import tensorflow as tf

    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, place = tf.unique(gradient.indices)
    return tf.math.unsorted_segment_sum(gradient.values, place, tf.size(rows))


def write_row(variable: keras.Variable, index: Any, row: Any) -> None:
    """Write one row of a matrix variable in place, leaving every other row untouched whatever values it holds.

    Args:
        variable: (rows, columns).
        index: an integer tensor, the row.
        row: (columns,).
    """
    if name() == "torch":
        variable.value.index_copy_(0, index.reshape(1).long(), row[None])
    elif name() == "tensorflow":
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


def scan(body, carry: Any, slices: list[Any], depth: int, constants: tuple = (), unroll: bool = False):
    """Run `body` once for each of `depth` slices, each run on what the one before gave.

    JAX and TensorFlow's graphs hold the body once, whatever the depth.

    Args:
        body: `(carry, slices, constants) -> (carry, outputs)`, without side effects; the carry keeps its shape and
            type, and `outputs` is a list of tensors.
        carry: the first carry, a tensor.
        slices: tensors of `depth` rows each; the body gets a list of one row of each.
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

        if not tf.executing_eagerly() and not unroll:
            return _loop_in_graph(body, carry, slices, depth, constants)
        rows = zip(*(tf.unstack(each, depth) for each in slices), strict=True)
    else:
        rows = zip(*(each.unbind(0) for each in slices), strict=True)
    outputs = []
    for row in rows if slices else ((),) * depth:
        carry, found = body(carry, list(row), constants)
        outputs.append(found)
    return carry, [keras.ops.stack(each) for each in zip(*outputs, strict=True)]


def _loop_in_graph(body, carry, slices, depth, constants):
    import tensorflow as tf

    first = [each[0] for each in slices]
    # What comes out is known once the body has been traced, in a graph of its own that is thrown away.
    spec = tf.function(body).get_concrete_function(carry, first, constants).structured_outputs[1]
    rows = [tf.TensorArray(each.dtype, depth, element_shape=each.shape[1:]).unstack(each) for each in slices]
    outputs = [tf.TensorArray(each.dtype, depth, element_shape=each.shape) for each in spec]

    def step(place, carry, outputs):
        following, found = body(carry, [each.read(place) for each in rows], constants)
        following = tf.ensure_shape(following, carry.shape)
        return place + 1, following, [array.write(place, each) for array, each in zip(outputs, found, strict=True)]

    _, carry, outputs = tf.while_loop(
        lambda place, *_: place < depth, step, (0, carry, outputs), maximum_iterations=depth, parallel_iterations=1
    )
    return carry, [each.stack() for each in outputs]


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
            with tf.GradientTape() as tape:
                tape.watch([each for each in tensors if is_real(each)])
                again = function(*tensors)
            pairs = [(y, dy) for y, dy in zip(again, upstream, strict=True) if is_real(y) and dy is not None]
            found = tape.gradient(
                [y for y, _ in pairs],
                [each for each in tensors if is_real(each)],
                output_gradients=[dy for _, dy in pairs],
                unconnected_gradients="zero",
            )
            found = iter(found)
            return [next(found) if is_real(each) else None for each in tensors]

        return outputs, gradient

    return run


def scan_in_segments(body, carry: Any, slices: list[Any], depth: int, constants: tuple = ()):
    """Do as `scan` does, keeping for the backward pass the carry of every k-th run alone, k the root of the depth.

    Arguments and results as in `scan`. The runs of a segment are computed again when its gradient is (Chen et al. 2016,
    1604.06174, section 4.1): memory grows with the root of the depth.
    """
    length = math.isqrt(depth)
    whole = depth // length * length

    def segment(carry, rows, constants):
        return scan(body, carry, rows, rows[0].shape[0], constants)

    parts = [keras.ops.reshape(each[:whole], (depth // length, length, *each.shape[1:])) for each in slices]
    carry, outputs = scan(recomputed(segment), carry, parts, depth // length, constants)
    outputs = [keras.ops.reshape(each, (whole, *each.shape[2:])) for each in outputs]
    if whole < depth:
        carry, last = recomputed(segment)(carry, [each[whole:] for each in slices], constants)
        outputs = [keras.ops.concatenate(pair) for pair in zip(outputs, last, strict=True)]
    return carry, outputs


def dropout_at(x: Any, rate: Any, noise_shape: tuple, seed: keras.random.SeedGenerator) -> Any:
    """Do as `keras.random.dropout` does, number for number, at a rate that is a tensor.

    Args:
        x: the tensor of which parts are dropped.
        rate: a scalar from 0 up to but not 1.
        noise_shape: shape of the random numbers, each 1 where one number is for the whole axis.
        seed: where they are drawn from.
    """
    if name() == "torch":
        return keras.random.dropout(x, float(rate), noise_shape, seed)
    ops = keras.ops
    if name() == "jax":
        kept = keras.random.uniform(noise_shape, dtype=rate.dtype, seed=seed) < 1 - rate
    else:
        kept = keras.random.uniform(noise_shape, dtype=x.dtype, seed=seed) >= ops.cast(rate, x.dtype)
    return ops.where(kept, x / ops.cast(1 - rate, x.dtype), ops.zeros_like(x))


def draw_each(draw, seeds: Sequence[int]) -> Any:
    """Return what `draw` gives for each seed, stacked on a new first axis.

    Args:
        draw: `(seed) -> tensor`, which uses the seed once, as `keras.random` and Keras's initializers take it.
        seeds: whole numbers.
    """
    if name() == "torch" or len(seeds) == 1:
        return keras.ops.stack([draw(int(seed)) for seed in seeds])
    pairs = keras.ops.stack([keras.src.random.seed_generator.draw_seed(int(seed)) for seed in seeds])
    if name() == "jax":
        import jax

        return jax.jit(lambda pairs: jax.lax.map(lambda pair: draw(_GivenSeed(pair)), pairs))(pairs)
    import tensorflow as tf

    dtype = tf.type_spec_from_value(draw(_GivenSeed(pairs[0])))
    return tf.function(lambda pairs: tf.map_fn(lambda pair: draw(_GivenSeed(pair)), pairs, fn_output_signature=dtype))(
        pairs
    )


class _GivenSeed(keras.random.SeedGenerator):
    """A seed for one draw that is a tensor, which Keras takes from generators only."""

    def __init__(self, pair):
        self._pair = pair

    def next(self, ordered=True):
        return self._pair


class StateReader:
    """Reads variables of a model while it is trained, between two steps, without making the device wait.

    Args:
        model: the compiled model that is being trained.
        variables: variables of its optimizer or of its metrics.
    """

    def __init__(self, model: keras.Model, variables: Sequence[keras.Variable]):
        self._model = model
        self._variables = list(variables)
        self._places = None

    def copy(self) -> list[Any]:
        """Return copies of the variables as they stand, on the device and perhaps still being computed."""
        if name() == "jax":
            return self._copy_jax()
        if name() == "torch":
            return [variable.value.detach().clone() for variable in self._variables]
        import tensorflow as tf

        return [tf.identity(variable.value) for variable in self._variables]

    def _copy_jax(self):
        import jax.numpy as jnp

        # While a fit runs on JAX, values live in the trainer's state and the variables are empty. The state is given
        # away to the next step, so what is kept must be a copy.
        state = getattr(self._model, "_jax_state", None)
        if state is None or self._model._jax_state_synced:
            values = [variable.value for variable in self._variables]
        else:
            self._places = self._places or self._find_places()
            values = [state[group][index] for group, index in self._places]
        copies = [jnp.copy(value) for value in values]
        for each in copies:
            each.copy_to_host_async()
        return copies

    def _find_places(self):
        places = {}
        for group, variables in (
            ("optimizer_variables", self._model.optimizer.variables),
            ("metrics_variables", self._model.metrics_variables),
        ):
            places.update({id(variable): (group, index) for index, variable in enumerate(variables)})
        return [places[id(variable)] for variable in self._variables]


def as_numpy(tensor: Any) -> np.ndarray:
    """Return a tensor's values on the host, waiting for them where they are still being computed."""
    return keras.ops.convert_to_numpy(tensor)


if __name__ == "__main__":
    import json

    print(json.dumps({"keras": keras.__version__, "version": version(), "devices": devices()}))
