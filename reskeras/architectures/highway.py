"""Fully connected highway networks: gates decide how much of each unit is carried (Srivastava et al. 2015)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, Preset
from reskeras.blocks.highway import highway_dense
from reskeras.plan import Plan, Stage
from reskeras.steps import Dense, Flatten


class HighwayOptions(ArchitectureOptions):
    """Options of a highway network; its depth counts hidden layers, the first of them plain."""

    title: ClassVar[str] = "A highway network"
    depth: int = Field(10, ge=2, le=1000, description="Hidden layers: one plain layer, then depth - 1 highway layers.")
    width: int = Field(50, ge=1, le=4096, description="Units of each layer (the paper: 50, against 71 plain).")
    skip: Literal["gate", "add", "none"] = Field(
        "gate", description="How a layer rejoins the stream: t f + (1 - t) x, x + f, or f."
    )
    gate_bias: float = Field(
        -2.0, ge=-20, le=20, description="Bias of each gate at the start; below zero it starts by carrying x."
    )
    activation: Literal["relu", "tanh", "gelu"] = Field("relu", description="Activation of each layer.")

    def depths(self):
        return range(2, 1001)


def plan(options: HighwayOptions, input_shape, classes) -> Plan:
    """Write one plain layer, `depth` - 1 equal highway layers, and the classifier (section 3.1 of 1507.06228)."""
    block = highway_dense(options.width, options.activation, options.gate_bias, skip=options.skip)
    stages = (Stage((block,) * (options.depth - 1)),)
    return Plan(f"highway-{options.depth}", input_shape, classes, (Flatten(), *block.branch), stages, (Dense(classes),))


def _preset(depth: int, parameters: int) -> Preset:
    """Return a network of section 3.1 (1507.06228), of 50 units on MNIST; 900 layers are those of 1505.00387."""
    return Preset(f"highway-{depth}", {"depth": depth}, (784,), 10, parameters)


HIGHWAY = Architecture(
    name="highway",
    summary="Fully connected layers with gated skips.",
    paper="Srivastava et al. 2015 (1505.00387, 1507.06228)",
    inputs=("image", "vector"),
    options=HighwayOptions,
    write=plan,
    tiny={"depth": 3, "width": 8},
    presets=(
        _preset(10, 85_660),
        _preset(20, 136_660),
        _preset(50, 289_660),
        _preset(100, 544_660),
        _preset(900, 4_624_660),
    ),
)
