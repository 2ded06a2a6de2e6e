"""`reskeras train --backend auto` measures each backend in a process of its own, once, where the run is long enough."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from rich.console import Console
from timed import ALL, asked, measured
from workbench import DEADLINE, environment, events

from reskeras import installed, speeds
from reskeras.commands import choosing
from reskeras.request import check_request
from reskeras.runs import Run
from reskeras.speeds import LONG_STEPS, Measurement, Workload, choose, keep, kept

pytest_plugins = ["timed", "workbench"]


class Measured:
    """Takes the place of measuring: what it gives for each backend, and which were asked for."""

    def __init__(self, **outcomes):
        self.outcomes, self.asked = outcomes, []

    def __call__(self, request, backend, patience):
        self.asked.append(backend)
        outcome = self.outcomes[backend]
        if outcome is KeyboardInterrupt:
            raise outcome
        return outcome if isinstance(outcome, str) else measured(backend, outcome, request=request)


def chosen(request, outcomes, monkeypatch):
    """Return the backend that the command line takes, the backends that were measured, and what it said."""
    stand_in = Measured(**outcomes)
    monkeypatch.setattr(choosing, "measure", stand_in)
    console = Console(width=250, file=io.StringIO())
    backend = choosing.choose_backend(request, console).settings.training.backend
    return backend, stand_in.asked, console.file.getvalue()


def test_a_long_run_measures_what_is_unknown_once(all_installed, monkeypatch):
    times = {"jax": 0.24, "tensorflow": 0.058, "torch": 0.031}
    backend, asked_for, said = chosen(asked(), times, monkeypatch)
    assert (backend, asked_for) == ("torch", ALL)
    assert "Measuring jax, tensorflow, torch on this network, once, at most 60 s each" in said
    assert "backend torch: first step 1.0 s, then 31 ms (" in said
    assert "tensorflow: first step 1.0 s, then 58 ms); kept; --backend NAME overrides" in said
    backend, asked_for, said = chosen(asked(depth=9), {}, monkeypatch)
    assert (backend, asked_for) == ("torch", [])
    assert "; measured before, on this network or one like it; --backend NAME overrides" in said
    keep(measured("torch", request=asked(depth=64)))
    assert chosen(asked(depth=64), times, monkeypatch)[1] == ["jax", "tensorflow"]


def test_who_need_not_measure_does_not(all_installed, monkeypatch):
    assert chosen(asked(training={"steps": 999}), {}, monkeypatch) == ("jax", [], "")
    assert chosen(asked(training={"backend": "torch"}), {}, monkeypatch) == ("torch", [], "")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert chosen(asked(), {}, monkeypatch) == ("tensorflow", [], "")
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setattr(installed, "installed_backends", lambda: ["torch"])
    assert chosen(asked(), {}, monkeypatch) == ("torch", [], "")


def test_an_interruption_goes_on_with_what_is_known(all_installed, monkeypatch):
    times = {"jax": 0.24, "tensorflow": 0.058, "torch": KeyboardInterrupt}
    backend, _, said = chosen(asked(), times, monkeypatch)
    assert backend == "tensorflow"
    assert "Measuring was ended." in said and "; kept; " in said
    backend, _, said = chosen(asked(depth=64), {"jax": KeyboardInterrupt}, monkeypatch)
    assert backend == "jax"
    assert "Nothing is known of the backends' speed: training goes on with jax." in said


def test_a_backend_that_does_not_work_is_told_and_left(all_installed, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setenv("HOME", "/dev/null")
    times = {"jax": "ImportError: libfancy.so.9", "tensorflow": 0.058, "torch": 0.1}
    backend, _, said = chosen(asked(), times, monkeypatch)
    assert backend == "tensorflow"
    assert "jax cannot be measured: ImportError: libfancy.so.9" in said
    assert "; the cache folder cannot be written; " in said


@pytest.fixture
def workers_environment(monkeypatch):
    """This process's environment as processes under test have it."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder of this process's temporary files, for this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_tiny_network_is_measured_as_its_run_is(finished, workers_environment, temporary, backend, monkeypatch):
    # Other tests train this network too, and what is kept is of the last one.
    monkeypatch.setenv("XDG_CACHE_HOME", str(finished.caches))
    settings = finished.run.settings
    request = check_request("plain", settings.options, settings.training.model_dump())
    began = time.monotonic()
    ours = choosing.measure(request, backend, DEADLINE)
    took = time.monotonic() - began
    assert isinstance(ours, Measurement), ours
    assert (ours.backend, ours.place) == (backend, speeds.place(backend))
    assert ours.workload == Workload.of(request.settings, request.plan)
    assert ours.first_step + 10 * ours.step < took
    begun, ended = (events(finished.run, kind)[0] for kind in ("training", "tested"))
    assert ours.device == begun["device_name"]
    [its] = [each for each in kept("plain") if each.backend == backend and each.workload == ours.workload]
    assert its.first_step >= finished.run.curve()["seconds"][0]
    # At least every second of the 49 steps after the first takes as long as the median, or longer.
    assert 24 * its.step < ended["time"] - begun["time"]
    assert list(temporary.iterdir()) == []


def test_what_is_too_slow_is_measured_as_that(backend):
    request = asked()
    outcome = choosing.measure(request, backend, 1)
    assert (outcome.first_step, outcome.step) == (1, None)
    assert outcome.workload == Workload.of(request.settings, request.plan)
    assert outcome.text() == "more than 1 s"


def test_a_broken_backend_says_why_it_cannot_be_measured(tmp_path, monkeypatch, backend):
    (tmp_path / backend).mkdir()
    (tmp_path / backend / "__init__.py").write_text("raise ImportError('libfancy.so.9: cannot open shared object')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    assert "libfancy.so.9: cannot open shared object" in choosing.measure(asked(), backend, DEADLINE)


def test_ctrl_c_ends_the_measuring_process_and_leaves_nothing(all_installed, backend, temporary, monkeypatch):
    popen, started = subprocess.Popen, []

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        timer = threading.Timer(0.3, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
        timer.start()
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(installed, "installed_backends", lambda: [backend, "another"])
    console = Console(width=250, file=io.StringIO())
    # As in a program of its own, whatever handles the signal in the process that runs the tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        request = choosing.choose_backend(asked(), console)
    finally:
        signal.signal(signal.SIGINT, before)
    assert request.settings.training.backend == backend
    assert [process.returncode for process in started] == [-signal.SIGKILL]
    assert "Measuring was ended." in console.file.getvalue()
    assert list(temporary.iterdir()) == []


TWO_INSTALLED = """
import importlib.util, sys
find, hidden = importlib.util.find_spec, sys.argv.pop(1)
importlib.util.find_spec = lambda name, *rest: None if name == hidden else find(name, *rest)
from reskeras.cli import main
main()
"""


def test_train_measures_two_backends_and_takes_the_faster(tmp_path, cache, backend, workers_environment, monkeypatch):
    present = installed.installed_backends()
    if len(present) < 2:
        pytest.skip("a single backend is installed")
    if backend == "jax" and "torch" in present:
        pytest.skip("the same two are measured with PyTorch under test")
    wanted = {backend, next(name for name in ("torch", "jax", "tensorflow") if name != backend and name in present)}
    hidden = next((name for name in present if name not in wanted), "none")
    monkeypatch.delenv("KERAS_BACKEND")
    words = ["train", "plain", "--depth", "2", "--width", "8", "--steps", str(LONG_STEPS), "--json"]
    command = [sys.executable, "-c", TWO_INSTALLED, hidden, *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    run = Run(tmp_path / "saved_models" / outcome["run"])
    assert outcome["backend"] == run.settings.training.backend == events(run, "starting")[0]["backend"]
    assert f"backend {outcome['backend']}: first step " in done.stderr
    assert "; kept; --backend NAME overrides" in done.stderr
    found = {each.backend: each for each in kept("plain")}
    assert found.keys() == wanted and len(kept()) == 2
    assert outcome["backend"] == min(wanted, key=lambda name: found[name].seconds(LONG_STEPS))
    monkeypatch.setattr(installed, "installed_backends", lambda: [name for name in present if name in wanted])
    again = choose(check_request("plain", {"depth": 2, "width": 8}, {"steps": LONG_STEPS}))
    assert (again.backend, again.unknown) == (outcome["backend"], ())
