"""Densely connected networks of one-dimensional convolutions, for text as token numbers (Le et al. 2018)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.blocks.dense import dense_layer, dense_stages
from reskeras.plan import Plan
from reskeras.steps import Activation, Conv, Dense, Embedding, GlobalPool, Norm, chain_shape

STAGES = 4
EMBEDDING = 16
"""Size of a token's vector before the first convolution, as for residual networks."""


class TextDenseNetOptions(ArchitectureOptions):
    """Options of a DenseNet for text; its depth counts convolutions and the classifier."""

    title: ClassVar[str] = "A DenseNet for text"
    depth_rule: ClassVar[str] = "4n+5"
    depth: int = Field(
        21,
        ge=9,
        le=301,
        description="Layers, 4n+5: four dense blocks of n layers with transitions.",
    )
    width: int = Field(16, ge=1, le=256, description="Channels that each layer adds (k in the paper).")
    compression: float = Field(0.5, gt=0, le=1, description="Share of the channels that a transition keeps.")
    vocabulary: int = Field(
        256, ge=2, le=1_000_000, description="How many token numbers there are; 256 reads text byte by byte."
    )
    skip: Literal["concat", "none"] = Field("concat", description="How a layer rejoins the stream: [x, f], or f alone.")

    def depths(self):
        return range(9, 302, 4)


def plan(options: TextDenseNetOptions, input_shape, classes) -> Plan:
    """Write the embedding and a convolution, four dense blocks with three transitions between, and the classifier.

    Padding has a vector of its own, like any token: a convolution cannot leave it out.
    """
    stem = (Embedding(options.vocabulary, EMBEDDING), Conv(2 * options.width))
    counts = ((options.depth - 5) // STAGES,) * STAGES
    layer = dense_layer(options.width, skip=options.skip)
    stages = dense_stages(layer, counts, chain_shape(stem, input_shape), options.compression)
    head = (Norm(), Activation("relu"), GlobalPool(), Dense(classes))
    return Plan(f"text-densenet-{options.depth}", input_shape, classes, stem, stages, head)


TEXT_DENSENET = Architecture(
    name="text_densenet",
    summary="Densely connected network of one-dimensional convolutions for text.",
    paper="Huang et al. 2017 (1608.06993); Le et al. 2018 (1707.04108)",
    inputs=("tokens",),
    options=TextDenseNetOptions,
    write=plan,
    tiny={"depth": 9, "width": 4, "vocabulary": 11},
)
