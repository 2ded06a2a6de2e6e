"""All rules on one run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reskeras.runs.errors import RunError
from reskeras.runs.folder import Run, Weight
from reskeras.runs.settings import RunSettings
from reskeras.runs.statistics import OF_WEIGHTS
from reskeras.runs.tables import Series
from reskeras.verdicts import depth, loss, rate, units
from reskeras.verdicts.recorded import LEAST_STEPS, columns, lengths, measured, scaled, windows
from reskeras.verdicts.verdict import SEVERITIES, Verdict, number

NO_KERNELS = ("bias", "beta", "gamma")
"""What weights of two axes or more are called that are no kernels: attention has a bias for each head, and keys' biases
have no gradient at all, for softmax does not see them."""

OFFSETS = ("/beta", "/bias")
"""What weights are called that are added to a stream; those of normalisation first, for biases that another layer
normalises away have no gradient."""


# A training that diverges has infinite and undefined numbers, and so may a file from anywhere have.
@np.errstate(all="ignore")
def of(run: Run) -> list[Verdict]:
    """Return what can be said of a run from what was measured of it so far, worst first.

    Nothing is said where nothing was measured, or less than `LEAST_STEPS` steps; rules on blocks say nothing where only
    norms were recorded. `"healthy"` is said where no rule warns, beside notes.

    Raises:
        RunError: where a table is damaged.
    """
    weights = run.weights()
    if not weights:
        return []
    _check_whole(run)
    kernels, rows = kernels_of(weights), len(run.series("gradient_norm", "run").last)

    def of_weights(statistic: str, by: str) -> Series:
        # A run that goes on may grow between two readings; rules compare window by window.
        return windows(run.series(statistic, by), slice(rows))

    norms, total = of_weights("gradient_norm", "weight"), of_weights("gradient_norm", "run")
    gradients, ratios = columns(norms, kernels), columns(of_weights("update_ratio", "weight"), kernels)
    layers = [of_weights(each, "layer") for each in ("nan_count", "inf_count", "weight_norm")]
    forward, backward = run.series("forward_rms", "block"), run.series("backward_norm", "block")
    if len(measured(backward).last):
        vanishing, exploding = depth.vanishing(backward), depth.exploding_backward(backward)
    else:
        places = offsets_of(weights) or kernels
        rms = scaled(columns(norms, places), np.array([np.prod(weights[place].shape) ** -0.5 for place in places]))
        vanishing, exploding = depth.vanishing_weights(rms), depth.exploding_weights(rms)
    without = units.without_gradient(gradients, total)
    found = [
        units.not_a_number(*layers, forward, run.series("loss_scale", "run")),
        units.dead(run.series("dead_share", "block")),
        without,
        vanishing,
        depth.exploding_forward(forward),
        exploding,
        rate.growing(total),
        depth.rank_collapse(run.series("token_residual", "block")),
        units.saturated(run.series("saturated_share", "block"), forward),
        rate.too_hot(ratios),
        # Weights that get no gradient change little at any rate.
        None if vanishing or without else rate.too_cold(ratios, run.series("learning_rate", "run")),
        depth.shattered(run.series("gradient_cosine", "block")),
        _guessing(run),
    ]
    verdicts = [each for each in found if each is not None]
    if all(each.severity == "note" for each in verdicts) and lengths(measured(total)).sum() >= LEAST_STEPS:
        verdicts.append(_healthy(total, ratios, backward))
    # Among equally bad ones, causes come before what follows from them: the order of the list.
    return sorted(verdicts, key=lambda each: -SEVERITIES.index(each.severity))


def _guessing(run: Run) -> Verdict | None:
    """Return what the loss says of a run whose loss is known to be the cross-entropy of classes."""
    try:
        settings = run.settings
    except RunError:
        return None
    # A game's loss is that of its moves and of its value together; of a script's nobody knows what it is.
    if not isinstance(settings, RunSettings) or settings.task == "game":
        return None
    return loss.guessing(run.curve(), settings.classes)


def _check_whole(run: Run) -> None:
    """Raise RunError where the table of weights lacks what every training measures."""
    header = run.table("weights").header
    lacking = [each.name for each in OF_WEIGHTS if each.level == "norms" and each.name not in header.statistics]
    lacking += [group for group in ("weight", "layer", "run") if group not in header.groups]
    if lacking:
        raise RunError(f"The table of weights in {run.folder} is damaged: it lacks {', '.join(lacking)}.")


def kernels_of(weights: Sequence[Weight]) -> list[int]:
    """Return the places of the kernels: weights of two axes or more that are neither biases nor scales."""
    return [
        place
        for place, each in enumerate(weights)
        if len(each.shape) > 1 and 0 not in each.shape and not each.path.endswith(NO_KERNELS)
    ]


def offsets_of(weights: Sequence[Weight]) -> list[int]:
    """Return the places of weights that are added to a stream, of one kind only; none where they are too few."""
    for name in OFFSETS:
        found = [i for i, each in enumerate(weights) if len(each.shape) == 1 and each.path.endswith(name)]
        if len(found) >= depth.LEAST_DEPTH:
            return found
    return []


def _healthy(total: Series, ratios: Series, backward: Series) -> Verdict:
    known = measured(total)
    numbers = {"steps": int(lengths(known).sum())}
    said = []
    ratio, slope = rate.middle_ratio(ratios), depth.trend(backward)
    if np.isfinite(ratio):
        numbers["update_ratio"] = ratio
        said.append(f"the middle kernel is changed by {number(ratio)} of its norm in a step")
    if np.isfinite(slope.decades):
        numbers.update(slope=slope.per_block, decades=slope.decades)
        said.append(f"dE/dx lies within {number(slope.decades)} decades over {len(backward.names)} blocks")
    else:
        said.append("outputs of blocks were not measured")
    text = f"Nothing wrong was found in {numbers['steps']} steps: {'; '.join(said)}."
    return Verdict("healthy", "healthy", text, numbers)
