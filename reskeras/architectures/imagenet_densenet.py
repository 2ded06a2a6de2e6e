"""Densely connected networks for ImageNet: four dense blocks of bottleneck layers (Huang et al. 2017, Table 1)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, Preset
from reskeras.blocks.dense import dense_layer, dense_stages
from reskeras.plan import Plan
from reskeras.steps import Activation, Conv, Dense, GlobalPool, MaxPool, Norm, Pad, chain_shape

LAYERS = {
    13: (1, 1, 1, 1),
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}
"""Layers of each dense block by depth: the smallest there can be, and those of the paper and its authors' code."""

EPSILON = 1.001e-5
"""That of `keras.applications`, whose weights fit these networks; 1e-5 in the authors' code."""

COMPRESSION = 0.5


class ImageNetDenseNetOptions(ArchitectureOptions):
    """Options of a DenseNet for ImageNet; its depth counts convolutions and the classifier."""

    title: ClassVar[str] = "DenseNet for ImageNet"
    depth_rule: ClassVar[str] = "the paper's depths"
    depth: int = Field(121, ge=13, le=264, description="Layers: 121, 161, 169, 201 or 264, or 13 as the smallest.")
    growth: int = Field(
        32, ge=1, le=256, description="Channels that each layer adds (k in the paper: 32, and 48 at depth 161)."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout after each convolution but the first.")
    skip: Literal["concat", "none"] = Field("concat", description="How a layer rejoins the stream: [x, f], or f alone.")

    def depths(self):
        return tuple(LAYERS)


def plan(options: ImageNetDenseNetOptions, input_shape, classes) -> Plan:
    """Write the stem of 7x7 convolution and pool, four dense blocks with three transitions, and the classifier."""
    activated = (Norm(epsilon=EPSILON), Activation("relu"))
    stem = (
        *(Pad(3), Conv(2 * options.growth, kernel=7, stride=2, padding="valid"), *activated),
        *(Pad(1), MaxPool(3, stride=2, padding="valid")),
    )
    layer = dense_layer(options.growth, bottleneck=True, dropout=options.dropout, skip=options.skip, epsilon=EPSILON)
    shape = chain_shape(stem, input_shape)
    stages = dense_stages(layer, LAYERS[options.depth], shape, COMPRESSION, options.dropout, epsilon=EPSILON)
    head = (*activated, GlobalPool(), Dense(classes))
    return Plan(f"densenet-{options.depth}", input_shape, classes, stem, stages, head)


def _preset(depth: int, parameters: int, growth: int = 32) -> Preset:
    return Preset(f"densenet-{depth}", {"depth": depth, "growth": growth}, (224, 224, 3), 1000, parameters)


IMAGENET_DENSENET = Architecture(
    name="imagenet_densenet",
    summary="Densely connected network for ImageNet: bottleneck layers in four blocks, half the channels between.",
    paper="Huang et al. 2017 (1608.06993)",
    inputs=("image",),
    options=ImageNetDenseNetOptions,
    write=plan,
    tiny={"depth": 13, "growth": 4},
    presets=(
        _preset(121, 7_978_856),
        _preset(161, 28_681_000, growth=48),
        _preset(169, 14_149_480),
        _preset(201, 20_013_928),
        _preset(264, 33_337_704),
    ),
)
