"""What the terminal can show: colour depth, glyph sets, and the style tables of the plots."""

from __future__ import annotations

import locale
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from reskeras.report.colours import palette

from .glyph_sets import GLYPH_SETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.app import App

LEVELS = 32
"""Steps of the colour map; Textual's filters cache 1,024 styles, which is every pair of 32 levels."""

RAMP = " .:-=+*#%@"
"""Glyphs from low to high, for terminals where colour cannot carry the value."""

EMPTY_TEXT = "waiting for the first step"
"""What a plot without data says."""


class ColourDepth(IntEnum):
    """How many colours the terminal shows; the order is from none to all."""

    NONE = 0
    BASIC = 16
    INDEXED = 256
    TRUE = 1 << 24


def colour_depth(color_system: str | None, no_color: bool = False) -> ColourDepth:
    """Classify a terminal.

    Args:
        color_system: Rich's word for it: "truecolor", "256", "standard", "windows" or None.
        no_color: True if the user set `NO_COLOR`.
    """
    if no_color or color_system is None:
        return ColourDepth.NONE
    return {"truecolor": ColourDepth.TRUE, "256": ColourDepth.INDEXED}.get(color_system, ColourDepth.BASIC)


def app_colour_depth(app: App) -> ColourDepth:
    """The colour depth of the terminal an app runs in.

    Textual removes `NO_COLOR` from the environment it hands to its console, so both are asked.
    """
    return colour_depth(app.console.color_system, app.no_color)


def colour_carries_value(depth: ColourDepth) -> bool:
    """True if cells may be coloured by value, in half-blocks if need be; False: use `RAMP`."""
    return depth >= ColourDepth.INDEXED


_preferred = "auto"


def prefer_glyphs(setting: str) -> None:
    """Have every plot that is made from now on, and is not told otherwise, drawn with these glyphs.

    Args:
        setting: "auto" or a glyph set.
    """
    global _preferred
    resolve_glyphs(setting)
    _preferred = setting


def resolve_glyphs(setting: str = "auto", environ: Mapping[str, str] | None = None, encoding: str | None = None) -> str:
    """Turn a glyph setting into one of `GLYPH_SETS`.

    Args:
        setting: "auto" or a glyph set.
        environ: The environment to look at, by default the process's own.
        encoding: The terminal's character encoding, by default the locale's.

    Raises:
        ValueError: if the setting is none of these words.
    """
    setting = _preferred if setting == "auto" else setting
    if setting in GLYPH_SETS:
        return setting
    if setting != "auto":
        raise ValueError(f"glyphs is one of auto, {', '.join(GLYPH_SETS)}. Received: {setting!r}")
    environ = os.environ if environ is None else environ
    encoding = encoding or locale.getpreferredencoding(False)
    # The fonts of the Linux console hold neither braille nor quadrants.
    plain_terminal = environ.get("TERM", "") in ("linux", "dumb", "vt100", "vt220")
    unicode = "utf" in encoding.lower()
    return "braille" if unicode and not plain_terminal else "ascii"


@cache
def level_colours() -> tuple[Color, ...]:
    """The `LEVELS` colours of cividis (Nuñez, Anderton and Renslow 2018); brightness rises with the level."""
    return tuple(Color.from_rgb(*rgb) for rgb in palette(LEVELS).tolist())


@cache
def pair_styles() -> tuple[Style, ...]:
    """Styles of a cell that shows two levels, at index `top * LEVELS + bottom`.

    The foreground is the upper half and the background the lower one; where both are the same the foreground
    is left out, which halves the bytes such a cell costs.
    """
    colours = level_colours()
    return tuple(
        Style(bgcolor=bottom) if top is bottom else Style(color=top, bgcolor=bottom)
        for top in colours
        for bottom in colours
    )


# What a cell of a map shows: two levels as `top * LEVELS + bottom`, or one of the codes after these pairs.
_PAIRS = LEVELS * LEVELS
MISSING = _PAIRS
"""Code of a cell whose value is not finite."""
ZERO = _PAIRS + 1
"""Code of a cell whose value is exactly zero."""
EMPTY = _PAIRS + 2
"""Code of a cell without data."""
TOP_ONLY = _PAIRS + 3
"""Code of level 0 in the upper half over an empty lower half; the other levels follow."""
BOTTOM_ONLY = TOP_ONLY + LEVELS
"""Code of level 0 in the lower half under an empty upper half; the other levels follow."""
_CODES = BOTTOM_ONLY + LEVELS


def cell_codes(values: np.ndarray, scale: tuple[float, float], halves: int) -> np.ndarray:
    """What each cell of a map shows.

    Args:
        values: Decimal logarithms, shape (bins, rows); NaN is not finite, -inf is zero.
        scale: The logarithms of the lowest and the highest level.
        halves: Half cell rows for each row. "!" and "0" need a whole cell: in a cell that two rows share,
            their half stays empty if they have another cell; if not, "!" takes the cell and a zero is drawn
            as the lowest level, unless both are zero.

    Returns:
        Codes, shape (cell rows, bins).
    """
    low, high = scale
    values = np.repeat(values.T, halves, axis=0)
    missing, zero = np.isnan(values), np.isneginf(values)
    position = (np.where(missing, low, values) - low) / (high - low) * LEVELS
    levels = np.clip(position, 0, LEVELS - 1).astype(int)
    levels[missing | (zero & (halves > 1))] = LEVELS
    if len(values) % 2:
        levels = np.vstack([levels, np.full_like(levels[:1], LEVELS)])
        # The empty half below the last row changes nothing about that row, if it is the only half it has.
        missing, zero = (np.vstack([flags, flags[-1:] & (halves == 1)]) for flags in (missing, zero))
    codes = _code_of_halves()[levels[0::2], levels[1::2]]
    codes[zero[0::2] & zero[1::2]] = ZERO
    wins = np.logical_or if halves == 1 else np.logical_and
    codes[wins(missing[0::2], missing[1::2])] = MISSING
    return codes


@cache
def _code_of_halves() -> np.ndarray:
    """The cell code of each (top, bottom) pair of levels, where level `LEVELS` is an empty half."""
    codes = np.empty((LEVELS + 1, LEVELS + 1), np.int16)
    codes[:LEVELS, :LEVELS] = np.arange(_PAIRS).reshape(LEVELS, LEVELS)
    codes[:LEVELS, LEVELS] = TOP_ONLY + np.arange(LEVELS)
    codes[LEVELS, :LEVELS] = BOTTOM_ONLY + np.arange(LEVELS)
    codes[LEVELS, LEVELS] = EMPTY
    return codes


class CellTable:
    """The glyph and the style of each cell code.

    Args:
        coloured: True to show levels as colours, False as glyphs of `RAMP`.
        base: The style of the widget.
        missing: The style of `MISSING`.
        zero: The style of `ZERO`.
    """

    def __init__(self, coloured: bool, base: Style, missing: Style, zero: Style) -> None:
        levels = np.arange(LEVELS)
        glyphs = np.full(_CODES, "▀" if coloured else " ")
        if coloured:
            alone = [base + Style(color=colour) for colour in level_colours()]
            self._styles: list[Style] = [*pair_styles(), missing, zero, base, *alone, *alone]
            style_ids = np.arange(_CODES)
            glyphs[levels * (LEVELS + 1)] = " "
            glyphs[BOTTOM_ONLY:] = "▄"
        else:
            self._styles = [base, missing, zero]
            style_ids = np.zeros(_CODES, int)
            style_ids[[MISSING, ZERO]] = 1, 2
            glyphs[levels * (LEVELS + 1)] = [ramp_glyph(level) for level in levels]
        glyphs[[MISSING, ZERO, EMPTY]] = "!", "0", " "
        self._glyph_of, self._style_id_of = glyphs.tolist(), style_ids.tolist()

    def strip(self, codes: np.ndarray) -> Strip:
        """A line of cells from their codes, shape (width,)."""
        # A line is short: plain Python is several times faster here than numpy.
        glyph_of = self._glyph_of
        return Strip(
            [
                Segment("".join([glyph_of[code] for code in run]), self._styles[style_id])
                for style_id, run in groupby(codes.tolist(), self._style_id_of.__getitem__)
            ],
            len(codes),
        )


def ramp_glyph(level: int) -> str:
    """The glyph of `RAMP` for one of the `LEVELS`."""
    return RAMP[level * len(RAMP) // LEVELS]


def narrow(text: str, ascii_only: bool = False) -> str:
    """Text with exactly one cell a character: anything wider, zero-width or not wanted becomes "?"."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if cell_len(char) == 1 and char.isprintable() and (char.isascii() or not ascii_only) else "?"
        for char in text
    )


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """Cut text in the middle until it is at most `width` characters long.

    Two thirds of what is kept are the end, which tells layers apart: "stage1_block2_norm1".
    """
    if len(text) <= width:
        return text
    if width <= len(ellipsis):
        return text[: max(width, 0)]
    kept = width - len(ellipsis)
    head, tail = kept - kept * 2 // 3, kept * 2 // 3
    return text[:head] + ellipsis + text[len(text) - tail :]


def styled_strip(characters: np.ndarray, style_ids: np.ndarray, styles: Sequence[Style]) -> Strip:
    """One line of cells as a Strip with a segment per run of equal style.

    Args:
        characters: Unicode code points, one a cell, shape (width,).
        style_ids: An index into `styles` for each cell, shape (width,).
        styles: The styles.
    """
    width = len(characters)
    if not width:
        return Strip([], 0)
    text = characters.astype("<u4").tobytes().decode("utf-32-le")
    edges = [0, *(np.flatnonzero(np.diff(style_ids)) + 1).tolist(), width]
    return Strip(
        [Segment(text[start:end], styles[style_ids[start]]) for start, end in pairwise(edges)],
        width,
    )


def code_points(text: str) -> np.ndarray:
    """The code points of a text, shape (len(text),), for use with `styled_strip`."""
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


# Glyph sets for lines


@dataclass(frozen=True)
class GlyphSet:
    """How pixels become characters.

    Attributes:
        bits: The bit of each pixel of a cell, shape (pixel rows, pixel columns).
        glyphs: The code point of each combination of bits.
        mark: The glyph of a point of a sparse series.
        axis, tick, corner, base, grid: Glyphs of the axes; `base` stands for a line in the legend too.
        ellipsis: What shortened text is joined by.
    """

    bits: np.ndarray
    glyphs: np.ndarray
    mark: str
    axis: str
    tick: str
    corner: str
    base: str
    grid: str
    ellipsis: str


_BRAILLE_BITS = np.array([[1, 8], [2, 16], [4, 32], [64, 128]])
_QUADRANT_BITS = np.array([[1, 2], [4, 8]])
_ASCII_BITS = np.array([[1], [2], [4]])
_LINE_ART = {
    "mark": "●",
    "axis": "│",
    "tick": "┤",
    "corner": "└",
    "base": "─",
    "grid": "┈",
    "ellipsis": "…",
}
LINE_GLYPHS = {
    "braille": GlyphSet(_BRAILLE_BITS, np.r_[ord(" "), 0x2801:0x2900].astype(np.uint32), **_LINE_ART),
    "block": GlyphSet(_QUADRANT_BITS, code_points(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"), **_LINE_ART),
    "ascii": GlyphSet(_ASCII_BITS, code_points(" '-|.|||"), "o", "|", "+", "+", "-", " ", "~"),
}
"""The glyphs of each of `GLYPH_SETS`."""
