"""Starting a run's worker as a process of its own, which outlives whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

from reskeras.installed import BackendMissing, resolve_backend
from reskeras.runs import liveness
from reskeras.runs.folder import Run, RunError
from reskeras.runs.settings import RunSettings

SHARING_CORES = {"OMP_WAIT_POLICY": "PASSIVE"}
"""OpenMP's threads (PyTorch's on a CPU) wait for one another by spinning: where a second run or the terminal UI
wants the same cores, every small operation then waits for a thread that is not even scheduled."""

READY, PREPARED, TAKEN = b"r", b"p", b"t"
"""What a warm worker says: that it has imported everything, that it has prepared what it was to prepare, and that it
holds the run it was given."""


def environment() -> dict[str, str]:
    """Return the environment of a worker that is started now."""
    return {**SHARING_CORES, **os.environ, "PYTHONUNBUFFERED": "1"}


class WarmWorker:
    """A process that has imported Keras and a backend, and waits for a run without using the processor.

    It ends with the process that made it, however that ends, unless it has taken up a run by then.

    Args:
        backend: the backend to import, by name.

    Attributes:
        process: the process.
        ready: set once everything is imported; a run given before that is taken up then.
    """

    def __init__(self, backend: str):
        self.backend = backend
        self.ready = threading.Event()
        self._born_in = environment(), os.getcwd()
        self._mutex = threading.Lock()
        self._ended = False
        self._given: tuple[Run, int] | None = None
        self._preparing = False
        self._wanted: RunSettings | None = None
        self._channel, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "reskeras.training.warm", backend, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=self._born_in[0],
            )
        threading.Thread(target=self._listen, daemon=True).start()

    def is_idle(self) -> bool:
        """Return whether it lives and has no run; it may still be importing."""
        return not self._ended and self._given is None

    def prepare(self, settings: RunSettings) -> None:
        """Have it build the network of a run that is likely, and compile its step, while it has nothing else to do.

        Of several asked for while it imports or is at another, it prepares the last. A run that it is given meanwhile
        waits until it has done so: what takes long is not prepared.
        """
        with self._mutex:
            self._wanted = settings
            self._send_wanted()

    def is_preparing(self) -> bool:
        """Return whether it is to prepare something that it has not prepared yet."""
        return self.is_idle() and (self._preparing or self._wanted is not None)

    def _send_wanted(self) -> None:
        if self.ready.is_set() and self.is_idle() and not self._preparing and self._wanted is not None:
            message, self._wanted, self._preparing = _line(prepare=self._wanted.model_dump(mode="json")), None, True
            with contextlib.suppress(OSError):
                self._channel.sendall(message)

    def fits(self, backend: str) -> bool:
        """Return whether a worker of this backend, started now, would be the same as this one."""
        return self.is_idle() and self.backend == backend and self._born_in == (environment(), os.getcwd())

    def give(self, run: Run, lock: int) -> bool:
        """Give it a run whose lock is held, and return whether it lived to get it.

        Where it dies before it has taken the run up, another process is started for the run.
        """
        with self._mutex, open(run.log_path, "ab") as log:
            if not self.is_idle():
                return False
            # Kept until it says that it holds the lock, so that no moment comes at which the run looks dead.
            self._given = run, os.dup(lock)
            try:
                socket.send_fds(self._channel, [_line(run=str(run.folder))], [lock, log.fileno()])
            except OSError:
                os.close(self._given[1])
                self._given = None
        return self._given is not None

    def end(self) -> None:
        """End it, unless it has a run; afterwards the process is gone."""
        with self._mutex:
            if self._given is not None:
                return
            self.process.kill()
        self.process.wait()

    def _listen(self) -> None:
        taken = False
        with self._channel:
            while word := self._hear():
                taken = word == TAKEN
                with self._mutex:
                    self.ready.set()
                    self._preparing &= word != PREPARED
                    self._send_wanted()
            with self._mutex:
                self._ended = True
        if self._given is not None:
            run, lock = self._given
            try:
                if not taken:
                    _start_process(run, lock)
            finally:
                os.close(lock)
        self.process.wait()

    def _hear(self) -> bytes:
        try:
            return self._channel.recv(1)
        except OSError:
            # A process that dies with something unread resets the connection instead of ending it.
            return b""


def _line(**message) -> bytes:
    return json.dumps(message).encode() + b"\n"


def start(run: Run, warm: WarmWorker | None = None) -> subprocess.Popen:
    """Start the worker of a run and return its process.

    The worker is in a session of its own and writes to the run's log, so neither closing the terminal nor ending this
    process touches it. The run's lock is taken here and handed over: there is no moment at which the run looks dead.

    Args:
        run: its folder, with settings.
        warm: a worker that waits for a run, or still imports. It is used up: one that does not fit is ended, and a
            process is started as without it.

    Raises:
        AlreadyRunning: where another process is training in this folder.
        OSError: where no process can be made.
    """
    try:
        # Asked before the lock is held: with the lock, the run counts as live, and this process may be killed.
        fits = warm is not None and _is_for(warm, run)
        lock = liveness.hold(run.lock_path)
        try:
            if fits and warm.give(run, lock):
                return warm.process
            return _start_process(run, lock)
        finally:
            os.close(lock)
    finally:
        if warm is not None:
            warm.end()


def _is_for(warm: WarmWorker, run: Run) -> bool:
    try:
        return not _tries_batches(run) and warm.fits(resolve_backend(run.settings.training.backend))
    except (RunError, BackendMissing):
        # The worker finds it out too, and says so in the run's log.
        return False


def _tries_batches(run: Run) -> bool:
    """Return whether a process is to be above the worker, which begins anew with a smaller batch."""
    try:
        return run.settings.training.auto_batch
    except (RunError, AttributeError):
        return False


def _start_process(run: Run, lock: int) -> subprocess.Popen:
    module = "attempts" if _tries_batches(run) else "worker"
    with open(run.log_path, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"reskeras.training.{module}", str(run.folder), "--lock", str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            env=environment(),
        )
    # Waited for, so that a worker that ends while its starter lives on does not stay behind as a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
    return process
