"""`reskeras doctor` tells what works, what is missing and what is broken, and survives all of it."""

import json
import os

import pytest
from workbench import environment, reskeras

pytest_plugins = ["workbench"]

HIDING = """
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == {hidden!r} else find(name, *rest)
"""


@pytest.fixture(scope="module")
def crippled(tmp_path_factory):
    """An environment that has the backend under test, lacks another, and has a third that raises at import."""
    tested = os.environ["KERAS_BACKEND"]
    broken, hidden = (name for name in ("jax", "tensorflow", "torch") if name != tested)
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(HIDING.format(hidden=hidden))
    (site / broken).mkdir()
    (site / broken / "__init__.py").write_text("raise ImportError('libfancy.so.9: cannot open shared object file')")
    return broken, hidden, environment(PYTHONPATH=str(site))


def test_json_tells_what_works_what_is_missing_and_what_is_broken(crippled, backend, tmp_path):
    broken, hidden, env = crippled
    done = reskeras("doctor", "--json", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    working = found["backends"][backend]
    assert working["installed"] and working["works"]
    assert working["version"]
    assert {device["kind"] for device in working["devices"]} <= {"cpu", "gpu", "tpu"}
    assert found["backends"][hidden] == {
        "installed": False, "install": f'python -m pip install "reskeras[{hidden}]"',
    }  # fmt: skip
    assert found["backends"][broken]["installed"] and not found["backends"][broken]["works"]
    assert "libfancy.so.9: cannot open shared object file" in found["backends"][broken]["reason"]
    assert found["packages"]["keras"] and found["packages"]["reskeras"]
    assert set(found["text"]) == set(found["tensorboard"]) == {"installed", "install"}
    assert found["runs"]["writable"]
    assert list(tmp_path.iterdir()) == []


def test_the_text_names_what_is_missing_with_the_command_that_gets_it(crippled, backend, tmp_path):
    broken, hidden, env = crippled
    (tmp_path / "file").touch()
    done = reskeras("doctor", "--runs", "file/runs", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.startswith(f"✔ {backend}") for line in lines)
    assert any(line.startswith("    cpu: ") or line.startswith("    gpu: ") for line in lines)
    [missing] = [line for line in lines if line.startswith(f"✘ {hidden}")]
    assert f'not installed. Get it: python -m pip install "reskeras[{hidden}]"' in missing
    assert any(line[2:].startswith("tensorboard tensorboardX") for line in lines)
    [faulty] = [line for line in lines if line.startswith(f"✘ {broken}")]
    assert "does not work: " in faulty and "libfancy.so.9" in faulty
    assert "✘ runs        file/runs: cannot be written; name another with --runs" in done.stdout


def test_without_a_backend_that_works_the_exit_code_says_so(tmp_path):
    """Each shadowed by a package that ends the whole process, as a broken native library does."""
    for name in ("jax", "tensorflow", "torch"):
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").write_text("import os; os._exit(134)")
    done = reskeras("doctor", "--json", cwd=tmp_path, env=environment(PYTHONPATH=str(tmp_path / "site")))
    assert done.returncode == 2
    for backend in json.loads(done.stdout)["backends"].values():
        assert backend["works"] is False
        assert "134" in backend["reason"]
