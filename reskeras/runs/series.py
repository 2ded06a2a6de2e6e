"""Fixed-width rows of numbers on disk, appended by one writer, read by anyone at any time."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np

from reskeras.files import cut, read_at

CURVE = np.dtype([("step", "<u4"), ("epoch", "<u4"), ("seconds", "<f4"), ("loss", "<f4"), ("accuracy", "<f4")])
"""A point of the training curve: loss and accuracy are means over all samples since the point before it; seconds count
from the start of training."""


MOST_BYTES = 2**30
"""Bytes read at a time: two months of ten points a second."""


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


def read_rows(path: Path, row: np.dtype, start: int = 0) -> np.ndarray:
    """Return the whole rows of a file; a torn last row is left out, a missing file is empty.

    Args:
        path: the file.
        row: the type of a row.
        start: the first row, from the end where it is negative.

    Raises:
        OSError: where it cannot be read, is no plain file, or has more than `MOST_BYTES` to read.
    """
    try:
        rows = range(os.lstat(path).st_size // row.itemsize)[start:]
    except FileNotFoundError:
        return np.empty(0, row)
    size = len(rows) * row.itemsize
    if size > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it has {size:,} bytes, more than the {MOST_BYTES:,} allowed", str(path))
    content = read_at(path, rows.start * row.itemsize, size) if size else b""
    return np.frombuffer(content, row, count=len(content) // row.itemsize)


def cut_curve(path: Path, step: int) -> None:
    """Leave the points of a curve up to a step.

    Raises:
        OSError: where it cannot be written.
    """
    cut(path, int(np.sum(read_rows(path, CURVE)["step"] <= step)) * CURVE.itemsize)
