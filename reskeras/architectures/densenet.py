"""Densely connected networks for small images: every layer reads all before it (Huang et al. 2017)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, Preset
from reskeras.blocks.dense import dense_layer, dense_stages
from reskeras.plan import Plan
from reskeras.steps import Activation, Conv, Dense, GlobalPool, Norm, chain_shape


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
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout after each convolution but the first.")
    skip: Literal["concat", "none"] = Field("concat", description="How a layer rejoins the stream: [x, f], or f alone.")

    def rule(self):
        return "6n+4" if self.bottleneck else "3n+4"

    def depths(self):
        return range(10, 305, 6) if self.bottleneck else range(10, 305, 3)


def plan(options: DenseNetOptions, input_shape, classes) -> Plan:
    """Write the stem, three dense blocks with two transitions between them, and the classifier."""
    per_stage = (options.depth - 4) // (6 if options.bottleneck else 3)
    stem = (Conv(2 * options.growth if options.bottleneck else 16),)
    layer = dense_layer(options.growth, options.bottleneck, options.dropout, skip=options.skip)
    shape = chain_shape(stem, input_shape)
    stages = dense_stages(layer, (per_stage,) * 3, shape, options.compression, options.dropout)
    head = (Norm(), Activation("relu"), GlobalPool(), Dense(classes))
    return Plan(f"densenet-{options.depth}-{options.growth}", input_shape, classes, stem, stages, head)


def _preset(depth: int, growth: int, parameters: int, paper: str, compressed: bool = True) -> Preset:
    """Return a network of Table 2; sizes in the paper are those for CIFAR-10."""
    options = {"depth": depth, "growth": growth}
    if compressed:
        options |= {"bottleneck": True, "compression": 0.5}
    name = f"densenet-{'bc-' if compressed else ''}{depth}-{growth}"
    return Preset(name, options, (32, 32, 3), 10, parameters, paper)


DENSENET = Architecture(
    name="densenet",
    summary="Densely connected network for small images: each layer's output is appended.",
    paper="Huang et al. 2017 (1608.06993)",
    inputs=("image",),
    options=DenseNetOptions,
    write=plan,
    tiny={"depth": 10, "growth": 4},
    presets=(
        _preset(40, 12, 1_019_722, "1.0M", compressed=False),
        _preset(100, 12, 6_979_642, "7.0M", compressed=False),
        _preset(100, 24, 27_249_082, "27.2M", compressed=False),
        _preset(100, 12, 769_162, "0.8M"),
        _preset(250, 24, 15_324_406, "15.3M"),
        _preset(190, 40, 25_624_430, "25.6M"),
        _preset(40, 36, 1_542_682, "1.5M"),
        _preset(40, 48, 2_733_130, "2.7M"),
        _preset(40, 60, 4_261_690, "4.3M"),
    ),
)
