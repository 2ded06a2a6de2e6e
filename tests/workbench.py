"""What tests need that train in real processes: the command line, a bench of workers, waiting with a deadline.

Importing Keras and a backend takes a worker several seconds, and these tests need dozens of workers. The bench is one
process that imports them once, computes nothing, and forks for each run; what it forks is a worker from `worker.main`
on, with a process, a session, signals and limits of its own. Tests about starting a worker use the command line.

A test module says `pytest_plugins = ["workbench"]` to have the fixtures, one of each for all modules. It imports the
helpers too, before pytest could rewrite this file's assertions: PYTEST_DONT_REWRITE keeps it from warning of that.
"""

from __future__ import annotations

import ctypes
import fcntl
import gc
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reskeras import catalogue, runs
from reskeras.request import check_request
from reskeras.runs import Run, liveness
from reskeras.runs.folder import TABLES

DEADLINE = 240
"""Seconds after which a test gives up waiting: many times what a busy machine needs."""

ENDLESS = 50_000_000
"""Steps of a training that only ends when something ends it."""

FIRST_TRAINING = ("--depth", "2", "--width", "8", "--steps", "50", "--batch-size", "64", "--seed", "7")
"""The options of the `finished` run: 20 steps an epoch, so that it ends inside the third."""


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Return the condition's first true value, and fail with `what` where it does not come."""
    until = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < until, f"not within {DEADLINE} seconds: {what}"
        time.sleep(0.02)
    return value


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of the processes under test."""
    # Networks as small as these lose time with every further thread, and the bench may have none when it forks.
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": "100", **changes}


def start_reskeras(*arguments: object, cwd: Path, **options: Any) -> subprocess.Popen:
    """Start the command line in a process group of its own, with pipes for what it prints."""
    command = [sys.executable, "-m", "reskeras.cli", *map(str, arguments)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment()}
    return subprocess.Popen(command, cwd=cwd, text=True, start_new_session=True, **{**pipes, **options})


def reskeras(*arguments: object, cwd: Path, **options: Any) -> subprocess.CompletedProcess:
    """Run the command line to its end."""
    process = start_reskeras(*arguments, cwd=cwd, **options)
    return ended(process)


def ended(process: subprocess.Popen) -> subprocess.CompletedProcess:
    """Wait for a started command line and return how it ended; one that does not end is ended."""
    try:
        out, err = process.communicate(timeout=DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def message(done: subprocess.CompletedProcess) -> str:
    """Return the one paragraph on stderr, on one line; fail where it is anything else."""
    assert "Traceback" not in done.stderr, done.stderr
    text = done.stderr.strip()
    assert text.startswith("Error: "), done.stderr
    assert "\n\n" not in text
    return re.sub(r"\s+", " ", text)


@dataclass
class Worker:
    """A worker forked by the bench, and its run."""

    bench: Bench
    pid: int
    run: Run

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Return its exit code once it has ended; minus the signal's number where a signal ended it."""
        return wait_for(lambda: self.bench.ask(wait=self.pid), f"the end of the worker of {self.run.folder}")[0]

    def train_a_while(self) -> None:
        """Wait until it has trained some steps."""
        wait_for(lambda: len(self.run.curve()) or not self.run.is_live(), "the first point of the curve")
        assert self.run.is_live(), self.run.log_path.read_text()


class Bench:
    """One process with Keras imported, which forks workers."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._workers: list[Worker] = []
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            cwd=folder,
            env=environment(
                PYTHONUNBUFFERED="1",
                JAX_COMPILATION_CACHE_DIR=str(folder / "compiled"),
                JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
                JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES="-1",
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        """Send a request and return the answer."""
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def prepare(self, architecture: str = "plain", name: str | None = None, **training: Any) -> Run:
        """Make the folder of a run of the architecture's tiny size."""
        tiny = catalogue.find(architecture)[0].tiny
        options = {**tiny, **training.pop("options", {})}
        request = check_request(architecture, options, {"backend": "auto", **training})
        return runs.create(request.settings, self._folder / "runs", name)

    def start(
        self, run: Run, file_size: int | None = None, restricted: bool = False, memory: int | None = None
    ) -> Worker:
        """Start the worker of a run.

        Args:
            run: its folder.
            file_size: no file of its can grow beyond so many bytes.
            restricted: whether permissions of files hold for it, also where root runs the tests.
            memory: it can take no more than so many bytes besides what it begins with.
        """
        asked = {"folder": str(run.folder), "file_size": file_size, "restricted": restricted, "memory": memory}
        worker = Worker(self, self.ask(**asked), run)
        self._workers.append(worker)
        return worker

    def train(self, architecture: str = "plain", **training: Any) -> Run:
        """Train a run to its end and return it; fail where it does not finish."""
        worker = self.start(self.prepare(architecture, **training))
        assert worker.wait() == 0, worker.run.log_path.read_text()
        return worker.run

    def close(self) -> None:
        """End the workers that still live, and the bench."""
        for worker in self._workers:
            if worker.run.is_live() and not self.ask(wait=worker.pid):
                worker.send(signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait(DEADLINE)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Bench:
    """Starts workers in a folder of runs."""
    bench = Bench(tmp_path_factory.mktemp("bench"))
    yield bench
    bench.close()


@dataclass(frozen=True)
class Finished:
    """A run that the command line trained to its end, what it printed, and the folder of what it alone has cached."""

    run: Run
    done: subprocess.CompletedProcess
    caches: Path


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Finished:
    """A finished run that all tests share, those of other processes too, and none may change."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "home"
    home.mkdir(exist_ok=True)
    caches, told = home / "caches", home / "told.json"
    with open(home / "lock", "w") as lock:
        # The first that asks trains it; it goes with the file.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            own = environment(XDG_CACHE_HOME=str(caches))
            done = reskeras("train", "plain", *FIRST_TRAINING, "--name", "first", "--json", cwd=home, env=own)
            told.write_text(json.dumps(vars(done)))
    done = subprocess.CompletedProcess(**json.loads(told.read_text()))
    return Finished(Run(home / "saved_models/first"), done, caches)


def events(run: Run, kind: str) -> list[dict[str, Any]]:
    """Return the events of one kind."""
    return [event for event in run.events() if event["event"] == kind]


def steps_of(run: Run) -> list[int]:
    """Return the steps whose gradients were written."""
    return run.series("gradient_norm").last.tolist()


def trained_weights(run: Run) -> dict[str, np.ndarray]:
    """Return the arrays in `model.keras` by their place in it, read without Keras."""
    import h5py

    found = {}

    def keep(place, item):
        if isinstance(item, h5py.Dataset):
            found[place] = item[()]

    with zipfile.ZipFile(run.model_path) as archive, archive.open("model.weights.h5") as member:
        h5py.File(member).visititems(keep)
    return found


def left_over(run: Run) -> list[str]:
    """Return the files in a run's folder that its layout does not know: drafts, and what a library forgot."""
    known = {path.name for path in vars(run).values() if isinstance(path, Path)}
    known |= {f"{table}.{ending}" for table in TABLES for ending in ("json", "rows")}
    return sorted(path.name for path in run.folder.iterdir() if path.name not in known)


def _serve() -> None:
    """Fork a worker for each request with a folder; answer each with a process number with the code it ended with."""
    import sklearn.datasets  # noqa: F401

    from reskeras.training import session  # noqa: F401

    # A worker that ends would otherwise visit, and so copy, every object that was made up to here.
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if "folder" in request:
            folder = Path(request["folder"])
            # Taken here and handed over, as `launch.start` does: there is no moment at which the run looks dead.
            lock = liveness.hold(folder / "alive.lock")
            answer = os.fork()
            if not answer:
                _become_worker(folder, lock, request["file_size"], request["restricted"], request["memory"])
            os.close(lock)
        else:
            pid, status = os.waitpid(request["wait"], os.WNOHANG)
            answer = [os.waitstatus_to_exitcode(status)] if pid else None
        print(json.dumps(answer), flush=True)


def _give_up_privileges() -> None:
    """Let permissions of files hold for this process, which those of root do not."""
    # Of capset(2): the third version of its header, this process; then three masks, twice.
    header, nothing = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


def _become_worker(folder: Path, lock: int, file_size: int | None, restricted: bool, memory: int | None) -> None:
    from reskeras.training import worker

    os.setsid()
    log = os.open(folder / "log.txt", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    for descriptor, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(source, descriptor)
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    if restricted:
        _give_up_privileges()
    if memory is not None:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        memory += int(lines["VmData"].split()[0]) * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    code = 1
    try:
        code = worker.main([str(folder), "--lock", str(lock)])
    except BaseException:
        traceback.print_exc()
    # Not `sys.exit`: taking the interpreter apart takes a second, and workers of the command line have that tested.
    os._exit(code)


if __name__ == "__main__":
    _serve()
