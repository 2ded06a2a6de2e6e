"""The process above a worker whose batch size may be too large: it begins the training anew with a smaller one.

Where memory runs out, a library may end the whole process, and so may the system: only another process can go on then.
"""

from __future__ import annotations

import signal
import subprocess
import sys

from reskeras.memory import batch_of
from reskeras.runs.errors import RunError
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.runs.results import since_start
from reskeras.runs.shortage import evidence
from reskeras.training import worker
from reskeras.training.shortage import begin_anew, may_begin_anew


def main(arguments: list[str] | None = None) -> int:
    """Train the run in the folder given, with ever smaller batches until it fits; return the last worker's code."""
    taken = worker.take(arguments, "python -m reskeras.training.attempts")
    return taken if isinstance(taken, int) else Attempts(taken.run, taken.lock).work()


class Attempts:
    """Workers of one run, one after the other.

    Args:
        run: the run.
        lock: descriptor of its lock, which is held; each worker gets it.
    """

    def __init__(self, run: Run, lock: int):
        self._run, self._lock = run, lock
        self._worker: subprocess.Popen | None = None
        self._signalled = False

    def work(self) -> int:
        """Return the code of the last worker."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._pass_on)
        while True:
            code = self._attempt()
            if self._signalled or not self._begin_anew():
                return code

    def _attempt(self) -> int:
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "reskeras.training.worker", str(self._run.folder), "--lock", str(self._lock)],
            stdin=subprocess.DEVNULL,
            pass_fds=(self._lock,),
        )
        if self._signalled:
            # It came while there was no worker to tell.
            self._worker.terminate()
        code = self._worker.wait()
        return code if code >= 0 else 128 - code

    def _pass_on(self, number: int, _frame) -> None:
        self._signalled = True
        if self._worker is not None and self._worker.poll() is None:
            self._worker.send_signal(number)

    def _begin_anew(self) -> bool:
        """Return whether memory ran out and a smaller batch is to be tried, for which everything is left ready."""
        run = Run(self._run.folder)
        try:
            if not may_begin_anew(run):
                return False
            events = run.events()
            short = any(event["event"] == "shortage" for event in since_start(events))
            why = "Memory ran out." if short else evidence(run.log_path, events)
            if why:
                log = EventWriter(run.events_path)
                begin_anew(run, log, batch_of(run.settings) // 2, why)
                log.close()
            return bool(why)
        except (RunError, OSError) as error:
            print(f"No smaller batch can be tried: {error}", file=sys.stderr)
            return False


if __name__ == "__main__":
    sys.exit(main())
