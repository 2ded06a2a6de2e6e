"""The one file that asks which backend runs: its devices, training state, gradient norms, repeatable arithmetic."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


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


def norms(tensors: Sequence[Any]) -> Any:
    """Return the Euclidean norm of each tensor as one float32 vector, in as few operations as the backend allows."""
    if name() == "torch":
        import torch

        # PyTorch accumulates narrower numbers in float32 by itself, and refuses wider ones.
        tensors = [each.float() if each.dtype == torch.float64 else each for each in tensors]
        return torch.stack(torch._foreach_norm(tensors, 2, torch.float32))
    if name() == "tensorflow":
        tensors = [_rows_summed(each) for each in tensors]
    squares = [keras.ops.sum(keras.ops.square(keras.ops.cast(each, "float32"))) for each in tensors]
    return keras.ops.sqrt(keras.ops.stack(squares))


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
