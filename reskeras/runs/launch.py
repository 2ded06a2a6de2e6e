"""Starting a run's worker as a process of its own, which outlives whoever started it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from reskeras.runs import liveness
from reskeras.runs.folder import Run

SHARING_CORES = {"OMP_WAIT_POLICY": "PASSIVE"}
"""OpenMP's threads (PyTorch's on a CPU) wait for one another by spinning: where a second run or the terminal UI
wants the same cores, every small operation then waits for a thread that is not even scheduled."""


def start(run: Run) -> subprocess.Popen:
    """Start the worker of a run and return its process.

    The worker is in a session of its own and writes to the run's log, so neither closing the terminal nor ending this
    process touches it. The run's lock is taken here and handed over: there is no moment at which the run looks dead.

    Raises:
        AlreadyRunning: where another process is training in this folder.
        OSError: where no process can be made.
    """
    lock = liveness.hold(run.lock_path)
    try:
        with open(run.log_path, "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "reskeras.training.worker", str(run.folder), "--lock", str(lock)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                env={**SHARING_CORES, **os.environ, "PYTHONUNBUFFERED": "1"},
            )
    finally:
        os.close(lock)
    # Waited for, so that a worker that ends while its starter lives on does not stay behind as a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
    return process
