"""Fully connected highway networks: gates decide how much of each unit is carried (Srivastava et al. 2015)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.plan import Block, Plan, Skip, Stage
from reskeras.steps import Activation, Dense, Flatten


class HighwayOptions(ArchitectureOptions):
    """Options of a highway network; its depth counts hidden layers, the first of them plain."""

    title: ClassVar[str] = "A highway network"
    depth: int = Field(10, ge=2, le=300, description="Hidden layers: one plain layer, then depth - 1 highway layers.")
    width: int = Field(50, ge=1, le=4096, description="Units of each layer (the paper: 50, against 71 plain).")
    skip: Literal["gate", "add", "none"] = Field(
        "gate", description="How a layer rejoins the stream: t f + (1 - t) x, x + f, or f."
    )
    gate_bias: float = Field(
        -2.0, ge=-20, le=20, description="Bias of each gate at the start; below zero it starts by carrying x."
    )
    activation: Literal["relu", "tanh", "gelu"] = Field("relu", description="Activation of each layer.")

    def depths(self):
        return range(2, 301)


def plan(options: HighwayOptions, input_shape, classes) -> Plan:
    """Write one plain layer, `depth` - 1 equal highway layers, and the classifier (section 3.1 of 1507.06228)."""
    layer = (Dense(options.width), Activation(options.activation))
    block = Block(layer, Skip(options.skip, gate_bias=options.gate_bias))
    stages = (Stage((block,) * (options.depth - 1)),)
    return Plan(f"highway-{options.depth}", input_shape, classes, (Flatten(), *layer), stages, (Dense(classes),))


HIGHWAY = Architecture(
    name="highway",
    summary="Fully connected layers with gated skips.",
    paper="Srivastava et al. 2015 (1505.00387, 1507.06228)",
    inputs=("image", "vector"),
    options=HighwayOptions,
    write=plan,
    tiny={"depth": 3, "width": 8},
)
