"""Rules on units that pass no signal and weights that get no gradient."""

from __future__ import annotations

import numpy as np

from reskeras.runs.tables import Series
from reskeras.verdicts.recorded import at, measured, middle, recent, windows
from reskeras.verdicts.verdict import Verdict, number, percent, some_of, steps_of

MANY_DEAD = 0.4
"""The share of dead units from which a block is named: "as much as 40 % of your network can be dead" where the learning
rate is too high (Stanford's cs231n, notes on neural networks, part 1, ReLU)."""

MOST_DEAD = 0.9
"""The share of dead units at which next to nothing passes a block."""

MANY_SATURATED = 0.5
"""The share of saturated outputs from which a block is named. Of a normal distribution of an RMS of 1, a third lies
above 0.97, and of no bell-shaped one of at most 1 half: such a share says that outputs are pressed against a bound."""

MOST_SATURATED = 0.9
"""The share of saturated outputs in the middle block at which next to no gradient passes the network."""


def dead(dead_share: Series) -> Verdict | None:
    """Say from the shares of channels that are 0 for a whole batch which blocks have dead units.

    A unit is dead that is 0 for every sample of all recent batches. Which ones are 0 in a batch is not recorded; but
    dead ones are among them in each, so that the least share of the recent steps is held against `MANY_DEAD` (warning)
    and `MOST_DEAD` (severe). Seen where a block ends with a ReLU; behind a skip, `without_gradient` sees it.

    Source: Lu et al. 2019 (1903.06733), section 2.
    """
    now = recent(dead_share)
    if now is None:
        return None
    share = np.where(np.isnan(now.least), np.inf, now.least).min(0)
    share = np.where(np.isfinite(share), share, 0.0)
    hit = np.flatnonzero(share >= MANY_DEAD)
    if not len(hit):
        return None
    where, worst = tuple(now.names[place] for place in hit), int(share.argmax())
    text = (
        f"{some_of(where)}: {_range(share[hit])} of the channels were 0 for every sample in each of the last "
        f"{_count(now)} steps{_most(where, now.names[worst])}."
    )
    numbers = {"share": float(share[worst]), "blocks": len(hit), "steps": _count(now)}
    return Verdict("dead", "severe" if share[worst] >= MOST_DEAD else "warning", text, numbers, where)


def without_gradient(gradient_norm: Series, of_all: Series) -> Verdict | None:
    """Say from gradients that are exactly 0 which kernels learn nothing: units behind them, or before them, are dead.

    Exactly 0 in all recent steps in which the gradient of all weights together was not. Severe where it is half of the
    kernels or more. No gradient of units that are alive comes out as exactly 0, but for that of a softmax over a single
    token and one that left the range of float32.

    Args:
        gradient_norm: of kernels.
        of_all: of all weights together, one column, in the same windows.

    Source: Lu et al. 2019 (1903.06733), section 2: past a layer that is dead, no gradient comes.
    """
    now = recent(windows(gradient_norm, of_all.largest[:, 0] > 0)) if of_all.names else None
    if now is None:
        return None
    hit = np.flatnonzero((now.largest == 0).all(0))
    if not len(hit):
        return None
    where = tuple(now.names[place] for place in hit)
    text = (
        f"{some_of(where)}: the gradient is exactly 0 in the last {_count(now)} steps ({len(hit)} of {len(now.names)} "
        f"kernels learn nothing): units before or behind are dead, or nothing uses it."
    )
    numbers = {"kernels": len(hit), "of": len(now.names), "steps": _count(now)}
    return Verdict("dead", "severe" if 2 * len(hit) >= len(now.names) else "warning", text, numbers, where)


def saturated(saturated_share: Series, forward_rms: Series) -> Verdict | None:
    """Say from the shares of outputs above 0.97 which blocks of tanh, or of sigmoid, are saturated.

    Outputs above 0.97 mean nothing where outputs have no bound, as those of a skip. Bounded by 1 they are where the RMS
    never exceeds 1 while half of them lie above 0.97: there, the median share of the recent steps is held
    against `MANY_SATURATED`: a warning, and severe where it is `MOST_SATURATED` in the middle one of all blocks.

    Source: Glorot and Bengio 2010, section 3.
    """
    now, signal = recent(saturated_share), recent(forward_rms)
    if now is None or signal is None or signal.names != now.names:
        return None
    share = middle(now.median)
    with np.errstate(invalid="ignore"):
        bounded = (np.where(np.isnan(signal.largest), np.inf, signal.largest) <= 1).all(0)
    hit = np.flatnonzero(bounded & (np.nan_to_num(share) >= MANY_SATURATED))
    if not len(hit):
        return None
    where, worst = tuple(now.names[place] for place in hit), hit[share[hit].argmax()]
    text = (
        f"{some_of(where)}: {_range(share[hit])} of the outputs are above 0.97, where tanh passes less than 6 % of the "
        f"gradient in the last {_count(now)} steps{_most(where, now.names[worst])}."
    )
    numbers = {"share": float(share[worst]), "blocks": len(hit), "steps": _count(now)}
    most = np.median(np.where(bounded, share, 0.0)) >= MOST_SATURATED
    return Verdict("saturated", "severe" if most else "warning", text, numbers, where)


def not_a_number(
    nan_count: Series,
    inf_count: Series,
    weight_norm: Series | None = None,
    forward_rms: Series | None = None,
    loss_scale: Series | None = None,
) -> Verdict | None:
    """Say where gradients first were not finite, and when.

    In the first step hit, what is not finite comes from, in this order: layers whose weights were so before the step,
    where others were not; else the shallowest block whose output was, where shallower ones were finite, since the
    signal flows forward; else the deepest layer whose gradient was, since gradients flow back. Severe where gradients
    are still not finite, else a warning. With a loss scale, steps of infinite gradients that are over are what it is
    for (Micikevicius et al. 2018, 1710.03740, section 3.2), and no verdict.

    Args:
        nan_count, inf_count: of each layer's gradient, in the order of the forward pass and in the same windows.
        weight_norm: of the same layers, before each step.
        forward_rms: of blocks.
        loss_scale: of the run.
    """
    nans, infinite = np.nan_to_num(nan_count.largest), np.nan_to_num(inf_count.largest)
    bad = (nans > 0) | (infinite > 0)
    hit = bad.any(1)
    if not hit.any():
        return None
    place, over = int(hit.argmax()), not hit[-1]
    first, last = int(nan_count.first[place]), int(nan_count.last[place])
    scale = at(loss_scale, last)
    if over and scale is not None and len(scale.names) and (scale.median > 1).all():
        return None
    layers = [nan_count.names[i] for i in np.flatnonzero(bad[place])]
    where, how = _origin(at(weight_norm, last), at(forward_rms, last), layers, first == last)
    counts = f"{number(nans[place].sum())} not a number, {number(infinite[place].sum())} infinite"
    after = (
        f"in {number(int((nan_count.last - nan_count.first + 1)[hit].sum()))} steps, over since"
        if over
        else f"to step {int(nan_count.last[-1])}"
    )
    text = (
        f"From {steps_of(first, last)} on, {after}: gradients of {len(layers)} of {len(nan_count.names)} layers were "
        f"not finite ({counts}); {how}."
    )
    numbers = {"step": first, "layers": len(layers), "nan": float(nans[place].sum())}
    numbers["inf"] = float(infinite[place].sum())
    return Verdict("not a number", "warning" if over else "severe", text, numbers, where)


def _origin(weights, forward, layers: list[str], one_step: bool) -> tuple[tuple[str, ...], str]:
    """Return where numbers were first lost, and the words for it."""
    if weights is not None and len(weights.last):
        lost = ~np.isfinite(weights.largest[0])
        names = tuple(weights.names[i] for i in np.flatnonzero(lost))
        if names and (one_step or not lost.all()):
            return names, f"the weights of {some_of(names)} were so before that step"
    if forward is not None and len(forward.last):
        lost = ~np.isfinite(forward.largest[0])
        if lost.any() and not lost[0]:
            name = forward.names[int(lost.argmax())]
            return (name,), f"{name} is the first block whose output was"
    return (layers[-1],), f"{layers[-1]} is the deepest of them, where it came in"


def _range(shares: np.ndarray) -> str:
    low, high = percent(shares.min()), percent(shares.max())
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _most(where: tuple[str, ...], worst: str) -> str:
    return f", most in {worst}" if len(where) > 1 else ""


def _count(series: Series) -> int:
    known = measured(series)
    return int((known.last - known.first + 1).sum())
