"""Files that are there as a whole or not at all, and files of others, which may be anything."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reskeras.printable import load_json


def write_whole(path: Path, text: str) -> None:
    """Write a text file, in the place of any before it: whoever reads it, at whatever time, finds one of them whole.

    Raises:
        OSError: where it cannot be written; what was there before stays as it was.
    """
    with draft_of(path) as draft:
        draft.write_text(text)


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Give another path to write to, whose file takes the place of `path` at the end, or is gone after an error."""
    # Without the name of the file, by which programs know what is for them.
    draft = path.with_name(f".{os.getpid()}-{time.monotonic_ns()}.draft")
    try:
        yield draft
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def open_plain(path: str | os.PathLike) -> int:
    """Open a file to read and return its descriptor, without waiting, whatever is there.

    Raises:
        OSError: where there is none, or it is a link, a folder, a pipe or a device: a link may lead anywhere, and who
            opens a pipe waits for ever.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a link, and links are not followed", os.fspath(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a folder, a pipe or a device", os.fspath(path))
    return descriptor


def size_of(path: str | os.PathLike) -> int:
    """Return how many bytes a file has; 0 where there is none, or it is not one to read."""
    try:
        facts = os.lstat(path)
    except (OSError, ValueError):
        return 0
    return facts.st_size if stat.S_ISREG(facts.st_mode) else 0


def read_at(path: str | os.PathLike, start: int, length: int) -> bytes:
    """Return so many bytes of a file from a place on, fewer where it ends before.

    It is not mapped into memory: a file that shrinks, or whose disk is gone, would end the process that looks at it.

    Raises:
        OSError: as `open_plain` does.
    """
    descriptor = open_plain(path)
    try:
        parts = []
        while length > 0 and (part := os.pread(descriptor, length, start)):
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(descriptor)


def read_plain(path: str | os.PathLike, most: int) -> bytes:
    """Return the content of a file of at most so many bytes; of one that grows meanwhile, as far as it had come.

    Raises:
        OSError: as `open_plain` does, and where it is larger.
    """
    descriptor = open_plain(path)
    try:
        size = os.fstat(descriptor).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size:,} bytes, more than the {most:,} allowed", os.fspath(path))
        parts = []
        while size > 0 and (part := os.read(descriptor, size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def read_json(path: str | os.PathLike, most: int, keep: str = "") -> Any:
    """Return what a JSON file of at most so many bytes holds, as `load_json` does.

    Args:
        path: the file.
        most: bytes that it may have.
        keep: characters of its texts that stay though nothing shows them, such as `"\\n"`.

    Raises:
        OSError: as `read_plain` does.
        ValueError: where it is not JSON, or nested too deeply.
    """
    try:
        return load_json(read_plain(path, most), keep)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def cut(path: Path, size: int, rest: bytes = b"") -> None:
    """Leave the first bytes of a file, with others behind them in the place of what was there.

    Whoever reads the old file by memory map keeps all of it. A file that is shorter, or missing, stays as it is.

    Args:
        path: the file.
        size: how many of its bytes stay.
        rest: what comes behind these.

    Raises:
        OSError: where it cannot be written; the file is then as it was.
    """
    try:
        long = path.stat().st_size
    except OSError:
        return
    if long <= size:
        return
    with draft_of(path) as draft, open(path, "rb") as old, open(draft, "wb") as new:
        while size and (part := old.read(min(size, 2**20))):
            new.write(part)
            size -= len(part)
        new.write(rest)
        new.flush()
        os.fdatasync(new.fileno())
