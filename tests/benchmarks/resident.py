"""The resident memory of this process, and its peak since a moment, as Linux counts them."""

from __future__ import annotations

import gc
from pathlib import Path


class PeakMemory:
    """The largest resident memory since a moment, above that of the moment.

    Raises:
        OSError: where the system does not let a process start its peak anew.
    """

    def __init__(self):
        gc.collect()
        self._before = _status("VmRSS")
        self.start_anew()

    def start_anew(self) -> None:
        """Forget the peak so far; what it is compared with stays."""
        Path("/proc/self/clear_refs").write_text("5")

    def megabytes(self) -> float:
        """Return the peak above the beginning, in units of 10^6 bytes."""
        return (_status("VmHWM") - self._before) * 1024 / 1e6


def _status(name: str) -> int:
    """Return a line of the kernel's account of this process, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
