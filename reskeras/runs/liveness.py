"""Whether a run's worker lives: a lock that the worker holds for its life and the system frees when it dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path


class AlreadyRunning(RuntimeError):
    """Another process holds the run."""


_PATIENCE = 1.0
"""Seconds to try for a lock: whoever asks `is_held` holds it for some microseconds, and is no worker."""


def hold(path: Path) -> int:
    """Take the lock and return its descriptor, which a child process may inherit: the lock lives as long as any holder.

    Raises:
        AlreadyRunning: where another process holds it.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise AlreadyRunning(f"Another process is training in {path.parent}.") from None
            time.sleep(0.01)


def is_held(path: str | Path) -> bool:
    """Return whether a living process holds the lock."""
    try:
        # A pipe in the place of the lock would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
