"""Rules on how training goes on in time: the learning rate, and gradients that grow."""

from __future__ import annotations

import numpy as np

from reskeras.runs.tables import Series
from reskeras.verdicts.recorded import LEAST_STEPS, columns, lengths, measured, middle, recent
from reskeras.verdicts.verdict import Verdict, number, steps_of

HEALTHY_RATIO = 1e-3
"""About this part of each weight changes in a step of a healthy training (Stanford's cs231n, notes on neural networks,
part 3, "ratio of weights:updates")."""

HOT_RATIO = 1e-1
"""Two decades above `HEALTHY_RATIO`. Our own measure: small networks whose kernels start as Glorot or He say stay below
it with Adam at 0.001 and at 0.01, and exceed it in 4 to 6 steps at 0.1."""

HOT_STEPS = 3
"""Steps above `HOT_RATIO` that make a verdict: after three, a third of a weight is new. The first step of Adam alone,
which is as large for every gradient, makes none."""

COLD_RATIO = 1e-5
"""Two decades below `HEALTHY_RATIO`: a weight takes 100,000 steps to change."""

FROZEN_RATIO = 2.0**-24
"""Half of float32's spacing: updates below this part of a weight are rounded away."""

GREAT_GROWTH_IN_TIME = 1e3
"""Growth of the gradient's norm since the first steps that is called exploding. Our own measure: up to 10 in small
Transformers that learn."""

UTTER_GROWTH_IN_TIME = 1e6
"""Growth of the gradient's norm since the first steps at which nothing is learnt."""


def too_hot(update_ratio: Series) -> Verdict | None:
    """Say from the updates of kernels whether the learning rate is, or was, so high that it wiped out what there was.

    It is where the middle kernel's update exceeded `HOT_RATIO` of the kernel in `HOT_STEPS` steps or more of the whole
    training: weights grow from such steps until the ratio is an ordinary one, so that looking at the recent steps alone
    would miss it. Severe where it is so now, or where an update was larger than the kernel. Kernels that start at 0 are
    left out, for their first updates are all they consist of.

    Args:
        update_ratio: of kernels: biases and scales of normalisation start at 0 or 1, and have ratios of their own.

    Source: Stanford's cs231n, notes on neural networks, part 3.
    """
    known = measured(update_ratio)
    known = columns(known, np.flatnonzero(np.isfinite(known.median[0]))) if len(known.last) else known
    if lengths(known).sum() < LEAST_STEPS or not known.names:
        return None
    ratio = _middle_kernel(known)
    hot = ratio > HOT_RATIO
    steps = int(lengths(known)[hot].sum())
    if steps < HOT_STEPS:
        return None
    first, last, most = int(known.first[hot][0]), int(known.last[hot][-1]), float(ratio[hot].max())
    now = _now(known)
    text = (
        f"The learning rate is too high: in {steps} steps ({steps_of(first, last)}) the middle kernel was changed by "
        f"more than {HOT_RATIO:g} of its norm, by {number(most)} at most; about {HEALTHY_RATIO:g} is healthy, and "
        f"{number(now)} it is now."
    )
    severity = "severe" if now > HOT_RATIO or most >= 1 else "warning"
    return Verdict("too hot", severity, text, {"steps": steps, "first": first, "most": most, "now": now})


def too_cold(update_ratio: Series, learning_rate: Series | None = None) -> Verdict | None:
    """Say from the updates of kernels whether the learning rate is so low that nothing is learnt.

    It is where the middle kernel's update has never exceeded `COLD_RATIO` of the kernel (warning) or `FROZEN_RATIO`
    (severe): never, for a training that converges, or whose rate is lowered to 0, ends with small updates rightly. No
    verdict while the rate still rises.

    Args:
        update_ratio: of kernels.
        learning_rate: of the run.

    Source: Stanford's cs231n, notes on neural networks, part 3.
    """
    known = measured(update_ratio)
    if lengths(known).sum() < LEAST_STEPS:
        return None
    ratio = _middle_kernel(known)
    ratio = ratio[np.isfinite(ratio)]
    if not len(ratio) or ratio.max() >= COLD_RATIO or _rises(learning_rate):
        return None
    most, now, steps = float(ratio.max()), float(np.median(ratio[-LEAST_STEPS:])), int(lengths(known).sum())
    text = (
        f"The learning rate is too low: in none of {steps} steps was the middle kernel changed by more than "
        f"{number(most)} of its norm; about {HEALTHY_RATIO:g} is healthy."
    )
    return Verdict("too cold", "severe" if most < FROZEN_RATIO else "warning", text, {"most": most, "now": now})


def growing(gradient_norm: Series) -> Verdict | None:
    """Say from the norm of the gradient of all weights whether it grows from step to step.

    It does where its median over the recent steps is `GREAT_GROWTH_IN_TIME` (warning) or `UTTER_GROWTH_IN_TIME`
    (severe) times that of the first `LEAST_STEPS` windows.

    Args:
        gradient_norm: of all weights together, one column, before clipping.

    Source: Pascanu et al. 2013 (1211.5063), section 2.
    """
    known, now = measured(gradient_norm), recent(gradient_norm)
    if now is None or lengths(known).sum() < 2 * LEAST_STEPS:
        return None
    before, after = (float(middle(each)[0]) for each in (known.median[:LEAST_STEPS], now.median))
    if not before > 0 or not after >= GREAT_GROWTH_IN_TIME * before:
        return None
    begin, end = int(known.first[0]), int(known.last[-1])
    text = (
        f"The norm of the gradient has grown {number(after / before)}-fold, from {number(before)} after step {begin} "
        f"to {number(after)} at step {end}."
    )
    numbers = {"before": before, "now": after, "growth": after / before}
    severity = "severe" if after >= UTTER_GROWTH_IN_TIME * before else "warning"
    return Verdict("exploding", severity, text, numbers)


def middle_ratio(update_ratio: Series) -> float:
    """Return the middle kernel's update ratio, the median over the recent steps; NaN where too few were measured."""
    now = recent(update_ratio)
    return np.nan if now is None else _now(now)


def _now(series: Series) -> float:
    return float(middle(_middle_kernel(recent(series))[:, None])[0])


def _middle_kernel(series: Series) -> np.ndarray:
    """Return of each window the median over kernels, the lower one of two: where half of them start at 0, as in LoRA,
    the others count."""
    values = np.sort(series.median.astype(np.float64), axis=1)  # What is not a number comes last.
    count = np.maximum((~np.isnan(values)).sum(1), 1)
    return np.take_along_axis(values, ((count - 1) // 2)[:, None], axis=1)[:, 0]


def _rises(learning_rate: Series | None) -> bool:
    if learning_rate is None or not len(learning_rate.last):
        return False
    rate = learning_rate.median[:, 0]
    return bool(rate[-1] >= np.nanmax(rate) and rate[-1] > 1.5 * rate[0])
