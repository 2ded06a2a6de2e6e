"""Densely connected networks for small images: every layer reads all before it (Huang et al. 2017)."""

from math import floor
from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.plan import Block, Plan, Skip, Stage
from reskeras.steps import Activation, AveragePool, Conv, Dense, Dropout, GlobalPool, Norm, chain_shape


class DenseNetOptions(ArchitectureOptions):
    """Options of a DenseNet; its depth counts convolutions and the classifier."""

    title: ClassVar[str] = "DenseNet"
    depth: int = Field(
        19, ge=10, le=304, description="Layers, 3n+4 (6n+4 with bottleneck): three dense blocks with transitions."
    )
    growth: int = Field(12, ge=1, le=256, description="Channels that each layer adds (k in the paper).")
    bottleneck: bool = Field(False, description="A 1x1 convolution to 4k channels before each 3x3 (DenseNet-B).")
    compression: float = Field(
        1.0, gt=0, le=1, description="Share of the channels that a transition keeps (0.5 in DenseNet-BC)."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout after each convolution.")
    skip: Literal["concat", "none"] = Field("concat", description="How a layer rejoins the stream: [x, f], or f alone.")

    def rule(self):
        return "6n+4" if self.bottleneck else "3n+4"

    def depths(self):
        return range(10, 305, 6) if self.bottleneck else range(10, 305, 3)


def plan(options: DenseNetOptions, input_shape, classes) -> Plan:
    """Write the stem, three dense blocks with two transitions between them, and the classifier."""
    per_stage = (options.depth - 4) // (6 if options.bottleneck else 3)
    stem = (Conv(2 * options.growth if options.bottleneck else 16),)
    shape, stages = chain_shape(stem, input_shape), []
    for index in range(3):
        blocks = [_dense_layer(options)] * per_stage
        for block in blocks:
            shape = block.output_shape(shape)
        if index < 2:
            transition = _transition(floor(shape[-1] * options.compression))
            blocks.append(transition)
            shape = transition.output_shape(shape)
        stages.append(Stage(tuple(blocks)))
    head = (Norm(), Activation("relu"), GlobalPool(), Dense(classes))
    return Plan(f"densenet-{options.depth}-{options.growth}", input_shape, classes, stem, tuple(stages), head)


def _dense_layer(options: DenseNetOptions) -> Block:
    steps = [Norm(), Activation("relu")]
    drop = [Dropout(options.dropout)] if options.dropout else []
    if options.bottleneck:
        steps += [Conv(4 * options.growth, kernel=1), *drop, Norm(), Activation("relu")]
    return Block((*steps, Conv(options.growth), *drop), Skip(options.skip))


def _transition(channels: int) -> Block:
    steps = (Norm(), Activation("relu"), Conv(max(channels, 1), kernel=1), AveragePool(2))
    return Block(steps, Skip("none"), label="transition")


DENSENET = Architecture(
    name="densenet",
    summary="Densely connected network for small images: each layer's output is appended.",
    paper="Huang et al. 2017 (1608.06993)",
    inputs=("image",),
    options=DenseNetOptions,
    write=plan,
    tiny={"depth": 10, "growth": 4},
)
