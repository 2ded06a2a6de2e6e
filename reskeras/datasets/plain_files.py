"""Files of a user as text: opened without waiting, read within the memory that there is, decoded, told by line."""

from __future__ import annotations

import codecs
import os
import re
import stat
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reskeras.datasets.dataset import DataError
from reskeras.machine import available_memory

TEXT_FACTOR = 8
"""Bytes of memory that reading a text takes for each of its own, at most: as bytes, as text, as words and numbers."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""What a file may begin with to say how it is encoded; longer ones stand before those they begin with."""

_WINDOWS = re.compile(rb"[\x80-\x9f]")

_GZIP = 16 + zlib.MAX_WBITS
_PIECE = 2**20


@contextmanager
def opened(path: Path):
    """Open a file to read its bytes; whatever goes wrong with it comes out as a DataError.

    Raises:
        DataError: where it is missing or unreadable, or is no file: opening a pipe could wait for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise DataError(f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'a pipe or a device'}, not a file.")
            yield file
    except IsADirectoryError:
        raise DataError(f"{path} is a folder, not a file.") from None
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def check_memory(path: Path | str, needed: int, what: str) -> None:
    """Raise DataError where something of a file would take more bytes of memory than there are."""
    free = available_memory()
    if free is not None and needed > free:
        raise DataError(
            f"{path}: {what} would take {needed / 2**30:,.1f} GiB, and this machine has {free / 2**30:,.1f} GiB of "
            "memory left. Train on fewer samples."
        )


def content(path: Path) -> bytes:
    """Return a file's bytes, unpacked where its name ends in `.gz`.

    Raises:
        DataError: as `opened` does, and where it is damaged, or more than there is memory for.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_memory(path, TEXT_FACTOR * size, "its text")
        if path.suffix.lower() != ".gz":
            return file.read(size)
        return _unpacked(path, file)


def _unpacked(path: Path, file: BinaryIO) -> bytes:
    parts, size, reader = [], 0, zlib.decompressobj(_GZIP)
    try:
        while packed := file.read(_PIECE):
            while packed:
                parts.append(reader.decompress(packed, _PIECE))
                size += len(parts[-1])
                check_memory(path, TEXT_FACTOR * size, "its text, unpacked,")
                packed = reader.unconsumed_tail
                if reader.eof:
                    # A file may hold several, one behind another.
                    packed = reader.unused_data
                    if not packed:
                        break
                    reader = zlib.decompressobj(_GZIP)
    except zlib.error:
        raise DataError(f"{path} cannot be unpacked: it is no gzip file, or damaged.") from None
    if not reader.eof:
        raise DataError(f"{path} cannot be unpacked: it ends before it is complete.")
    return b"".join(parts)


def text(path: Path) -> str:
    """Return a file's text: UTF-8, or what the mark at its beginning says; the ends of its lines are `\\n`.

    Raises:
        DataError: as `content` does; and where it is empty, or is not so encoded, with the line.
    """
    return decoded(path, content(path))


def decoded(path: Path, raw: bytes) -> str:
    """Return bytes of a file as `text` does."""
    mark, encoding = next(((mark, name) for mark, name in _MARKS if raw.startswith(mark)), (b"", "utf-8"))
    raw = raw[len(mark) :]
    if encoding == "utf-8" and b"\0" in raw:
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        raise DataError(
            f"{path}: line {line:,} holds a zero byte, so this is no text, or UTF-16 that does not say so. "
            "Save it as UTF-8."
        )
    try:
        found = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].decode(encoding, "replace").count("\n") + 1
        bytes_there = raw[error.start : error.start + 1].hex()
        # What Latin-1 has signs for that steer a terminal, Windows has quotation marks and dashes for.
        title, name = ("Windows-1252", "CP1252") if _WINDOWS.search(raw) else ("Latin-1", "LATIN1")
        advice = f" Was it saved as {title}? iconv -f {name} -t UTF-8 {path.name}" if encoding == "utf-8" else ""
        raise DataError(
            f"{path}: line {line:,} holds the byte 0x{bytes_there}, which is not {encoding.upper()} there. "
            f"Save it as UTF-8.{advice}"
        ) from None
    if not found.strip():
        raise DataError(f"{path} is empty.")
    return found.replace("\r\n", "\n").replace("\r", "\n") if "\r" in found else found


def lines(path: Path) -> list[str]:
    """Return the lines of a file; line n stands at place n - 1.

    Raises:
        DataError: as `text` does.
    """
    found = text(path).split("\n")
    # Lines are ended by their sign: there is none behind the last.
    return found[:-1] if not found[-1] else found
