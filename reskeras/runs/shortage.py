"""Whether a run that ended without a word ended because memory ran out: what speaks for it, and what would fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reskeras.files import read_at, size_of
from reskeras.machine import killings
from reskeras.printable import size
from reskeras.runs import results

SIGNS = (
    "alloc_failed", "bad_alloc", "can't allocate memory", "cannot allocate memory", "could not allocate",
    "failed to allocate", "oom when allocating", "out of memory", "outofmemory", "resource_exhausted",
    "resourceexhausted", "unable to allocate",
)  # fmt: skip
"""What libraries say, in small letters, where memory runs out: PyTorch, CUDA's libraries, XLA, TensorFlow, numpy, C++
and the system, in this order or near it."""

FATAL_SIGNS = ("bad_alloc", "llvm error: out of memory", "memoryerror", "pthread_create failed")
"""What is said, in small letters, where a process ends by that; others may be said where a library helps itself."""

BROKEN_OFF = "Fatal Python error: "
"""What Python says where a library breaks the process off, such as by a segmentation fault."""

LAST_BYTES = 2**13
"""Of a log: what a library says as it ends a process are its last lines."""

LARGE = 0.5
"""Share of the memory there was from which on a training is one that the system may have ended for the want of it."""

FULL = 0.9
"""Share of the memory there was at which there was next to none left."""


def is_told(text: str) -> bool:
    """Return whether a text says that memory ran out."""
    text = text.lower()
    return any(sign in text for sign in SIGNS)


def suspicion(log: Path, events: list[dict[str, Any]]) -> str | None:
    """Return what speaks for it that a worker that wrote no end ended because memory ran out, and what to do; None
    where nothing does.

    Args:
        log: the run's log.
        events: all of the run's.
    """
    found = evidence(log, events)
    return f"{found} {remedy(_account(events))}" if found else None


def evidence(log: Path, events: list[dict[str, Any]]) -> str | None:
    """Return the same without what to do."""
    account = _account(events)
    if account is None or any(event["event"] == "end" for event in results.since_start(events)):
        return None
    found = _evidence(log, account)
    return found and f"Memory probably ran out: {found}."


def _account(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return what a run's last worker told last of its memory."""
    told = [event for event in results.since_start(events) if event["event"] == "memory"]
    return told[-1] if told else None


def _evidence(log: Path, account: dict[str, Any]) -> str | None:
    printed = _last_printed(log, account)
    is_fatal = any(sign in printed.lower() for sign in FATAL_SIGNS)
    room, resident, expected = (account.get(name, 0) for name in ("room", "resident", "expected"))
    if not room:
        return "the last that the worker printed says so" if is_fatal else None
    needed = max(resident, expected)
    took = "it was expected to take" if expected > resident else "it took"
    took += f" {size(needed)} of the {size(room)} that there were for it"
    if is_fatal:
        return f"the last that the worker printed says so, and {took}"
    if needed >= LARGE * room:
        if BROKEN_OFF in printed:
            return f"the backend broke off, and {took}"
        if ended := _killed_since(account):
            processes = "a process" if ended == 1 else f"{ended:,} processes"
            return f"the system has ended {processes} for want of memory since it began, and {took}"
    if resident >= FULL * room:
        return f"the worker was killed while it took {size(resident)} of the {size(room)} that there were for it"
    return None


def _last_printed(log: Path, account: dict[str, Any]) -> str:
    """Return the last that this worker has printed: one before it may have ended otherwise."""
    start = max(account.get("log", 0), size_of(log) - LAST_BYTES)
    try:
        return read_at(log, start, LAST_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _killed_since(account: dict[str, Any]) -> int:
    """Return how many processes the system has ended for want of memory since a worker began, as far as is known."""
    now = killings()
    known = now is not None and now.boot == account.get("boot") and "killings" in account
    return max(now.count - account["killings"], 0) if known else 0


def remedy(account: dict[str, Any]) -> str:
    """Return what to do about a training that ran out of memory, of which there is an event `memory`."""
    fits = account.get("fits", 0)
    if not fits:
        return str(account.get("advice") or "Choose a smaller width or depth.")
    return f"A batch of {fits:,} should fit: train anew with --batch-size {fits}, or with --auto-batch."
