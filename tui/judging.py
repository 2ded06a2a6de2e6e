"""Verdicts on runs, of large ones in a process of its own: rules sort and compare whole tables, and while they do, a
thread keeps all others waiting, the one that answers keys too."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

from reskeras import verdicts
from reskeras.files import size_of
from reskeras.runs import Run, RunError
from reskeras.verdicts import Verdict

LARGE_BYTES = 2**26
"""Tables of more bytes are judged in another process, which takes a while to start."""

NICENESS = 5
"""By so much the process gives way to others: nobody waits for it."""

_processes: set[subprocess.Popen] = set()


def judged(run: Run) -> tuple[Verdict, ...]:
    """Return what can be said of a run, worst first; can be asked from any thread.

    Raises:
        RunError: where a table is damaged, or the process was ended.
        OSError, ValueError: where the folder cannot be read.
    """
    if sum(size_of(run.folder / f"{name}.rows") for name in ("weights", "blocks")) <= LARGE_BYTES:
        return tuple(verdicts.of(run))
    # It ends by itself when its input does: whatever becomes of this process, the other does not outlive it.
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(run.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    _processes.add(process)
    try:
        with process.stdin, process.stdout:
            said = process.stdout.read()
        code = process.wait()
    finally:
        _processes.discard(process)
    if code:
        raise RunError(f"The process that judges {run.name} ended with code {code}.")
    found = pickle.loads(said)
    if isinstance(found, Exception):
        raise found
    return found


def end() -> None:
    """End the processes that judge."""
    for process in tuple(_processes):
        process.kill()


def main(folder: str) -> None:
    """Judge the run in a folder, and write the verdicts, or the error, to the standard output."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    os.nice(NICENESS)
    try:
        found = tuple(verdicts.of(Run(Path(folder))))
    except (RunError, OSError, ValueError) as error:
        found = error
    sys.stdout.buffer.write(pickle.dumps(found))


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
