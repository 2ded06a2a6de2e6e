"""Fixed-width rows of numbers on disk: one row a step, appended by one writer, read by memory map."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

CURVE = np.dtype([("step", "<u4"), ("epoch", "<u4"), ("seconds", "<f4"), ("loss", "<f4"), ("accuracy", "<f4")])
"""A point of the training curve: loss and accuracy are means over all samples since the point before it; seconds count
from the start of training."""


def gradient_row(weights: int) -> np.dtype:
    """Return the row of per-weight gradient norms: the step, counted from 1, and one norm for each weight."""
    return np.dtype([("step", "<u4"), ("norm", "<f4", (weights,))])


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


def bin_rows(steps: np.ndarray, values: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return at most `most` rows that keep every spike: each the largest values of the rows it stands for.

    Args:
        steps: (rows,) the step of each row.
        values: (rows, columns); not-a-number wins over any number.
        most: how many rows to return at most.

    Returns:
        The last step of each bin, and the bins.
    """
    rows = len(steps)
    if rows <= most:
        return np.asarray(steps), np.asarray(values)
    width = -(-rows // most)
    starts = np.arange(0, rows, width)
    ends = np.minimum(starts + width, rows) - 1
    return np.asarray(steps[ends]), np.maximum.reduceat(values, starts, axis=0)
