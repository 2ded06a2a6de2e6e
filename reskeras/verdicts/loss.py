"""A rule on the loss itself: whether anything has been learnt."""

from __future__ import annotations

import math

import numpy as np

from reskeras.verdicts.recorded import RECENT_STEPS
from reskeras.verdicts.verdict import Verdict

LEAST_STEPS = 200
"""Earlier, a learning rate may still be rising, and running means be far from what they estimate."""

GUESSING = 0.97
"""The part of the loss of an even guess from which on a loss is called no better. Our own measure: of the two recorded
trainings of 56 layers that the terminal UI shows, that without skips is at 0.98 after 200 steps, that with skips at
0.05."""


def guessing(curve: np.ndarray, classes: int) -> Verdict | None:
    """Say whether the loss is still that of an even guess, the logarithm of how many classes there are.

    It is so where the mean over the last `RECENT_STEPS` steps is `GUESSING` of that, or more. A network may have
    gradients of a good size in every layer, and yet none that lead anywhere: so deep networks without skips degrade
    although they are normalised (He et al. 2015, 1512.03385, sections 1 and 4.1).

    Args:
        curve: the training curve, whose loss is a cross-entropy in nats.
        classes: how many classes each answer is one of.
    """
    if not len(curve) or curve["step"][-1] < LEAST_STEPS:
        return None
    steps = int(curve["step"][-1])
    recent = curve["loss"][curve["step"] > steps - RECENT_STEPS]
    loss, guess = float(recent.mean(dtype=np.float64)), math.log(classes)
    if not loss >= GUESSING * guess:
        return None
    text = (
        f"After {steps} steps the loss is {loss:.3g}, and an even guess among {classes} classes has {guess:.3g}: "
        "nothing has been learnt yet."
    )
    return Verdict("guessing", "warning", text, {"loss": loss, "guess": guess, "steps": steps})
