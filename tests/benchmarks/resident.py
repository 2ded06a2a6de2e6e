"""The resident memory of this process, and its peak since a moment, as Linux counts them."""

from __future__ import annotations

import gc
from pathlib import Path

from reskeras import machine


class PeakMemory:
    """The largest resident memory since a moment, above that of the moment.

    Raises:
        OSError: where the system does not let a process start its peak anew.
    """

    def __init__(self):
        gc.collect()
        self._before = machine.resident()
        self.start_anew()

    def start_anew(self) -> None:
        """Forget the peak so far; what it is compared with stays."""
        Path("/proc/self/clear_refs").write_text("5")

    def megabytes(self) -> float:
        """Return the peak above the beginning, in units of 10^6 bytes."""
        return (machine.peak() - self._before) / 1e6
