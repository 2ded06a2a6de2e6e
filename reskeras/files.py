"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a text file, in the place of any before it: whoever reads it, at whatever time, finds one of them whole.

    Raises:
        OSError: where it cannot be written; what was there before stays as it was.
    """
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        draft.write_text(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
