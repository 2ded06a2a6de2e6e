"""What a trained network says of a few test samples, beside what is true, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reskeras.datasets.dataset import Dataset, first, taken
from reskeras.datasets.encoding import PADDING, words_of
from reskeras.training.objectives import NO_LABEL

SHOWN = 8
"""Test samples."""

WIDEST = 32
"""Pixels of a picture at most, across and down; of a larger one, each so many-th is kept."""


def answers(
    data: Dataset, predicted: np.ndarray | dict[str, np.ndarray], written: Sequence[Sequence[int]]
) -> list[dict[str, Any]]:
    """Return the answers to the first test samples, as reskeras/runs/FORMAT.md says of the event `answers`.

    Args:
        data: the data set.
        predicted: the probabilities that the network gives to its first test samples, one row each.
        written: what a translator writes for them, token by token; those probabilities are of tokens behind the true
            ones.

    Returns:
        One record a sample; none for what has no short answer: games, and language models, whose texts are events.
    """
    if data.task not in ("classes", "tags", "translation") or isinstance(predicted, dict):
        return []
    samples = first(taken(data.x_test, slice(SHOWN)))
    if data.vocabulary is not None:
        samples = words_of(samples)
    chosen = written[:SHOWN] if data.task == "translation" else predicted[:SHOWN].argmax(-1)
    rows = zip(samples, data.y_test[:SHOWN], chosen, strict=True)
    return [_record(data, *row) for row in rows]


def _record(data: Dataset, sample: np.ndarray, label: np.ndarray, answer: np.ndarray | Sequence[int]) -> dict[str, Any]:
    if data.task == "classes":
        true = int(label) if np.ndim(label) == 0 else int(np.argmax(label))
        found = {"true": data.encoding.label(true), "answer": data.encoding.label(int(answer))}
        return found | (_text(data, sample) if data.vocabulary else _picture(sample))
    # What has no label is padding, or was cut off.
    known = label != NO_LABEL
    if data.task == "tags":
        names = [[data.encoding.label(int(each)) for each in row[known]] for row in (label, answer)]
        pieces = [_piece(data, int(each)) for each in sample[known]]
        return {"pieces": pieces, "true": names[0], "answer": names[1]}
    return _text(data, sample) | {"true": _decoded(data, label[known]), "answer": _decoded(data, answer)}


def _text(data: Dataset, tokens: np.ndarray) -> dict[str, Any]:
    return {"text": _decoded(data, tokens)}


def _decoded(data: Dataset, tokens: np.ndarray | Sequence[int]) -> str:
    if data.encoding.text is not None:
        return data.encoding.text.decode(tokens)
    return " ".join(str(int(each)) for each in tokens if each != PADDING)


def _piece(data: Dataset, token: int) -> str:
    return data.encoding.text.decode([token]) if data.encoding.text is not None else str(token)


def _picture(sample: np.ndarray) -> dict[str, Any]:
    """Return the grey levels of a picture, from the lowest to the highest as bytes in hexadecimal; of what is none,
    nothing."""
    if sample.ndim != 3:
        return {}
    step = -(-max(sample.shape[:2]) // WIDEST)
    grey = sample[::step, ::step].astype(np.float64).mean(-1)
    low, high = grey.min(), grey.max()
    levels = np.rint(255 * (grey - low) / ((high - low) or 1)).astype(np.uint8)
    return {"height": len(levels), "width": levels.shape[1], "pixels": levels.tobytes().hex()}
