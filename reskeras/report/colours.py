"""The colours of charts: a map whose brightness rises with the value, and hues that colour-blind eyes keep apart."""

from __future__ import annotations

import numpy as np

CIVIDIS = (
    (0, 32, 77),
    (0, 51, 111),
    (57, 72, 107),
    (87, 92, 109),
    (112, 113, 115),
    (138, 135, 121),
    (166, 157, 117),
    (196, 181, 108),
    (228, 207, 91),
    (255, 234, 70),
)
"""Anchors of cividis (Nuñez, Anderton and Renslow 2018), evenly spaced."""

LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b45c7", "#444444")
"""Hues after Okabe and Ito (2008); lines are told apart by dashes and letters too."""


def palette(levels: int) -> np.ndarray:
    """Return so many colours of cividis, dark to bright, (levels, 3) as bytes."""
    anchors = np.array(CIVIDIS, float)
    position = np.linspace(0, len(anchors) - 1, levels)
    channels = [np.interp(position, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    return np.stack(channels, 1).round().astype(np.uint8)
