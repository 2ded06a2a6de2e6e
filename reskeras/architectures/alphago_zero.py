"""The network of AlphaGo Zero: a residual tower over a board, with a move and a value (Silver et al. 2017)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, Preset
from reskeras.blocks import residual
from reskeras.plan import Head, Plan, Skip
from reskeras.steps import Activation, Dense, Flatten


class AlphaGoZeroOptions(ArchitectureOptions):
    """Options of the tower; its depth counts residual blocks, of two convolutions each."""

    title: ClassVar[str] = "AlphaGo Zero"
    depth: int = Field(19, ge=1, le=80, description="Residual blocks: 19 or 39 in the paper.")
    width: int = Field(256, ge=1, le=1024, description="Channels of the tower, and units before the value.")
    skip: Literal["add", "none"] = Field("add", description="How a block rejoins the stream: x + f, or f.")

    def depths(self):
        return range(1, 81)


def plan(options: AlphaGoZeroOptions, input_shape, classes) -> Plan:
    """Write the stem, the tower of blocks of one size, and the heads: a logit for each move, a value from -1 to 1."""
    style, width = residual.Style(skip=Skip(options.skip)), options.width
    stem = (*style.conv(width, 3), *style.norm_activation())
    stages = residual.stages(residual.basic, style, width, [(options.depth, width, 1)])
    policy, value = ((*style.conv(maps, 1), *style.norm_activation(), Flatten()) for maps in (2, 1))
    moves = (*policy, Dense(classes))
    worth = (*value, Dense(width), Activation("relu"), Dense(1), Activation("tanh"))
    name = f"alphago-zero-{options.depth}"
    return Plan(name, input_shape, classes, stem, stages, moves, further_heads=(Head("value", worth),))


# 17 planes of the 19x19 board in; a move to each of its points, or none. The paper prints no number of weights.
_PRESETS = tuple(
    Preset(f"alphago-zero-{depth}", {"depth": depth}, (19, 19, 17), 362, parameters)
    for depth, parameters in ((19, 22_827_877), (39, 46_441_317))
)

ALPHAGO_ZERO = Architecture(
    name="alphago_zero",
    summary="Residual tower over a board, with a head for the move and one for the value.",
    paper="Silver et al. 2017 (Nature 550, 354)",
    inputs=("image",),
    options=AlphaGoZeroOptions,
    write=plan,
    tiny={"depth": 2, "width": 4},
    presets=_PRESETS,
    task="game",
)
