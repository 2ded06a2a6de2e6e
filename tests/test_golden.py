"""Files that an earlier version wrote load in this one and predict what they did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from golden import GOLDEN, files, recorded
from networks import predict

import reskeras.layers  # noqa: F401
from reskeras.catalogue import ARCHITECTURES

pytestmark = pytest.mark.any_backend

KEPT = sorted(path.name.removesuffix(".npz") for path in GOLDEN.glob("*.npz"))
"""Every family that a version wrote files of; one that is gone from the catalogue still has its users' files."""

LOADER = """
import pathlib, sys
sys.modules["reskeras"] = None
sys.path.insert(0, sys.argv[1])
import keras, numpy as np
from golden import GOLDEN, files, recorded
for name in sys.argv[3:]:
    x, _ = recorded(files(name)[2])
    found = keras.tree.flatten(keras.models.load_model(files(name)[0]).predict(x, verbose=0))
    np.savez(pathlib.Path(sys.argv[2]) / f"{name}.npz", *found)
"""


@pytest.mark.parametrize("name", [name for name, entry in ARCHITECTURES.items() if not entry.extra])
def test_every_family_has_golden_files(name):
    missing = [path.name for path in files(name) if not path.is_file()]
    assert not missing, f"write them with: python tests/golden.py {name}"


def test_golden_files_are_small():
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 1_500_000


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Path:
    """A folder with what the portable files predict in a process where this package cannot be imported."""
    folder = tmp_path_factory.mktemp("found")
    command = [sys.executable, "-W", "ignore", "-c", LOADER, str(Path(__file__).parent), str(folder), *KEPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.parametrize("name", KEPT)
def test_a_portable_file_loads_without_the_package(found, name):
    with np.load(found / f"{name}.npz") as arrays:
        _assert_equal(arrays.values(), name)


@pytest.mark.parametrize("name", KEPT)
def test_a_file_of_the_packages_own_layers_loads(name):
    _, own, arrays = files(name)
    _assert_equal(predict(keras.models.load_model(own), recorded(arrays)[0]), name)


def _assert_equal(outputs, name: str) -> None:
    for wanted, given in zip(recorded(files(name)[2])[1], outputs, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-5, atol=1e-5)
