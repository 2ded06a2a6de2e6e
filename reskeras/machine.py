"""What this machine has to give: memory and cores."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
"""Where Linux keeps what groups of processes, such as a container, are limited to."""


def available_memory() -> int | None:
    """Return the bytes that processes can still have, in a container those left of its limit; None where the system
    does not say."""
    found = [*_group_memory()]
    with suppress(OSError, ValueError, KeyError):
        found.append(_kibibytes("/proc/meminfo")["MemAvailable"])
    return max(min(found), 0) if found else None


def room() -> int | None:
    """Return the bytes of memory that this process may come to take, what it has included; None where the system does
    not say."""
    left, used = available_memory(), _own()
    if left is None or "VmRSS" not in used:
        return None
    for limit, counted in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        allowed, _ = resource.getrlimit(limit)
        if allowed != resource.RLIM_INFINITY and counted in used:
            left = min(left, max(allowed - used[counted], 0))
    return left + used["VmRSS"]


def resident() -> int | None:
    """Return the bytes of memory that this process takes; None where the system does not say."""
    return _own().get("VmRSS")


def peak() -> int | None:
    """Return the bytes of memory that this process took when it took the most; None where the system does not say."""
    return _own().get("VmHWM")


@dataclass(frozen=True)
class Killings:
    """How many processes the system has ended for want of memory since it was started.

    Attributes:
        boot: which start of the system that is.
        count: how many.
    """

    boot: str
    count: int


def killings() -> Killings | None:
    """Return how many processes the system has ended for want of memory; None where it does not say."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        lines = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
        return Killings(boot, int(lines["oom_kill"]))
    except (OSError, ValueError, KeyError):
        return None


def _own() -> dict[str, int]:
    try:
        return _kibibytes("/proc/self/status")
    except (OSError, ValueError):
        return {}


def _kibibytes(path: str) -> dict[str, int]:
    """Return what a file of the kernel's gives in units of 1024 bytes, in bytes."""
    lines = [line.split() for line in Path(path).read_text().splitlines()]
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[2:] == ["kB"]}


def _group_memory() -> Iterator[int]:
    """Yield what is left of the limit of each group of processes that this one is in."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if not kinds:
                yield from _left(GROUPS, path, "memory.max", "memory.current", "inactive_file")
            elif "memory" in kinds.split(","):
                names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
                yield from _left(GROUPS / "memory", path, *names)


def _left(home: Path, path: str, limit: str, usage: str, cached: str) -> Iterator[int]:
    # In a container its own group is at the top, under whatever name it has outside.
    place = home / path.strip("/")
    for folder in (place, *place.parents):
        if folder != home and home not in folder.parents:
            return
        # A group without a limit says `max`, and the outermost has no such file.
        with suppress(OSError, ValueError, KeyError):
            allowed, used = (int((folder / name).read_text()) for name in (limit, usage))
            kept = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            # What is only kept of files goes as soon as somebody wants the room.
            yield allowed - used + int(kept[cached])


def cores() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
