"""Where the package keeps what it can make again: the user's cache folder."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path


def folder(name: str) -> Path | None:
    """Return a folder for a cache of this name and this kind of processor, made where it is missing.

    None where it cannot be made or written. Below `XDG_CACHE_HOME`, which stands on every system where it is set; else
    where the system keeps caches.
    """
    usual = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    try:
        # A relative path is to be ignored, says the XDG Base Directory Specification.
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        path = (base if base.is_absolute() else Path(usual).expanduser()) / "reskeras" / f"{name}-{_processor()}"
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return path if os.access(path, os.W_OK | os.X_OK) else None


def _processor() -> str:
    """Return a name for processors that run the same machine code: homes are shared between machines that do not."""
    facts = processor_line("flags", "Features")
    return f"{platform.machine()}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"


def processor_line(*beginnings: str) -> str:
    """Return the first line of what Linux tells of the processors that begins in one of these ways; else no text."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(beginnings)), "")
