"""Runs that wait for their turn: a marker in each one's folder, and one process that starts them as the machine bears.

A waiting run is a folder with settings and the marker `queued`. The scheduler is a process of its own, one for a folder
of runs, which holds a lock while it lives and ends when nothing waits. Where it is killed nothing is lost: what waits
says so itself, and `ensure` starts another scheduler.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from reskeras.files import read_json, write_whole
from reskeras.machine import available_memory, cores
from reskeras.runs import launch, listing, liveness, summaries
from reskeras.runs.errors import RunError
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import MARKER, Run, waits
from reskeras.runs.settings import FORMAT

HOME = ".queue"
"""The scheduler's own folder, below the folder of runs."""

CORES_A_RUN = 2
"""Two trainings on one core each take as long as one after the other, and twice the memory."""

GROWING = 60.0
"""Seconds for which a run that was started may not have taken its memory yet."""

PERIOD = 0.5
"""Seconds between two looks at what waits and what runs."""

SPARE = 2**28
"""Bytes of memory that are left to others."""


def put(run: Run, memory: int) -> None:
    """Have a run wait for its turn.

    Args:
        run: one that has not been started.
        memory: bytes that it is expected to take.

    Raises:
        RunError: where the marker cannot be written.
    """
    try:
        content = {"format": FORMAT, "since": time.time_ns(), "memory": memory}
        write_whole(run.folder / MARKER, json.dumps(content) + "\n")
    except OSError as error:
        raise RunError(f"{run.folder} cannot be queued: {error.strerror}.") from None


def take_back(run: Run) -> None:
    """Have a run wait no longer; it stays as one that was never started."""
    (run.folder / MARKER).unlink(missing_ok=True)


def waiting(parent: str | Path) -> list[Run]:
    """Return the runs below `parent` that wait, in the order of their turns."""
    found = [folder for folder in listing.folders(parent) if waits(folder)]
    return [Run(Path(folder)) for folder in sorted(found, key=lambda folder: (_marker(folder)[0], folder))]


def memory_of(run: Run) -> int:
    """Return how many bytes a waiting run is expected to take; 0 where nobody said."""
    return _marker(str(run.folder))[1]


def _marker(folder: str) -> tuple[int, int]:
    """Return since when a run waits, and the memory it is expected to take."""
    try:
        content = read_json(f"{folder}/{MARKER}", 2**16)
    except (OSError, ValueError):
        content = None
    content = content if isinstance(content, dict) else {}
    since, memory = (summaries.number(content.get(name)) or 0 for name in ("since", "memory"))
    return int(since), max(int(memory), 0)


def slots(at_once: int | None = None) -> int:
    """Return how many runs may train at the same time on this machine's cores, or as somebody said."""
    return at_once or max(cores() // CORES_A_RUN, 1)


def is_attended(parent: str | Path) -> bool:
    """Return whether a scheduler works through what waits below `parent`."""
    return liveness.is_held(Path(parent) / HOME / "scheduler.lock")


def ensure(parent: str | Path, at_once: int | None = None) -> None:
    """Start a scheduler for what waits below `parent`; where there is one already, the new one ends by itself.

    Args:
        parent: the folder of runs.
        at_once: how many runs may train at the same time; None goes by the machine's cores.

    Raises:
        RunError: where no process can be started.
    """
    home = Path(parent) / HOME
    words = ["--at-once", str(at_once)] if at_once else []
    try:
        home.mkdir(exist_ok=True)
        with open(home / "log.txt", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "reskeras.runs.queue", str(Path(parent).absolute()), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=launch.environment(),
            )
        # Waited for, so that it does not stay behind as a zombie of a terminal UI that goes on.
        threading.Thread(target=process.wait, daemon=True).start()
    except OSError as error:
        raise RunError(f"The queue in {parent} cannot be worked through: {error.strerror}.") from None


class Scheduler:
    """Starts what waits below a folder of runs, first come, first served, until nothing waits.

    Args:
        parent: the folder of runs.
        at_once: how many runs may train at the same time; None goes by the machine's cores.
    """

    def __init__(self, parent: Path, at_once: int | None = None):
        self._parent, self._slots = parent, slots(at_once)
        self._growing: dict[str, tuple[float, int]] = {}

    def work(self) -> None:
        """Go on until nothing waits."""
        while queued := waiting(self._parent):
            began = time.monotonic()
            self.start_some(queued)
            time.sleep(max(PERIOD, 10 * (time.monotonic() - began)))

    def start_some(self, queued: Iterable[Run]) -> None:
        """Start of some runs, in their order, as many as the machine bears now."""
        live = sum(1 for _ in listing.live_folders(listing.folders(self._parent)))
        for run in queued:
            memory = memory_of(run)
            # One alone is always tried: an estimate may be wrong, and nobody else would make room.
            if live and (live >= self._slots or not self._has_room(memory)):
                return
            if self._start(run):
                live += 1
                self._growing[str(run.folder)] = time.monotonic(), memory

    def _has_room(self, memory: int) -> bool:
        free = available_memory()
        now = time.monotonic()
        self._growing = {
            folder: (since, taken)
            for folder, (since, taken) in self._growing.items()
            if now - since < GROWING and liveness.is_held(f"{folder}/alive.lock")
        }
        return free is None or memory + sum(taken for _, taken in self._growing.values()) + SPARE <= free

    def _start(self, run: Run) -> bool:
        """Return whether a run was started; one that cannot be has failed, and does not keep the others waiting."""
        try:
            launch.start(run)
        except liveness.AlreadyRunning:
            return False
        except OSError as error:
            _fail(run, f"The worker cannot be started: {error.strerror or error}.")
            return False
        finally:
            take_back(run)
        return True


def _fail(run: Run, reason: str) -> None:
    try:
        events = EventWriter(run.events_path)
        events.write("end", status="failed", code=1, reason=reason)
        events.close()
    except OSError:
        # Without its marker it counts as crashed, which is near enough.
        print(f"{run.folder}: {reason}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Work through what waits below a folder, unless another process does."""
    parser = argparse.ArgumentParser(prog="python -m reskeras.runs.queue", description=__doc__)
    parser.add_argument("parent", type=Path, help="the folder of runs")
    parser.add_argument("--at-once", type=int, help="how many runs may train at the same time")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Somebody may put a run there between the last look and the end of the lock.
    while waiting(chosen.parent):
        try:
            lock = liveness.hold(chosen.parent / HOME / "scheduler.lock")
        except liveness.AlreadyRunning:
            return 0
        os.set_inheritable(lock, False)
        try:
            # For whoever wants to know which process it is.
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
            Scheduler(chosen.parent, chosen.at_once).work()
        finally:
            os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
