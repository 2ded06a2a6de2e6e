"""Fixed-width rows of numbers on disk, appended by one writer, read by memory map."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

CURVE = np.dtype([("step", "<u4"), ("epoch", "<u4"), ("seconds", "<f4"), ("loss", "<f4"), ("accuracy", "<f4")])
"""A point of the training curve: loss and accuracy are means over all samples since the point before it; seconds count
from the start of training."""


class RowWriter:
    """Appends rows to a file of one row type."""

    def __init__(self, path: Path, row: np.dtype):
        self._row = row
        self._descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)

    def write(self, rows: np.ndarray) -> None:
        """Append rows in one write.

        Raises:
            OSError: where the disk takes less than everything.
        """
        content = np.ascontiguousarray(rows, self._row).tobytes()
        while content:
            content = content[os.write(self._descriptor, content) :]

    def flush(self) -> None:
        """Wait until everything written is on the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """End writing."""
        os.close(self._descriptor)


def read_rows(path: Path, row: np.dtype) -> np.ndarray:
    """Return the whole rows of a file as a memory map; a torn last row is left out, a missing file is empty."""
    try:
        count = path.stat().st_size // row.itemsize
    except OSError:
        count = 0
    if not count:
        return np.empty(0, row)
    return np.memmap(path, row, mode="r", shape=(count,))
