"""Samples as a terminal can show them: images in blocks, text with its labels, boards."""

from __future__ import annotations

import itertools

import numpy as np

from reskeras.datasets import Dataset
from reskeras.datasets.encoding import words_of
from reskeras.printable import printable

SHADES = " ░▒▓█"
"""From dark to light."""

MOST_COLUMNS = 32
"""Pixels of a row that are drawn; of larger images, every second, or third, and so on."""

MOST_FEATURES = 12
WIDEST = 100
"""Characters of a text that are shown."""


def drawn(data: Dataset, places: list[int]) -> str:
    """Return training samples with their labels, as text of several lines.

    Args:
        data: the data set.
        places: which of its training samples.
    """
    if data.shape.kind == "image" and data.task == "classes":
        return _beside([_image(data.x_train[place], _named(data, data.y_train[place])) for place in places])
    draw = {"tags": _tagged, "language": _written, "translation": _translated, "game": _board}.get(data.task, _labelled)
    drawings = [draw(data, place) for place in places]
    return _beside(drawings) if data.task == "game" else "\n".join("\n".join(lines) for lines in drawings)


def _beside(drawings: list[list[str]]) -> str:
    """Return drawings beside one another, as many as fit into a row."""
    rows, width = [], max(len(line) for lines in drawings for line in lines) + 2
    for start in range(0, len(drawings), max(WIDEST // width, 1)):
        row = drawings[start : start + max(WIDEST // width, 1)]
        lines = itertools.zip_longest(*row, fillvalue="")
        rows.append("\n".join("".join(f"{line:<{width}}" for line in each).rstrip() for each in lines))
    return "\n\n".join(rows)


def _named(data: Dataset, number: int) -> str:
    return _short(str(data.encoding.label(int(number))))


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= WIDEST else text[: WIDEST - 4] + " ..."


def _image(image: np.ndarray, label: str) -> list[str]:
    """Return an image, two rows of pixels to a line: a sign is as high as two are wide."""
    step = -(-max(image.shape[:2]) // MOST_COLUMNS)
    grey = image[::step, ::step].astype(np.float64).mean(-1)
    low, high = grey.min(), grey.max()
    levels = np.rint((grey - low) / ((high - low) or 1) * (len(SHADES) - 1)).astype(int)
    if len(levels) <= 12:
        # So small that each pixel has two signs.
        return [label, *("".join(2 * SHADES[each] for each in row) for row in levels)]
    if len(levels) % 2:
        levels = np.concatenate([levels, levels[-1:]])
    pairs = (levels[::2] + levels[1::2] + 1) // 2
    return [label, *("".join(SHADES[each] for each in row) for row in pairs)]


def _labelled(data: Dataset, place: int) -> list[str]:
    label, sample = _named(data, data.y_train[place]), data.x_train[place]
    if data.vocabulary:
        return [f"{label}: {_short(data.encoding.text.decode(words_of(data.x_train)[place]))}"]
    numbers = [f"{each:.4g}" for each in sample.reshape(-1)[:MOST_FEATURES]]
    return [f"{label}: {' '.join(numbers)}{' ...' if sample.size > MOST_FEATURES else ''}"]


def _tagged(data: Dataset, place: int) -> list[str]:
    """Return words above their tags."""
    words, tags = words_of(data.x_train)[place], data.y_train[place]
    lines, width = ["", ""], 0
    for word, tag in zip(words[tags >= 0], tags[tags >= 0], strict=True):
        pair = printable(data.encoding.text.decode([word])), _named(data, tag)
        wide = max(map(len, pair)) + 1
        if width + wide > WIDEST:
            break
        lines = [line + f"{each:<{wide}}" for line, each in zip(lines, pair, strict=True)]
        width += wide
    return [*(line.rstrip() for line in lines), ""]


def _written(data: Dataset, place: int) -> list[str]:
    return [_short(data.encoding.text.decode(data.x_train[place]))]


def _translated(data: Dataset, place: int) -> list[str]:
    decode = data.encoding.text.decode
    source, target = (decode(data.x_train[name][place]) for name in ("source", "samples"))
    return [f"{_short(source)} -> {_short(target)}"]


def _board(data: Dataset, place: int) -> list[str]:
    """Return a board: X for own stones, O for the other's, * for the best moves."""
    planes, policy = data.x_train[place], data.y_train["output"][place]
    best = policy.reshape(planes.shape[:2]) > 0
    value = float(data.y_train["value"][place, 0])
    rows = [
        " ".join("X" if own else "O" if other else "*" if good else "." for own, other, good in zip(*row, strict=True))
        for row in zip(planes[..., 0], planes[..., 1], best, strict=True)
    ]
    return [*rows, f"value {value:g}"]
