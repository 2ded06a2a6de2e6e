"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    finally:
        draft.unlink(missing_ok=True)
