"""Residual networks of one-dimensional convolutions, for text as token numbers (Conneau et al. 2017)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.plan import Block, Plan, Skip, Stage
from reskeras.steps import Activation, Conv, Dense, Embedding, GlobalPool, Norm

STAGES = 4
EMBEDDING = 16
"""Size of a token's vector before the first convolution, as in the paper."""


class TextResNetOptions(ArchitectureOptions):
    """Options of a residual network for text; its depth counts convolutions on the main path."""

    title: ClassVar[str] = "A residual network for text"
    depth_rule: ClassVar[str] = "8n+1"
    depth: int = Field(
        9, ge=9, le=241, description="Convolutions, 8n+1: one, then four stages of n blocks of two convolutions."
    )
    width: int = Field(
        64, ge=1, le=1024, description="Channels of the first stage; each later stage has twice as many."
    )
    vocabulary: int = Field(
        256, ge=2, le=1_000_000, description="How many token numbers there are; 256 reads text byte by byte."
    )
    skip: Literal["add", "none"] = Field("add", description="How a block rejoins the stream: x + f, or f.")

    def depths(self):
        return range(9, 242, 8)


def plan(options: TextResNetOptions, input_shape, classes) -> Plan:
    """Write the embedding and a convolution, four stages (half the time, twice the channels each), the classifier.

    Padding has a vector of its own, like any token: a convolution cannot leave it out, and the paper does not.
    """
    count, stages, channels = (options.depth - 1) // (2 * STAGES), [], options.width
    for index in range(STAGES):
        width, blocks = options.width * 2**index, []
        for position in range(count):
            blocks.append(_block(options.skip, channels, width, 2 if index and not position else 1))
            channels = width
        stages.append(Stage(tuple(blocks)))
    stem = (Embedding(options.vocabulary, EMBEDDING), Conv(options.width))
    head = (GlobalPool(), Dense(classes))
    return Plan(f"text-resnet-{options.depth}", input_shape, classes, stem, tuple(stages), head)


def _block(skip: str, channels: int, width: int, stride: int) -> Block:
    ending = (Norm(), Activation("relu"))
    path = (Conv(width, kernel=1, stride=stride), Norm()) if skip == "add" and channels != width else ()
    branch = (Conv(width, stride=stride), *ending, Conv(width), Norm())
    return Block(branch, Skip(skip, path), after=(Activation("relu"),))


TEXT_RESNET = Architecture(
    name="text_resnet",
    summary="Residual network of one-dimensional convolutions for text.",
    paper="Conneau et al. 2017 (1606.01781)",
    inputs=("tokens",),
    options=TextResNetOptions,
    write=plan,
    tiny={"depth": 9, "width": 4, "vocabulary": 11},
)
