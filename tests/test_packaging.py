"""The wheel, installed apart from the checkout: complete, importable, and with working commands."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from what git tracks or would track, so that leftovers of other builds are not in it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for name in listed:
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder with the wheel installed; what it depends on comes from this environment."""
    folder = tmp_path_factory.mktemp("installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(folder),
        str(wheel),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


def _run(installed: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=installed, env=environment, capture_output=True, text=True, timeout=300
    )


def test_every_source_file_is_in_the_wheel(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = set()
    for folder, package in (("reskeras", "reskeras"), ("tui", "reskeras_tui")):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".tcss", ".md", ".xz"):
                wanted.add(f"{package}/{path.relative_to(ROOT / folder).as_posix()}")
    assert wanted <= held
    assert {name.split("/")[0] for name in held if "dist-info" not in name} == {"reskeras", "reskeras_tui"}


def test_wheel_declares_no_backend_among_its_base_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    base = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert base
    assert not [line for line in base if any(name in line for name in ("tensorflow", "jax", "torch"))]
    extras = {line.split(": ")[1] for line in lines if line.startswith("Provides-Extra:")}
    assert extras == {
        "tensorflow",
        "jax",
        "torch",
        "tensorflow-cuda",
        "jax-cuda",
        "subwords",
        "text",
        "data",
        "tensorboard",
        "test",
        "dev",
    }


def test_installed_package_runs_without_the_checkout(installed):
    done = _run(installed, "-c", "import reskeras, reskeras_tui.app; print(reskeras.__file__, reskeras_tui.__file__)")
    assert done.returncode == 0, done.stderr
    assert all(path.startswith(str(installed)) for path in done.stdout.split())


def test_installed_commands_work(installed):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == {"reskeras", "reskeras-tui"}
    for target in scripts.values():
        module, function = target.split(":")
        code = f"import sys; sys.argv = ['x', '--help']; from {module} import {function}; {function}()"
        done = _run(installed, "-c", code)
        assert done.returncode == 0, done.stderr
        assert "Examples:" in done.stdout


def test_installed_package_trains_and_exports(installed, tmp_path):
    arguments = ["train", "plain", "--depth", "1", "--width", "4", "--steps", "3", "--runs", str(tmp_path)]
    done = _run(installed, "-m", "reskeras.cli", *arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "plain-1-none-digits-1" / "model.keras").is_file()
