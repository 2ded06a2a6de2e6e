"""The worker process: trains the run in a folder and leaves its outcome in the event log."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from reskeras.installed import BackendMissing, resolve_backend
from reskeras.runs import checkpoints, liveness, resuming, summaries
from reskeras.runs.errors import FolderVanished
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run, RunError
from reskeras.runs.settings import RunSettings
from reskeras.training import shortage
from reskeras.training.shortage import Account
from reskeras.training.signals import Signals


def main(arguments: list[str] | None = None) -> int:
    """Train the run in the folder given; return 0, 2 where the user can mend what is wrong, else 1."""
    taken = take(arguments, "python -m reskeras.training.worker")
    return taken if isinstance(taken, int) else work(taken.run)


@dataclass(frozen=True)
class Taken:
    """A run whose lock this process holds, by a descriptor that stays open for the life of the process: as long as it
    lives, the run is alive."""

    run: Run
    lock: int


def take(arguments: list[str] | None, program: str) -> Taken | int:
    """Return the run that a command line names, held, or the exit code where it cannot be."""
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument("folder", type=Path, help="a run's folder with its settings.json")
    parser.add_argument("--lock", type=int, help="descriptor of the run's lock, already held by whoever started this")
    chosen = parser.parse_args(arguments)
    run = Run(chosen.folder)
    try:
        lock = chosen.lock if chosen.lock is not None else liveness.hold(run.lock_path)
    except liveness.AlreadyRunning as error:
        _tell(str(error))
        return 2
    except OSError as error:
        _tell(f"{run.folder} cannot be written: {error.strerror}.")
        return 1
    os.set_inheritable(lock, False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # A backend that breaks off says so in the log: without that, it could as well have been killed.
    faulthandler.enable()
    return Taken(run, lock)


def work(run: Run, prepared=None) -> int:
    """Train a run whose lock is held, with what is `prepared` if it is for such a run, and return the exit code."""
    code = _work(run, prepared)
    summaries.leave(run)
    return code


def _work(run: Run, prepared) -> int:
    try:
        events = EventWriter(run.events_path)
    except OSError as error:
        _tell(f"{run.folder} cannot be written: {error.strerror}.")
        return 1
    signals, account = Signals(run, partial(_leave, run, events)), Account(run, events)
    try:
        signals.listen()
        status = _train(run, events, prepared, signals, account)
    except resuming.Finished as error:
        # The run stays finished.
        _tell(str(error))
        return 2
    except KeyboardInterrupt:
        return _end(events, "stopped", signals.ended, 1)
    except Exception as error:
        _tell(traceback.format_exc())
        if signals.ended:
            # Some libraries make an error of their own out of an interruption of their import.
            return _end(events, "stopped", signals.ended, 1)
        return _end(events, "failed", *_explain(error, run, account))
    return _end(events, status, signals.session.ending, 0)


def _train(run: Run, events: EventWriter, prepared, signals: Signals, account: Account) -> str:
    settings = run.settings
    if not isinstance(settings, RunSettings):
        raise RunError(f"{run.folder} was trained by a script of its own: only that script can go on with it.")
    found, wrong = resuming.checked(run) if (begun := resuming.has_begun(run)) else (None, [])
    # What one backend has begun another cannot go on with: their random numbers differ.
    backend = resolve_backend(str(found.facts.get("backend")) if found else settings.training.backend)
    events.write("starting", backend=backend, pid=os.getpid())
    account.begin()
    device = load(backend)
    account.compute_on(device["kind"], device["memory"])
    if found is None:
        account.choose_batch()
    from reskeras.training.checkpointing import Resumption
    from reskeras.training.session import Session

    if signals.ended:
        # Nor do they all let it pass.
        raise KeyboardInterrupt
    resumption = Resumption(found, tuple(wrong)) if begun else None
    signals.session = Session(run, events, prepared, resumption, account)
    return signals.session.execute()


def load(backend: str) -> dict[str, Any]:
    """Import all that trains, on a backend, and return the device that it computes on; what it compiles is kept for
    later processes."""
    # Keras reads this once, when it is imported.
    os.environ["KERAS_BACKEND"] = backend
    from reskeras.backend import devices, keep_compiled, leave_out_tensorflow
    from reskeras.training import session  # noqa: F401

    leave_out_tensorflow()
    keep_compiled()
    return devices()[0]


def _going_on(run: Run) -> str:
    """Return the end of a sentence: how to go on with a run whose trouble is over."""
    known = checkpoints.listed(run.checkpoints_path)
    if not known:
        return "."
    step = checkpoints.step_of(known[0])
    return f": reskeras resume {run.folder} goes on after step {step:,} once there is room and leave to write."


def _explain(error: Exception, run: Run, account: Account) -> tuple[str, int]:
    if shortage.is_one(error):
        return account.ran_out(error), 2
    if isinstance(error, OSError) and not run.folder.is_dir():
        error = FolderVanished(run.folder)
    if isinstance(error, OSError):
        # A write that finds no room names no file; what a training writes is in its folder.
        reason = f"{error.strerror or error} ({error.filename or run.folder}). The run is kept as far as it got"
        return f"{reason}{_going_on(run)}", 1
    if isinstance(error, (RunError, BackendMissing)):
        return str(error), 2
    # Keras-free modules name what a user can mend; anything else is a fault of ours or of a library.
    if type(error).__name__ in ("DataError", "Diverged", "OptionError", "PlanError"):
        return str(error), 2
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first} The log has the whole story.", 1


def _leave(run: Run, events: EventWriter, why: str) -> NoReturn:
    """End this process while its main thread is busy."""
    code = _end(events, "stopped", why, 1)
    summaries.leave(run)
    os._exit(code)


def _end(events: EventWriter, status: str, reason: str | None, code: int) -> int:
    facts = {} if reason is None else {"reason": reason}
    try:
        events.write("end", status=status, code=code, **facts)
        events.flush()
    except OSError as error:
        # Without an end in the log the run counts as crashed, which is what a full disk makes of it.
        _tell(f"The end cannot be recorded: {error.strerror}.")
        code = code or 1
    if reason:
        _tell(reason)
    return code


def _tell(text: str) -> None:
    """Print to the log, if it can be written: a full disk must not keep an end from being recorded."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
