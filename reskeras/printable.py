"""Text from files and folders' names as it may be shown: nothing in it steers a terminal, or hides what is written."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
"""Signs that nobody sees, and some scripts cannot be written without."""

_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # with parameters, such as colours and moves of the cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # with a text, such as a title
    r"|\x1b[ -/]*[0-Z\\-~]"
)

_HARMLESS = bytes(range(0x20, 0x7F)).replace(b"\\", b"") + b"\t\r\n"
"""Bytes of JSON all of whose texts can be shown: no escapes, and outside of texts alone white space besides."""

_LONG = re.compile(rb"[0-9](?:[eE]|[0-9]{17})")
"""What stands in any JSON with a finite number that is read as infinite, or has more than 64 bits."""

_SHALLOW = 200
"""Lists and objects that are not nested too deeply, however they are nested."""


def printable(text: str, keep: str = "") -> str:
    """Return a text without sequences that a terminal obeys, and with a sign in the place of each other character that
    is none: controls, marks that turn the direction of writing, halves of characters. White space becomes a space.

    Args:
        text: from anywhere.
        keep: characters that stay all the same, such as `"\\n"`.
    """
    if text.isprintable():
        return text
    return "".join(_shown(sign, keep) for sign in _SEQUENCES.sub("", text))


def load_json(content: bytes, keep: str = "") -> Any:
    """Return what JSON says, `cleaned`.

    Args:
        content: the JSON.
        keep: as in `printable`.

    Raises:
        ValueError: where it is not JSON.
        RecursionError: where it is nested too deeply.
    """
    value = json.loads(content)
    # Most files hold nothing to clean, and to look for it in their bytes takes a tenth of the time.
    harmless = (
        not content.translate(None, _HARMLESS)
        and b"NaN" not in content
        and b"Infinity" not in content
        and not _LONG.search(content)
        and content.count(b"[") + content.count(b"{") < _SHALLOW
    )
    return value if harmless else cleaned(value, keep)


def cleaned(value: Any, keep: str = "") -> Any:
    """Return what was read from JSON with every text `printable`, and None for each number that is not finite or has
    more than 64 bits: what is shown and counted with holds no surprise.

    Raises:
        RecursionError: where it is nested too deeply.
    """
    if isinstance(value, str):
        return printable(value, keep)
    if isinstance(value, list):
        return [cleaned(each, keep) for each in value]
    if isinstance(value, dict):
        return {printable(name, keep): cleaned(each, keep) for name, each in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if not isinstance(value, int) or abs(value) < 2**63 else None


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    amount, units = float(count), ["B", "kB", "MB", "GB"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:,.3g} {units[0]}" if amount < 999.5 else f"{amount:,.0f} {units[0]}"


def _shown(sign: str, keep: str) -> str:
    if sign.isprintable() or sign in keep or sign in JOINERS or unicodedata.category(sign) == "Zs":
        return sign
    return " " if sign.isspace() else REPLACEMENT
