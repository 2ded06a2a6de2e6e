"""Layers of Transformers as data: attention and feed-forward part, each a block with a skip of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from reskeras.blocks.scales import DeepNorm
from reskeras.plan import Block, Skip
from reskeras.steps import (
    Activation,
    Attention,
    CrossAttention,
    Dense,
    Dropout,
    DropPath,
    Initializer,
    Norm,
    Start,
    Step,
)

NORMS = ("post", "pre", "deep", "none")
"""Where a part has its normalisation; `"deep"` is the `"post"` of DeepNorm, with alpha x and smaller weights."""


@dataclass(frozen=True)
class Joint:
    """How a part of a Transformer's layer rejoins the stream.

    Attributes:
        norm: `"post"` norm(x + f(x)) (Vaswani et al. 2017), `"pre"` x + f(norm(x)) (GPT-2), `"none"` x + f(x).
        skip: the skip round the part.
        dropout: dropout of what the part computes.
        drop_path: probability that the part is dropped as a whole, for each sample.
        epsilon: what the normalisation adds to the variance.
    """

    norm: str = "post"
    skip: Skip = field(default_factory=Skip)
    dropout: float = 0.0
    drop_path: float = 0.0
    epsilon: float = 1e-5

    def block(self, steps: tuple[Step, ...], label: str) -> Block:
        """Return the part that computes `steps` as a block called `label`."""
        norm = (Norm("layer", epsilon=self.epsilon),)
        drop = (Dropout(self.dropout),) if self.dropout else ()
        path = (DropPath(self.drop_path),) if self.drop_path else ()
        before, after = norm if self.norm == "pre" else (), norm if self.norm == "post" else ()
        return Block((*before, *steps, *drop, *path), self.skip, after, label)


def feed_forward(
    joint: Joint,
    width: int,
    units: int,
    activation: str = "relu",
    initializer: Start = "glorot_uniform",
    output_initializer: Start = "glorot_uniform",
    deepnorm: DeepNorm | None = None,
) -> Block:
    """Return the feed-forward part: to `units`, an activation, and back to `width` (Vaswani et al. 2017, equation 2).

    Args:
        joint: how it rejoins the stream.
        width: size of each token.
        units: units between the two maps.
        activation: activation of these units.
        initializer: how the first map starts; `output_initializer`, how the second does.
        deepnorm: factors of DeepNorm, by whose beta both maps start smaller, whatever else is said of their start.
    """
    if deepnorm is not None:
        _, beta = deepnorm
        initializer = output_initializer = Initializer(
            "VarianceScaling", scale=beta**2, mode="fan_avg", distribution="untruncated_normal"
        )
    inner, outer = Dense(units, initializer), Dense(width, output_initializer)
    return joint.block((inner, Activation(activation), outer), "feedforward")


def named_joint(
    norm: str,
    skip: str = "add",
    dropout: float = 0.0,
    drop_path: float = 0.0,
    epsilon: float = 1e-5,
    deepnorm: DeepNorm | None = None,
) -> Joint:
    """Return how a part rejoins the stream, by names.

    Args:
        norm: one of `NORMS`.
        skip: kind of the skip.
        dropout: as in `Joint`, like `drop_path` and `epsilon`.
        deepnorm: its factors, where the norm is `"deep"`: norm(alpha x + f(x)) (Wang et al. 2022, 2203.00555).
    """
    if norm == "deep":
        alpha, _ = deepnorm
        joined = Skip("scaled", carry=alpha, scale=1.0, trained=False) if skip == "add" else Skip(skip)
        return Joint("post", joined, dropout, drop_path, epsilon)
    return Joint(norm, Skip(skip), dropout, drop_path, epsilon)


def attention_part(joint: Joint, width: int, heads: int, deepnorm: DeepNorm | None = None, **settings) -> Block:
    """Return the attention of a sequence of `width` to itself as a block.

    Args:
        joint: how it rejoins the stream.
        width: size of each token.
        heads: how many heads share the width.
        deepnorm: factors of DeepNorm, whose beta makes the maps of values and outputs start smaller.
        **settings: further fields of the step `Attention`.
    """
    return joint.block((Attention(heads, **settings, **_attention_starts(width, deepnorm)),), "attention")


def cross_attention_part(
    joint: Joint, width: int, heads: int, memory: int, deepnorm: DeepNorm | None = None, **settings
) -> Block:
    """Return the attention of a sequence to `memory` tokens as a block; other arguments as in `attention_part`."""
    starts = _attention_starts(width, deepnorm)
    return joint.block((CrossAttention(heads, memory, **settings, **starts),), "crossattention")


def _attention_starts(width: int, deepnorm: DeepNorm | None) -> dict[str, Start]:
    if deepnorm is None:
        return {}
    _, beta = deepnorm
    # Xavier's deviation of a map from `width` to `width`: Keras would take the heads for the sides of a kernel.
    usual, small = (Initializer("RandomNormal", stddev=gain * width**-0.5) for gain in (1.0, beta))
    return {"initializer": usual, "value_initializer": small, "output_initializer": small}
