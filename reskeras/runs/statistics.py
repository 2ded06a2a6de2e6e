"""What is measured of a training: the names in the tables, what they mean, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Statistic:
    """A column of numbers in a table.

    Attributes:
        name: what it is called in files and in code.
        title: what it is called on a screen.
        meaning: what it is, in a sentence, with its source.
        level: the lowest level of telemetry that measures it.
        log: whether it is looked at on a logarithmic scale.
    """

    name: str
    title: str
    meaning: str
    level: str = "norms"
    log: bool = True


LEVELS = ("off", "norms", "probes", "deep")
"""How much is measured, each level with all of the one before it."""

OF_WEIGHTS = (
    Statistic(
        "gradient_norm",
        "gradient norm",
        "Euclidean norm of the gradient that the backend computed: unscaled, averaged where gradients are accumulated, "
        "before any clipping.",
    ),
    Statistic(
        "clipped_norm",
        "clipped norm",
        "Norm of the gradient after clipping; not measured where the optimizer clips nothing.",
    ),
    Statistic("weight_norm", "weight norm", "Norm of the weight before the step."),
    Statistic(
        "update_ratio",
        "update ratio",
        "Norm of what the step added to the weight, weight decay and all, over the weight's norm: about 1e-3 is "
        "healthy; not a number for a weight of 0.",
    ),
    Statistic("nan_count", "NaN", "Entries of the gradient that are not a number.", log=False),
    Statistic("inf_count", "infinite", "Entries of the gradient that are infinite.", log=False),
    Statistic("zero_share", "share of zeros", "Share of the gradient's entries that are 0.", "deep", log=False),
)
"""Of each weight, layer and block, and of all weights together. A layer's norm is that of all of its weights as one."""

OF_BLOCKS = (
    Statistic(
        "forward_rms",
        "forward RMS",
        "Root of the mean square of the block's output: grows or falls with depth where the signal explodes or fades.",
        "probes",
    ),
    Statistic(
        "backward_norm",
        "dE/dx",
        "Norm of the gradient of the loss with respect to the block's output over the batch, the quantity of He et al. "
        "2016 (1603.05027), equation 5.",
        "probes",
    ),
    Statistic(
        "branch_ratio",
        "branch over skip",
        "RMS of what the block added to its input over the RMS of that input; for blocks that keep the shape.",
        "probes",
    ),
    Statistic(
        "dead_share",
        "dead units",
        "Share of the channels that are 0 for every sample and place of the batch.",
        "probes",
        log=False,
    ),
    Statistic(
        "saturated_share",
        "saturated",
        "Share of the outputs of an absolute value above 0.97, where tanh passes less than 6 % of the gradient.",
        "deep",
        log=False,
    ),
    Statistic(
        "gradient_cosine",
        "likeness of gradients",
        "Mean cosine of dE/dx between two samples of the batch: near 0 where gradients are shattered (Balduzzi et al. "
        "2017, 1702.08591).",
        "deep",
        log=False,
    ),
    Statistic(
        "token_residual",
        "distance of tokens",
        "Norm of the tokens' distances to their mean over the norm of the tokens: falls to 0 where attention collapses "
        "to rank one (Dong et al. 2021, 2103.03404); of sequences only.",
        "deep",
    ),
    Statistic(
        "identity_cosine",
        "share of the skip",
        "Cosine of dE/dx at the block's input and at its output: near 1 where the gradient came through the skip; for "
        "blocks that keep the shape.",
        "deep",
        log=False,
    ),
    Statistic("gate_openness", "open gate", "Mean of a highway block's transform gate.", "deep", log=False),
)
"""Of each block's output."""

OF_RUN = (
    Statistic("learning_rate", "learning rate", "Learning rate of the step."),
    Statistic("loss_scale", "loss scale", "What the loss is multiplied by against underflow; 1 where it is not."),
    Statistic("skipped", "skipped steps", "Steps skipped so far, their float16 gradients infinite.", log=False),
    Statistic(
        "noise_scale",
        "noise scale",
        "Gradient noise scale (McCandlish et al. 2018, 1812.06162, appendix A.1) in parts of a batch, which are the "
        "micro-batches of an accumulated gradient, or on TensorFlow the shares of several devices: in a batch of so "
        "many parts, noise and gradient are equally large. A running mean over ten steps.",
    ),
)
"""Of the training as a whole, in the table `run`; of all gradients together see the group `run` of `weights`."""

GRADIENT_RMS = Statistic(
    "gradient_rms",
    "gradient RMS",
    "Root of the mean square of the gradient's entries, which puts weights of all sizes on one scale. In no table, but "
    "worked out of the norm and the number of entries.",
)

ALL = {each.name: each for each in (*OF_WEIGHTS, *OF_BLOCKS, *OF_RUN, GRADIENT_RMS)}


def reaches(level: str, least: str) -> bool:
    """Return whether a level measures what another does."""
    return LEVELS.index(level) >= LEVELS.index(least)


def table_of(statistic: str) -> str:
    """Return the name of the table that a statistic is in."""
    tables = {"weights": (*OF_WEIGHTS, GRADIENT_RMS), "blocks": OF_BLOCKS, "run": OF_RUN}
    return next(name for name, those in tables.items() if ALL[statistic] in those)
