"""What the backend is, where it computes, and how a process is set up for it."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import contextmanager
from typing import Any

import keras

from reskeras import caches


def name() -> str:
    """Return the backend that Keras runs on: `"tensorflow"`, `"jax"` or `"torch"`."""
    return keras.backend.backend()


def is_jax_on_cpu() -> bool:
    """Return whether JAX computes, and on no accelerator."""
    if name() != "jax":
        return False
    import jax

    return jax.default_backend() == "cpu"


def has_no_numbers(tensor: Any) -> bool:
    """Return whether a tensor is one by which Keras asks PyTorch for shapes alone."""
    return name() == "torch" and tensor.device.type == "meta"


def version() -> str:
    """Return the version of the backend's package."""
    return __import__(name()).__version__


def devices() -> list[dict[str, Any]]:
    """Return the devices that the backend computes on, the one it prefers first.

    Each is a dictionary of `kind` (`"gpu"`, `"tpu"` or `"cpu"`), `name`, and `memory` in bytes or None where it is
    unknown."""
    return {"jax": _jax_devices, "tensorflow": _tensorflow_devices, "torch": _torch_devices}[name()]()


def place() -> dict[str, str]:
    """Return where a training runs, as its first event says it: backend, kind and name of the device."""
    device = devices()[0]
    return {"backend": name(), "device": device["kind"], "device_name": device["name"]}


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
    with without_tensorflow():
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
def without_tensorflow():
    """Make Keras believe that there is no TensorFlow, unless it is loaded, while what stands inside runs.

    On other backends too, Keras imports it wherever it is installed, to seed it and to see whether what it writes down
    is of TensorFlow: that alone takes seconds and half a gigabyte.
    """
    module = keras.src.utils.module_utils.tensorflow
    before = module._available
    leave_out_tensorflow()
    try:
        yield
    finally:
        module._available = before


def leave_out_tensorflow() -> None:
    """Do as `without_tensorflow` from now on: for a process that is ours alone."""
    if name() != "tensorflow" and "tensorflow" not in sys.modules:
        keras.src.utils.module_utils.tensorflow._available = False


def give_memory_back() -> None:
    """Have the C library return the memory of a large tensor as soon as it is gone: for a process that is ours alone.

    Otherwise it keeps blocks of up to 32 MB for later, between which gaps remain: training a ResNet of 110 layers on
    PyTorch with its blocks recomputed then takes 805 MB instead of 474. A heap for each thread keeps gaps of its own:
    507 MB on TensorFlow instead of 457. Only glibc on Linux is told.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 4 * 2**20)
        mallopt(_M_ARENA_MAX, 1)


_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""From glibc's malloc.h: the size above which a block of memory is the system's again once it is freed, and how many
heaps there are, of which each keeps gaps of its own."""


if not isinstance(getattr(keras.Model, "jit_compile", None), property):
    raise ImportError(f"Keras {keras.__version__} has no Model.jit_compile, which reskeras.backend builds on.")


def compile_whole_step(model: keras.Model) -> None:
    """Have XLA compile a model's training step on TensorFlow without a GPU, where Keras leaves it out.

    Keras refuses it where operations are to be repeatable, which on a CPU XLA's are.
    """
    if name() == "tensorflow" and devices()[0]["kind"] == "cpu":
        model._jit_compile = True


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
