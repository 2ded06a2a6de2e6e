"""Verdicts on a training: what is wrong with it, or that it is healthy, from the numbers of its tables alone.

    for verdict in reskeras.verdicts.of(reskeras.runs.open("runs/my-run")):
        print(verdict.symbol, verdict.text)

Each rule is a function of recorded series that can be called on its own, with its definition, its thresholds and their
source beside it: `depth` has those on what changes over depth, `units` those on units and numbers, `rate` those on the
learning rate and on time, `loss` the one on the loss.
"""

from reskeras.verdicts.depth import (
    Slope,
    exploding_backward,
    exploding_forward,
    exploding_weights,
    identity_share,
    rank_collapse,
    shattered,
    slope_over_depth,
    vanishing,
    vanishing_weights,
)
from reskeras.verdicts.diagnosis import of
from reskeras.verdicts.loss import guessing
from reskeras.verdicts.rate import growing, too_cold, too_hot
from reskeras.verdicts.units import dead, not_a_number, saturated, without_gradient
from reskeras.verdicts.verdict import SEVERITIES, Verdict

__all__ = [
    "SEVERITIES",
    "Slope",
    "Verdict",
    "dead",
    "exploding_backward",
    "exploding_forward",
    "exploding_weights",
    "growing",
    "guessing",
    "identity_share",
    "not_a_number",
    "of",
    "rank_collapse",
    "saturated",
    "shattered",
    "slope_over_depth",
    "too_cold",
    "too_hot",
    "vanishing",
    "vanishing_weights",
    "without_gradient",
]
