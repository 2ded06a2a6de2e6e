"""Layers of Transformers as data: attention and feed-forward part, each a block with a skip of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from reskeras.plan import Block, Skip
from reskeras.steps import Activation, Dense, Dropout, DropPath, Norm, Start, Step


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
) -> Block:
    """Return the feed-forward part: to `units`, an activation, and back to `width` (Vaswani et al. 2017, equation 2).

    Args:
        joint: how it rejoins the stream.
        width: size of each token.
        units: units between the two maps.
        activation: activation of these units.
        initializer: how the first map starts; `output_initializer`, how the second does.
    """
    inner, outer = Dense(units, initializer), Dense(width, output_initializer)
    return joint.block((inner, Activation(activation), outer), "feedforward")
