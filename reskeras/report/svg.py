"""Line charts and heat maps as SVG, drawn with numpy alone."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from reskeras.report.colours import LINES, palette

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 28, 34, 40
"""Size of a chart, and its margins, in pixels."""

DASHES = ("", "8 4", "2 3", "10 3 2 3", "5 5", "1 4", "12 4", "4 2 1 2")
"""A dash for each line, so that none is told by colour alone."""

MOST_POINTS = 1200
"""Points of a line; of more, each stretch keeps its lowest and its highest."""

LEVELS = 256


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, and its points, (T,) each; what is not finite is a gap.

    With marks, each point is drawn by itself.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    marks: bool = False


def line_chart(title: str, lines: Sequence[Line], x_label: str, log: bool = False) -> str:
    """Return a chart of lines on shared axes.

    Args:
        title: what is above it.
        lines: at most eight are told apart.
        x_label: what the horizontal axis is.
        log: whether the vertical axis is logarithmic; values that are not positive are gaps in it.
    """
    shown = [(each, np.asarray(each.x, float), _heights(each.y, log)) for each in lines]
    xs = np.concatenate([x[np.isfinite(y)] for _, x, y in shown] or [np.empty(0)])
    ys = np.concatenate([y[np.isfinite(y)] for _, _, y in shown] or [np.empty(0)])
    if not len(xs):
        return _document(title, [_text(WIDTH / 2, HEIGHT / 2, "nothing finite was measured", "middle")])
    x_range, y_range = _padded(xs.min(), xs.max(), 0), _padded(ys.min(), ys.max(), 0.04)
    parts = [*_y_axis(y_range, log), *_x_axis(x_range, x_label)]
    for place, (line, x, y) in enumerate(shown):
        colour, dash = LINES[place % len(LINES)], DASHES[place % len(DASHES)]
        across, up = _across(x, x_range), _up(y, y_range)
        if line.marks:
            points = zip(across.tolist(), up.tolist(), strict=True)
            circles = [f'<circle cx="{a:.1f}" cy="{u:.1f}" r="3"/>' for a, u in points if math.isfinite(u)]
            parts.append(f'<g fill="{colour}">{"".join(circles)}</g>')
        else:
            parts.append(
                f'<path d="{_path(*_thinned(across, up))}" fill="none" stroke="{colour}" stroke-width="1.6" '
                f'stroke-dasharray="{dash}" stroke-linejoin="round"/>'
            )
        parts += _legend(place, line.name, colour, dash, line.marks, len(shown))
    return _document(title, parts)


def heat_map(title: str, names: Sequence[str], steps: np.ndarray, values: np.ndarray, scale=None) -> str:
    """Return a map of rows over time, bright where the decimal logarithm of a value is large.

    Args:
        title: what is above it.
        names: of the rows, the first at the top.
        steps: rising, (T,); a column lasts from the step before it.
        values: (T, names); what is not a positive number is black.
        scale: decimal logarithms of the darkest and the brightest colour; None takes the 2nd and 98th percentile.
    """
    logs = _heights(values, True)
    low, high = scale or log_range(logs)
    if not logs.size or not np.isfinite(logs).any():
        return _document(title, [_text(WIDTH / 2, HEIGHT / 2, "nothing finite was measured", "middle")])
    columns = min(int(steps[-1]), WIDTH - LEFT - RIGHT)
    at = np.searchsorted(steps, np.linspace(steps[-1] / columns, steps[-1], columns))
    levels = np.clip((logs[np.minimum(at, len(logs) - 1)].T - low) / (high - low), 0, 1) * (LEVELS - 2) + 1
    picture = base64.b64encode(png(np.where(np.isfinite(levels), levels, 0).astype(np.uint8))).decode()
    height = HEIGHT - TOP - BOTTOM
    parts = [
        f'<image x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{height}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{picture}"/>',
        _text(LEFT - 6, TOP + 10, "first", "end"),
        _text(LEFT - 6, TOP + height, "last", "end"),
        *_x_axis((0.0, float(steps[-1])), f"step    ({len(names)} rows, {names[0]} to {names[-1]})"),
        *_scale(low, high),
    ]
    return _document(title, parts)


def log_range(logs: np.ndarray) -> tuple[float, float]:
    """Return the 2nd and 98th percentile of decimal logarithms, at least one apart; (-6, 0) where none is finite."""
    finite = logs[np.isfinite(logs)]
    if not finite.size:
        return -6.0, 0.0
    low, high = np.percentile(finite, [2, 98])
    spare = max(1 - (high - low), 0) / 2
    return float(low - spare), float(high + spare)


def png(levels: np.ndarray) -> bytes:
    """Return a picture of palette entries, (rows, columns) as bytes: 0 is black, the others are cividis."""
    colours = np.vstack([np.zeros((1, 3), np.uint8), palette(LEVELS - 1)])
    height, width = levels.shape
    # Each line of the picture begins with the number of its filter, which is none.
    lines = np.hstack([np.zeros((height, 1), np.uint8), levels]).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", colours.tobytes()), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


# Axes


def _heights(values: np.ndarray, log: bool) -> np.ndarray:
    values = np.asarray(values, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.log10(np.where(values > 0, values, np.nan)) if log else values
    return np.where(np.isfinite(values), values, np.nan)


def _padded(low: float, high: float, share: float) -> tuple[float, float]:
    margin = (high - low) * share or (abs(low) * 0.1 or 0.5 if low == high else 0)
    return float(low - margin), float(high + margin)


def _across(x: np.ndarray, x_range: tuple[float, float]) -> np.ndarray:
    return LEFT + (x - x_range[0]) / (x_range[1] - x_range[0]) * (WIDTH - LEFT - RIGHT)


def _up(y: np.ndarray, y_range: tuple[float, float]) -> np.ndarray:
    return HEIGHT - BOTTOM - (y - y_range[0]) / (y_range[1] - y_range[0]) * (HEIGHT - TOP - BOTTOM)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most so many round numbers inside a range."""
    rough = (high - low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    return [place * step for place in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _y_axis(y_range: tuple[float, float], log: bool) -> list[str]:
    parts = []
    for value in ticks(*y_range, 5):
        label = f"{10**value:.3g}" if log else f"{value:.4g}"
        up = float(_up(np.array(value), y_range))
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up:.1f}" y2="{up:.1f}" stroke="#dde3ea"/>')
        parts.append(_text(LEFT - 6, up + 4, label, "end"))
    return parts


def _x_axis(x_range: tuple[float, float], label: str) -> list[str]:
    bottom = HEIGHT - BOTTOM
    parts = [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" stroke="#8894a0"/>']
    for value in ticks(*x_range, 8):
        parts.append(_text(float(_across(np.array(value), x_range)), bottom + 15, f"{value:,.6g}", "middle"))
    return [*parts, _text((LEFT + WIDTH - RIGHT) / 2, bottom + 32, label, "middle")]


def _scale(low: float, high: float) -> list[str]:
    """The colours from the lowest to the highest value, above the map at the right."""
    colours, width = palette(32), 5
    start = WIDTH - RIGHT - 50 - 32 * width
    bars = [
        f'<rect x="{start + place * width}" y="14" width="{width}" height="10" fill="rgb({r},{g},{b})"/>'
        for place, (r, g, b) in enumerate(colours.tolist())
    ]
    ends = _text(start - 4, 23, f"{10**low:.0e}", "end"), _text(WIDTH - RIGHT - 44, 23, f"{10**high:.0e}", "start")
    return [*bars, *ends]


# Lines


def _thinned(across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(up) <= MOST_POINTS:
        return across, up
    width = -(-2 * len(up) // MOST_POINTS)
    whole = len(up) // width * width
    stretches = up[:whole].reshape(-1, width)
    starts = np.arange(0, whole, width)
    low = starts + np.where(np.isfinite(stretches), stretches, np.inf).argmin(1)
    high = starts + np.where(np.isfinite(stretches), stretches, -np.inf).argmax(1)
    kept = np.unique(np.concatenate([low, high, np.arange(whole, len(up))]))
    return across[kept], up[kept]


def _path(across: np.ndarray, up: np.ndarray) -> str:
    words, drawing = [], False
    for a, u in zip(across.tolist(), up.tolist(), strict=True):
        if math.isfinite(u):
            words.append(f"{'L' if drawing else 'M'}{a:.1f} {u:.1f}")
        drawing = math.isfinite(u)
    return "".join(words)


def _legend(place: int, name: str, colour: str, dash: str, marks: bool, number: int) -> list[str]:
    room = (WIDTH - LEFT - RIGHT) / max(number, 1)
    start = LEFT + place * room
    sign = (
        f'<circle cx="{start + 10:.1f}" cy="28" r="3" fill="{colour}"/>'
        if marks
        else f'<line x1="{start:.1f}" x2="{start + 20:.1f}" y1="28" y2="28" stroke="{colour}" stroke-width="2" '
        f'stroke-dasharray="{dash}"/>'
    )
    letters = max(int(room / 7) - 4, 1)
    return [sign, _text(start + 25, 32, name if len(name) <= letters else name[: letters - 1] + "…", "start")]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _document(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="11" fill="#33404d"><title>{escape(title)}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
        f'<text x="{LEFT}" y="15" font-size="13" font-weight="600">{escape(title)}</text>{"".join(parts)}</svg>\n'
    )
