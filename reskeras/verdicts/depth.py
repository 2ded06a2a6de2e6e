"""Rules on what changes over depth: the gradient, the signal, and what tells samples and tokens apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reskeras.runs.tables import Series
from reskeras.verdicts.recorded import columns, measured, middle, recent
from reskeras.verdicts.verdict import Verdict, names_of, number

WEAK_GRADIENT = 1e-3
"""A gradient of this part of another is weak: at one learning rate, its weights take a thousand times longer. Our own
measure: the part was 0.2 or more in residual networks and Transformers of 2 to 16 blocks that learn."""

LOST_GRADIENT = 1e-6
"""A gradient of this part of another is lost: float32 keeps 7 digits, so that where the other weights learn these do
not change. A skip of 0.5 x leaves less after 20 blocks (He et al. 2016, 1603.05027, section 3.1)."""

GREAT_SIGNAL = 3.0
"""Decades over depth from which the signal is called exploding. With normalisation inside of branches it grows as the
root of depth, 1.5 decades over 1,000 blocks (De and Smith 2020, 2002.10444, section 3); without, the variance doubles
with each block, 3 decades over 20."""

GREAT_GRADIENT = 2.0
"""Decades over depth from which dE/dx is called exploding. Our own measure: at most 1.6 in networks with skips of 6 to
60 blocks; 2.5 to 5.3 without skips, of 20 normalised blocks or more."""

GREAT_WEIGHT_GRADIENT = 2.5
"""The same of the gradients of biases, which are sums over places: shallow stages of larger maps have more of these.
Our own measure: at most 1.6 in networks with skips of 6 to 60 blocks, 3 to 5.8 without."""

UTTER_GROWTH = 6.0
"""Decades over depth from which nothing is learnt: float16 ends at 65,504, and float32 keeps 7 digits."""

LEAST_DEPTH = 4
"""Over fewer blocks there is no depth to speak of."""

LEAST_GROWTH_DEPTH = 8
"""Over fewer blocks a trend cannot be told from the one or two odd ones that embed samples."""

ALIKE_TOKENS = 1e-2
"""Tokens that differ by this part of their norm: their mean cosine is 0.9999. Our own measure: it is 0.3 to 0.9 at the
last block of Transformers of 2 to 8 layers that learn."""

EQUAL_TOKENS = 1e-4
"""Tokens that differ by less are one token to bfloat16, which keeps 2 to 3 digits, and nearly so to float32."""

LIKE_GRADIENTS = 0.1
"""A mean cosine between the gradients of two samples that is no chance: for B samples of d numbers chance makes about
1 / (B sqrt(d))."""

SHATTERED_PART = 0.1
"""The part of that likeness from which gradients of shallow blocks are called shattered."""


class Slope(NamedTuple):
    """How a positive quantity changes over depth.

    Attributes:
        per_block: slope of its log10, in decades a block; above 0 where it is larger in deep blocks.
        decades: largest log10 less smallest.
    """

    per_block: float
    decades: float


def slope_over_depth(values: np.ndarray) -> Slope:
    """Return the least-squares slope of log10 of a quantity over depth, and its span in decades.

    Of the norm of dE/dx it is one number for the question whether gradients vanish: above 0 they fall on the way from
    the loss to the input, by a factor for each block, as in a plain network; round skips it is about 0 (He et al.
    2016, 1603.05027, equation 5).

    Args:
        values: (N,), shallow first; what is not a positive number is left out.

    Returns:
        Both NaN where fewer than two are left.
    """
    logs, places = _logs(values)
    if len(logs) < 2:
        return Slope(np.nan, np.nan)
    places = places - places.mean()
    return Slope(float(places @ (logs - logs.mean()) / (places @ places)), float(np.ptp(logs)))


def identity_share(backward_norm: np.ndarray) -> np.ndarray:
    """Return the norm of dE/dx_L over that of each dE/dx_l: how much of a gradient the skips alone account for.

    By equation 5 of He et al. 2016 (1603.05027), dE/dx_l is dE/dx_L, which came through the skips, and what came
    through branches. About 1: skips alone; far below 1: branches have added to it; above 1: it has been weakened.

    Args:
        backward_norm: (..., N), shallow first.

    Returns:
        (..., N); NaN where a gradient is 0.
    """
    norms = np.asarray(backward_norm, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(norms > 0, norms[..., -1:] / norms, np.nan)


def vanishing(backward_norm: Series) -> Verdict | None:
    """Say from the norms of dE/dx at blocks whether the shallow ones get none.

    The shallowest blocks, as many as there are in a row, whose norm is below `LOST_GRADIENT` (severe) or
    `WEAK_GRADIENT` (warning) of that of the deepest, each a median over the recent steps.

    Source: Hochreiter 1991; Glorot and Bengio 2010, section 4.2; He et al. 2016 (1603.05027), section 2.
    """
    return _vanishing(backward_norm, "dE/dx", -1)


def vanishing_weights(gradient_rms: Series) -> Verdict | None:
    """Say from gradients of weights whether shallow ones get none, where no block was probed.

    As `vanishing`, held against the largest of the deeper half without the very last, the classifier's, whose gradient
    is larger than those of others in healthy networks too.

    Args:
        gradient_rms: norms of gradients over the root of the weights' sizes, of one weight a layer, in the order of the
            forward pass. Those of biases tell most: summed over samples and places, dE/dx is their gradient. A kernel's
            is its product with the layer's input, and stays the same over depth where one grows as the other falls.

    Source: Glorot and Bengio 2010, section 4.2.1 and figure 7.
    """
    now = recent(gradient_rms)
    if now is None or len(now.names) < LEAST_DEPTH:
        return None
    half = len(now.names) // 2
    deep = middle(now.median)[half:-1]
    if not np.isfinite(deep).any():
        return None
    return _vanishing(gradient_rms, "the gradient (RMS)", half + int(np.nanargmax(deep)), half)


def _vanishing(series: Series, what: str, reference: int, among: int | None = None) -> Verdict | None:
    now = recent(series)
    if now is None:
        return None
    level = middle(now.median)
    whole, name = level[reference], now.names[reference]
    known = np.flatnonzero(np.isfinite(level[:among]))
    if not whole > 0 or len(known) < 2:
        return None
    part = level[known] / whole
    lost, weak = (int(np.argmin(np.append(part < bound, False))) for bound in (LOST_GRADIENT, WEAK_GRADIENT))
    if not weak:
        return None
    severity, bound, count = ("severe", LOST_GRADIENT, lost) if lost else ("warning", WEAK_GRADIENT, weak)
    where = tuple(now.names[place] for place in known[:count])
    steps = _steps_below(series, known[:count], reference, bound)
    slope = slope_over_depth(level if among is None else level[:-1])
    text = (
        f"{names_of(where)}: {what} below {bound:g} of {name} for {steps} steps, {number(part[:count].min())} of it at "
        f"the least; over all depth, its log10 rises by {slope.per_block:.2g} from one to the next."
    )
    numbers = {"below": bound, "least": float(part[:count].min()), "steps": steps, "blocks": count}
    return Verdict("vanishing", severity, text, {**numbers, **_of(slope)}, where)


def _steps_below(series: Series, places: np.ndarray, reference: int, bound: float) -> int:
    """Return for how many last steps the median of some columns has been below a part of another."""
    known = measured(series)
    with np.errstate(invalid="ignore"):
        fine = np.median(known.median[:, places], axis=1) >= bound * known.median[:, reference]
    if fine[-1]:
        return 1  # The last step alone is an exception among the recent ones.
    begin = np.flatnonzero(fine)[-1] + 1 if fine.any() else 0
    return int(known.last[-1] - known.first[begin] + 1)


def exploding_forward(forward_rms: Series) -> Verdict | None:
    """Say from the RMS of blocks' outputs whether the signal explodes over depth.

    It does where it grows by `GREAT_SIGNAL` decades (warning) or `UTTER_GROWTH` (severe) from the least of the first
    half to the largest of the second, and by as many as a trend, which a few odd blocks do not make: twice the growth
    over half of the depth, from whatever block one begins, but for a quarter of them.

    Source: He et al. 2015 (1502.01852), section 2.2; Zhang et al. 2019 (1901.09321), section 2: without normalisation,
    branches started as He et al. say double the variance with each block.
    """
    return _exploding(forward_rms, "Forward RMS grows", 1, GREAT_SIGNAL)


def exploding_backward(backward_norm: Series) -> Verdict | None:
    """Say from the norms of dE/dx at blocks whether the gradient explodes on its way to the input.

    As `exploding_forward`, from the deepest block to the first and by `GREAT_GRADIENT` decades.

    Source: Yang et al. 2019 (1902.08129), section 3: in plain networks of batch normalisation and ReLU, the squared
    norm grows by pi / (pi - 1) with each layer.
    """
    return _exploding(backward_norm, "dE/dx grows", -1, GREAT_GRADIENT)


def exploding_weights(gradient_rms: Series) -> Verdict | None:
    """Say from gradients of weights whether the gradient explodes on its way to the input, where no block was probed.

    As `exploding_backward`, without the very last weight and by `GREAT_WEIGHT_GRADIENT` decades; arguments as in
    `vanishing_weights`.

    Source: as for `exploding_backward`.
    """
    inner = columns(gradient_rms, range(len(gradient_rms.names) - 1))
    return _exploding(inner, "The gradient (RMS) grows", -1, GREAT_WEIGHT_GRADIENT)


def _exploding(series: Series, what: str, direction: int, bound: float) -> Verdict | None:
    now = recent(series)
    if now is None:
        return None
    level = middle(now.median)[::direction]
    logs, places = _logs(level)
    if len(logs) < LEAST_GROWTH_DEPTH:
        return None
    half = len(logs) // 2
    trend = np.quantile(logs[half:] - logs[:-half], 0.25) * (len(logs) - 1) / half
    low, high = int(logs[:half].argmin()), half + int(logs[half:].argmax())
    decades = float(min(trend, logs[high] - logs[low]))
    if decades < bound:
        return None
    names = now.names[::direction]
    first, last = names[places[low]], names[places[high]]
    begin, end = level[places[low]], level[places[high]]
    text = (
        f"{what} from {number(begin)} at {first} to {number(end)} at {last}: {number(end / begin)}-fold over "
        f"{len(logs)} of them."
    )
    numbers = {"first": float(begin), "last": float(end), "decades": decades, "blocks": len(logs)}
    severity = "severe" if decades >= UTTER_GROWTH else "warning"
    return Verdict("exploding", severity, text, numbers)


def rank_collapse(token_residual: Series) -> Verdict | None:
    """Say from the distances of tokens to their mean whether attention has made all tokens of a sequence alike.

    It has where the last block's is below `EQUAL_TOKENS` (severe) or `ALIKE_TOKENS` (warning), and the largest of the
    blocks before it was ten times that: tokens that are alike from the start are no collapse. Blocks where it is
    exactly 0 are left out: their sequences are of a single token.

    Source: Dong et al. 2021 (2103.03404), theorem 2.2: without skips, the distance falls doubly exponentially in depth.
    """
    now = recent(token_residual)
    if now is None:
        return None
    level = middle(now.median)
    known = np.flatnonzero(level > 0)
    if len(known) < 2:
        return None
    level, last = level[known], level[known[-1]]
    if last >= ALIKE_TOKENS or level.max() < 10 * last:
        return None
    largest = int(level.argmax())
    alike = [place for place in range(largest, len(known)) if (level[place:] < ALIKE_TOKENS).all()]
    where = tuple(now.names[known[place]] for place in alike)
    text = (
        f"{names_of(where)}: tokens of a sequence differ by less than {ALIKE_TOKENS:g} of their norm, after "
        f"{number(level[largest])} at {now.names[known[largest]]}; by {number(last)} in the last block."
    )
    numbers = {"largest": float(level[largest]), "last": float(last), "blocks": len(where)}
    return Verdict("rank collapse", "severe" if last < EQUAL_TOKENS else "warning", text, numbers, where)


def shattered(gradient_cosine: Series) -> Verdict | None:
    """Say from the likeness of gradients between samples whether it is lost over depth.

    A note, no warning: where the loss itself asks for different things of the samples, their gradients are unlike at
    the deepest block already, and nothing can be said. Where they are alike there (a mean cosine of `LIKE_GRADIENTS`)
    and at the shallowest block less than `SHATTERED_PART` of it is left, what samples have in common is lost to noise.

    Source: Balduzzi et al. 2017 (1702.08591), section 2: correlations fall by half with each layer of a plain network,
    and with the root of depth in a residual one. They are of neighbouring inputs there, of the batch's samples here.
    """
    now = recent(gradient_cosine)
    if now is None:
        return None
    level = middle(now.median)
    known = np.flatnonzero(np.isfinite(level))
    if len(known) < LEAST_DEPTH:
        return None
    shallow, deep = float(level[known[0]]), float(level[known[-1]])
    if deep < LIKE_GRADIENTS or shallow >= SHATTERED_PART * deep:
        return None
    where = tuple(now.names[place] for place in known if level[place] < SHATTERED_PART * deep)
    text = (
        f"Gradients of different samples have a mean cosine of {deep:.2g} at {now.names[known[-1]]} and of "
        f"{shallow:.2g} at {now.names[known[0]]}: what they have in common is lost on the way to the input."
    )
    return Verdict("shattered", "note", text, {"deepest": deep, "shallowest": shallow}, where)


def trend(series: Series) -> Slope:
    """Return the slope over depth of the recent medians of a series."""
    now = recent(series)
    return Slope(np.nan, np.nan) if now is None else slope_over_depth(middle(now.median))


def _logs(values) -> tuple[np.ndarray, np.ndarray]:
    """Return log10 of what is a positive number, and its places."""
    values = np.asarray(values, np.float64)
    places = np.flatnonzero(np.isfinite(values) & (values > 0))
    return np.log10(values[places]), places


def _of(slope: Slope) -> dict[str, float]:
    return {"slope": slope.per_block, "decades": slope.decades} if np.isfinite(slope.decades) else {}
