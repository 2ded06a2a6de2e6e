"""A worker that imported everything before its run trains as one started for it, and never stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from workbench import DEADLINE, ENDLESS, environment, events, trained_weights, wait_for

from reskeras import caches, runs
from reskeras.request import check_request
from reskeras.runs import control, launch, liveness

pytest_plugins = ["workbench"]


@pytest.fixture
def prepare(tmp_path):
    """A function that makes the folder of a run on the backend under test."""

    def make(architecture="plain", options=None, **training):
        tiny = {"depth": 2, "width": 8} if options is None else options
        return runs.create(check_request(architecture, tiny, training).settings, tmp_path / "runs")

    return make


@pytest.fixture
def workers(monkeypatch):
    """A function that makes a warm worker; those left are ended."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    made = []

    def make(backend):
        made.append(launch.WarmWorker(backend))
        return made[-1]

    yield make
    for each in made:
        each.end()
        each.process.kill()


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A file that every Python process started from here waits for before it does anything else."""
    gate = tmp_path / "gate"
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(
        f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), *sys.path]))
    yield gate
    gate.touch()


def lives(pid):
    """Return whether there is such a process, be it a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def processor_seconds(pid):
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def check_same_numbers(cold, warm):
    assert cold.state() == warm.state() == "finished", warm.log_path.read_text()
    for name in ("weights.json", "weights.rows"):
        assert (cold.folder / name).read_bytes() == (warm.folder / name).read_bytes()
    facts = [[{**each, "time": 0} for each in events(run, "epoch") + events(run, "tested")] for run in (cold, warm)]
    assert facts[0] == facts[1]
    ours, theirs = trained_weights(cold), trained_weights(warm)
    assert ours.keys() == theirs.keys()
    for place, values in ours.items():
        np.testing.assert_array_equal(values, theirs[place], place)


@pytest.mark.any_backend
def test_a_warm_worker_trains_bit_for_bit_as_a_cold_one(finished, tmp_path, workers, backend):
    worker = workers(backend)
    assert worker.ready.wait(DEADLINE)
    warm = runs.create(finished.run.settings, tmp_path / "runs")
    assert launch.start(warm, worker) is worker.process
    assert warm.is_live()
    assert worker.process.wait(DEADLINE) == 0, warm.log_path.read_text()
    assert events(warm, "starting")[0]["pid"] == worker.process.pid != events(finished.run, "starting")[0]["pid"]
    check_same_numbers(finished.run, warm)


@pytest.mark.any_backend
def test_a_run_given_while_a_worker_still_imports_has_the_same_dropout_and_precision(prepare, workers, bench, backend):
    options = {"depth": 1, "width": 8, "heads": 2, "dropout": 0.3}
    cold, warm = (
        prepare("transformer", options, steps=8, batch_size=256, precision="mixed_bfloat16") for _ in range(2)
    )
    worker = workers(backend)
    launch.start(warm, worker)
    assert bench.start(cold).wait() == worker.process.wait(DEADLINE) == 0
    check_same_numbers(cold, warm)


def test_a_prepared_run_has_the_numbers_of_one_that_is_not(prepare, workers, bench, backend):
    options = {"depth": 2, "width": 8, "heads": 2, "dropout": 0.3, "drop_path": 0.3}
    cold, warm, other = (prepare("transformer", options, steps=8, batch_size=256, seed=seed) for seed in (3, 3, 4))
    worker = workers(backend)
    for run in (other, cold, warm):
        worker.prepare(run.settings)
    assert worker.is_preparing()
    wait_for(lambda: not worker.is_preparing(), "the end of the preparation")
    assert launch.start(warm, worker) is worker.process
    assert bench.start(cold).wait() == worker.process.wait(DEADLINE) == 0
    check_same_numbers(cold, warm)


@pytest.mark.any_backend
def test_what_was_prepared_is_thrown_away_for_another_run(prepare, workers, bench, backend):
    cold, warm = (prepare(steps=4) for _ in range(2))
    worker = workers(backend)
    worker.prepare(prepare("highway", {"depth": 3, "width": 8}).settings)
    wait_for(lambda: not worker.is_preparing(), "the end of the preparation")
    assert launch.start(warm, worker) is worker.process
    assert bench.start(cold).wait() == worker.process.wait(DEADLINE) == 0
    check_same_numbers(cold, warm)


@pytest.mark.any_backend
def test_what_cannot_be_prepared_is_no_hindrance(prepare, workers, backend, tmp_path):
    run = prepare(steps=1)
    worker = workers(backend)
    for wrong in ({"architecture": "absent"}, {"options": {**run.settings.options, "width": 4096, "depth": 1000}}):
        worker.prepare(run.settings.model_copy(update=wrong))
        wait_for(lambda: not worker.is_preparing(), "the end of the preparation")
    assert launch.start(run, worker) is worker.process
    assert worker.process.wait(DEADLINE) == 0, run.log_path.read_text()


PARENT = """
import sys, time
from reskeras.runs import find, launch
backend, folder = sys.argv[1:]
first, second = launch.WarmWorker(backend), launch.WarmWorker(backend)
launch.start(find(folder), first)
first.ready.wait(), second.ready.wait()
print(first.process.pid, second.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.any_backend
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked at in /proc")
def test_an_idle_worker_ends_with_its_parent_and_a_run_goes_on(prepare, backend):
    """Killed, so that the parent can do nothing about it."""
    run = prepare(steps=ENDLESS)
    command = [sys.executable, "-c", PARENT, backend, str(run.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as parent:
        busy, idle = map(int, parent.stdout.readline().split())
        assert os.getsid(busy) == busy and os.getsid(idle) == idle
        before = processor_seconds(idle)
        time.sleep(0.5)
        assert processor_seconds(idle) - before <= 0.02
        parent.kill()
    wait_for(lambda: not lives(idle), "the end of the idle worker")
    trained = len(run.curve())
    wait_for(lambda: len(run.curve()) > trained, "another point of the run's curve")
    assert events(run, "starting")[0]["pid"] == busy
    os.kill(busy, signal.SIGHUP)
    control.send(run.commands_path, "stop")
    wait_for(lambda: not run.is_live(), "the end of the run")
    assert run.state() == "stopped"


@pytest.mark.any_backend
def test_a_worker_that_dies_with_a_run_is_replaced_and_the_run_never_looks_dead(prepare, workers, gate, backend):
    run = prepare()
    worker = workers(backend)
    assert launch.start(run, worker) is worker.process
    assert run.state() == "starting"
    second = workers(backend)
    with pytest.raises(liveness.AlreadyRunning):
        launch.start(run, second)
    assert not lives(second.process.pid)
    run.settings_path.write_text("{")
    worker.process.kill()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        assert run.is_live()
    worker.process.wait()
    assert run.is_live()
    gate.touch()
    wait_for(lambda: not run.is_live(), "the end of the worker in its place")
    assert "settings.json is not JSON" in run.log_path.read_text()


@pytest.mark.any_backend
def test_a_dead_worker_is_no_hindrance(prepare, workers, gate, backend):
    run, worker = prepare(), workers(backend)
    worker.process.kill()
    worker.process.wait()
    process = launch.start(run, worker)
    wait_for(lambda: not worker.is_idle(), "the news of its end")
    assert run.is_live()
    if process is worker.process:
        run.settings_path.write_text("{")
        gate.touch()
    else:
        process.kill()
    wait_for(lambda: not run.is_live(), "the end of the worker in its place")


@pytest.mark.parametrize("misfit", ["backend", "environment", "folder"])
def test_a_worker_that_is_not_what_the_run_needs_is_ended(misfit, prepare, workers, gate, backend, monkeypatch):
    run = prepare()
    worker = workers("another" if misfit == "backend" else backend)
    if misfit == "environment":
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
    if misfit == "folder":
        monkeypatch.chdir("/")
    process = launch.start(run, worker)
    assert process is not worker.process
    assert worker.process.returncode == -signal.SIGKILL
    assert not lives(worker.process.pid)
    assert run.is_live()
    process.kill()
    process.wait()


@pytest.mark.any_backend
def test_ending_an_idle_worker_leaves_nothing(workers, gate, backend):
    worker = workers(backend)
    assert worker.fits(backend)
    worker.end()
    assert not lives(worker.process.pid)
    wait_for(lambda: not worker.is_idle(), "the news of its end")
    worker.end()


def test_caches_are_below_the_users_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = caches.folder("jax")
    assert folder.is_dir() and folder.parent == tmp_path / "reskeras"
    assert folder == caches.folder("jax") != caches.folder("other")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert tmp_path / "home" in caches.folder("jax").parents
    monkeypatch.setenv("HOME", "/dev/null")
    assert caches.folder("jax") is None


def test_what_jax_compiled_is_found_again(prepare, backend, monkeypatch, tmp_path):
    if backend != "jax":
        pytest.skip("the other backends compile nothing that could be kept")
    for name, value in environment(XDG_CACHE_HOME=str(tmp_path / "cache")).items():
        monkeypatch.setenv(name, value)
    compiled = []
    for _ in range(2):
        assert launch.start(prepare(steps=1)).wait(DEADLINE) == 0
        compiled.append({path.name for path in tmp_path.glob("cache/reskeras/*/*")})
    assert any("train_step" in name for name in compiled[0])
    assert compiled[0] == compiled[1]
