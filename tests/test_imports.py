"""Who may import whom: seen in a fresh interpreter after each import, and in the imports as they are written."""

import importlib.util
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from reskeras.installed import installed_backends

HEAVY = ("keras", "tensorflow", "jax", "torch", "sklearn")
KERAS_FREE = (
    *(
        "caches",
        "files",
        "installed",
        "on_demand",
        "options",
        "plan",
        "runs",
        "steps",
        "suggestions",
        "verdicts",
        "version",
    ),
    *("architectures", "blocks", "catalogue", "datasets", "report", "request", "speeds"),
    *("cli", "commands", "console", "doctor"),
)
"""The modules of reskeras that open in an instant because they leave Keras and the backends alone."""


def with_submodules(name):
    """Return a module's name and those of all modules below it, as they lie on the disk."""
    found = [name]
    for folder in importlib.util.find_spec(name).submodule_search_locations or ():
        for module in pkgutil.iter_modules([folder]):
            found += with_submodules(f"{name}.{module.name}")
    return found


def light_modules():
    light = ["reskeras"]
    for name in KERAS_FREE:
        full = f"reskeras.{name}"
        # A module that is not there fails its own test, and does not keep the others from running.
        light += with_submodules(full) if importlib.util.find_spec(full) else [full]
    return light + with_submodules("reskeras_tui")


def test_the_walk_finds_the_modules():
    known = {"reskeras.architectures.resnet", "reskeras.runs.folder", "reskeras_tui.plots.scale"}
    assert known <= set(light_modules())


def run_fresh(program):
    """Return the lines that a program prints in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


@pytest.mark.any_backend
def test_importing_a_light_module_loads_no_heavy_library():
    """One interpreter for all, where an import that loads what it should not is followed by no other: it is named."""
    program = f"""
import importlib, sys
for module in {light_modules()!r}:
    importlib.import_module(module)
    if found := {set(HEAVY)!r} & set(sys.modules):
        sys.exit(f"{{module}} loads {{found}}")
"""
    assert run_fresh(program) == []


@pytest.mark.any_backend
def test_data_can_be_asked_for_without_a_heavy_library():
    """Imports inside functions come to light only when these run."""
    program = f"""
import reskeras, sys
for ask in (
    lambda: reskeras.catalogue.plan("resnet", (8, 8, 1), 10).text(),
    lambda: reskeras.datasets.describe("digits"),
    lambda: reskeras.runs.list_runs(),
):
    ask()
    print(*sorted({set(HEAVY)!r} & set(sys.modules)))
"""
    assert run_fresh(program) == ["", "", ""]


@pytest.mark.any_backend
def test_imports_run_downwards_as_the_contracts_say():
    repository = Path(__file__).resolve().parents[1]
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--config", "pyproject.toml", "--no-cache", "--no-logo"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_a_stack_imports_no_other_backend(backend):
    if backend == "tensorflow" or "tensorflow" not in installed_backends():
        pytest.skip("TensorFlow is not there, or is the backend")
    code = (
        "import sys, keras, reskeras\n"
        "reskeras.layers.Stack(keras.layers.Dense(4), 2).build((None, 4))\n"
        "assert 'tensorflow' not in sys.modules\n"
        "assert keras.src.utils.module_utils.tensorflow.available"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
