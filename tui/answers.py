"""What the trained network answered to test samples, and what a language model wrote, as it is drawn."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from rich.color import Color
from rich.style import Style
from rich.text import Text

from reskeras.printable import printable

from .plots.colours import RAMP, ColourDepth, colour_carries_value

RIGHT, WRONG = "✓", "✗"

WIDEST = 64
"""Pixels across and down of a picture from a file."""

GAP = 3
"""Cells between two pictures."""


def drawn(events: dict[str, dict[str, Any]], width: int, depth: ColourDepth, ascii_only: bool) -> Text | None:
    """Return what a run's events hold of answers; None where they hold none.

    Args:
        events: kind of event -> the last such event.
        width: cells that there are.
        depth: colours of the terminal.
        ascii_only: draw with signs of ASCII alone.
    """
    parts: list[Text] = []
    samples = events.get("answers", {}).get("samples")
    if isinstance(samples, list):
        known = [each for each in samples if isinstance(each, dict)]
        pictures = [each for each in known if _levels(each)]
        ramp = ascii_only or not colour_carries_value(depth)
        parts += _rows_of_pictures(pictures, max(width, 8), ramp)
        parts += [_words(each) for each in known if not _levels(each)]
    written = events.get("sample", {})
    if written.get("text"):
        epoch = f" after epoch {written['epoch']}" if isinstance(written.get("epoch"), int) else ""
        parts.append(Text.assemble((f"it writes{epoch}: ", "bold"), printable(str(written["text"]), keep="\n")))
    return Text("\n").join(parts) if parts else None


def _said(sample: dict[str, Any]) -> Text:
    """Return the answer, and where it is wrong what is true."""
    answer, true = printable(str(sample.get("answer"))), printable(str(sample.get("true")))
    return Text(f"{RIGHT} {answer}") if answer == true else Text(f"{WRONG} {answer} is {true}", "bold")


def _words(sample: dict[str, Any]) -> Text:
    pieces = sample.get("pieces")
    if not isinstance(pieces, list):
        return Text.assemble(printable(str(sample.get("text", "")))[:400], "  ", _said(sample))
    found = Text()
    tags = zip_longest(pieces, _list(sample.get("answer")), _list(sample.get("true")), fillvalue="")
    for piece, answer, true in list(tags)[:100]:
        found.append(f"{printable(str(piece))}/")
        found.append(printable(str(answer)), "" if answer == true else "bold")
        found.append(" " if answer == true else f"({WRONG} {printable(str(true))}) ")
    return found


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _levels(sample: dict[str, Any]) -> list[bytes] | None:
    """Return the grey levels of a picture, row by row; None of what is none."""
    try:
        height, width = int(sample["height"]), int(sample["width"])
        pixels = bytes.fromhex(sample["pixels"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not (0 < height <= WIDEST and 0 < width <= WIDEST and len(pixels) == height * width):
        return None
    return [pixels[row * width : (row + 1) * width] for row in range(height)]


def _rows_of_pictures(samples: list[dict[str, Any]], width: int, ramp: bool) -> list[Text]:
    """Return pictures beside one another, as many as fit, each with its answer below."""
    if not samples:
        return []
    blocks = [[*_picture(_levels(each), ramp), _said(each)] for each in samples]
    cell = max(line.cell_len for block in blocks for line in block) + GAP
    rows, beside = [], max(width // cell, 1)
    for start in range(0, len(blocks), beside):
        lines = zip_longest(*blocks[start : start + beside], fillvalue=Text())
        for line in lines:
            joined = Text()
            for part in line:
                joined.append_text(part)
                joined.append(" " * (cell - part.cell_len))
            rows.append(joined)
        rows.append(Text())
    return rows


def _picture(levels: list[bytes], ramp: bool) -> list[Text]:
    """Return a picture, two rows of pixels on a line."""
    pairs = zip_longest(levels[::2], levels[1::2], fillvalue=bytes(len(levels[0])))
    if ramp:
        return [
            Text("".join(RAMP[(up + down) * len(RAMP) // 512] for up, down in zip(*pair, strict=True)))
            for pair in pairs
        ]
    return [Text.assemble(*(("▀", _style(up, down)) for up, down in zip(*pair, strict=True))) for pair in pairs]


def _style(up: int, down: int) -> Style:
    # 16 levels of grey: Textual's filters keep a limited number of styles.
    up, down = (level // 17 * 17 for level in (up, down))
    return Style(color=Color.from_rgb(up, up, up), bgcolor=Color.from_rgb(down, down, down))
