"""What all tests share: the backend under test, and the folder of real data."""

from __future__ import annotations

import contextlib
import os
import tempfile
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings

from reskeras.installed import resolve_backend
from reskeras.runs.launch import SHARING_CORES

# Keras reads this once, at its first import; processes that tests start inherit it.
os.environ["KERAS_BACKEND"] = resolve_backend("auto")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Tests run what XLA compiles a few times only: compiling it well would take most of their time.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false"
    # Tiny networks in one piece each: there is a price for every further one.
    " --xla_cpu_parallel_codegen_split_count=1",
)
for _name, _value in SHARING_CORES.items():
    os.environ.setdefault(_name, _value)
if "PYTEST_XDIST_WORKER" not in os.environ:
    # What JAX compiles is kept for all tests, and nowhere else.
    _caches = tempfile.TemporaryDirectory(prefix="reskeras-caches-")
    os.environ["XDG_CACHE_HOME"] = _caches.name

if os.environ["KERAS_BACKEND"] == "jax":
    # One process of tests need not compile what another has: in what they begin, nothing is kept unless they say so.
    import jax

    jax.config.update("jax_compilation_cache_dir", os.path.join(os.environ["XDG_CACHE_HOME"], "compiled-by-tests"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# How long an example takes says how busy the machine is, and files of tests run beside one another.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

with contextlib.suppress(ImportError):
    # Before TensorFlow, in whatever order tests run: loaded after it, PyTorch's own libraries are not found.
    import torch  # noqa: F401


LONGEST = [
    *("test_tasks", "test_every_layer", "test_stack", "test_watching_others", "test_warm", "test_memory", "test_form"),
    *("test_stacked_families", "test_builder", "test_telemetry", "test_stacking", "test_fault_injection", "test_cli"),
    *("test_measuring", "test_monitoring", "test_readme", "test_watching", "test_live_layers", "test_live"),
    *("test_verdicts_of_runs", "test_design_code", "test_recompute", "test_golden", "test_slice_by_slice"),
]
"""Files that take longest, in their order: begun at the end, one would keep one process busy and the others idle."""


def pytest_configure(config):
    """Have xdist keep the order of the files, which it takes by their numbers of tests otherwise."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_ignore_collect(collection_path, config):
    """Leave out whole files of tests that are not asked for, before they are imported."""
    if config.option.markexpr != "not any_backend" or collection_path.suffix != ".py":
        return None
    return True if "\npytestmark = pytest.mark.any_backend\n" in collection_path.read_text("utf-8") else None


def pytest_collection_modifyitems(items):
    """Put the longest files first."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture
def backend() -> str:
    """The backend under test."""
    return os.environ["KERAS_BACKEND"]


@pytest.fixture
def fused(backend, monkeypatch):
    """JAX fuses operations in what Keras compiles, as it does for users: their rounding depends on it."""
    if backend == "jax":
        from keras.src.backend.jax import trainer

        monkeypatch.setattr(
            trainer, "jit", partial(trainer.jit, compiler_options={"xla_cpu_use_fusion_emitters": True})
        )


@pytest.fixture(autouse=True, scope="module")
def compiled():
    """What JAX has compiled for a file of tests is given up behind it: four processes of them have 24 GB."""
    yield
    if os.environ["KERAS_BACKEND"] == "jax":
        jax.clear_caches()


@pytest.fixture(autouse=True, scope="session")
def traced_once():
    """TensorFlow traces a step a second time if it has made variables, as those of an optimizer: they are made before.

    That is half of the time of a test that trains a few steps. Keras builds optimizers before the step on JAX too.
    """
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        return
    import keras

    make = keras.Model.make_train_function

    def build_and_make(self, force=False):
        if self.built and self.optimizer is not None and not self.optimizer.built and self._distribute_strategy is None:
            self.optimizer.build(self.trainable_variables)
        return make(self, force)

    keras.Model.make_train_function = build_and_make


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; a test that wants it skips where it is absent."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder
