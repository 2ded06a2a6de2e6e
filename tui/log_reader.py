"""The log of a growing run, read line by line as a person saw it."""

from __future__ import annotations

from collections import deque

from reskeras.files import read_at, size_of
from reskeras.printable import printable
from reskeras.runs import Run

LOG_LINES = 1000
"""Lines of the log kept."""

LOG_TAIL_BYTES = 256 * 1024
"""A log that is longer when it is first read is read from so far before its end."""

LONGEST_LINE = 16 * 1024
"""Bytes of a line of the log; of a longer one the end is shown."""


class LogReader:
    """The last lines of a run's log, of which each reading reads what has been added.

    Attributes:
        lines: the last lines.
        seen: how many lines were read.
    """

    def __init__(self, run: Run) -> None:
        self._path = run.log_path
        self.lines: deque[str] = deque(maxlen=LOG_LINES)
        self.seen = 0
        self._offset, self._torn = -1, b""

    def read(self) -> None:
        """Take up what the log gained; a last line without its end waits for the rest."""
        size = size_of(self._path)
        if self._offset < 0:
            self._offset = max(size - LOG_TAIL_BYTES, 0)
        if size <= self._offset:
            return
        try:
            content = read_at(self._path, self._offset, LOG_TAIL_BYTES)
        except OSError:
            return
        self._offset += len(content)
        *whole, self._torn = (self._torn[-LONGEST_LINE:] + content).split(b"\n")
        self.lines.extend(plain_line(line) for line in whole)
        self.seen += len(whole)


def plain_line(line: bytes) -> str:
    """Return a line of a log as a person saw it in the end, without escape sequences and overwritten text."""
    text = printable(line[-LONGEST_LINE:].decode("utf-8", "replace"), keep="\r\t\x08")
    return text.rstrip("\r").rsplit("\r", 1)[-1].replace("\t", "    ").replace("\x08", "")
