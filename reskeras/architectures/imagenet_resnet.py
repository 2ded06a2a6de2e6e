"""Residual networks for large images: four stages, up to 200 layers (He et al. 2015, table 1; 2016)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, Preset
from reskeras.blocks import residual
from reskeras.plan import Plan, Skip
from reskeras.steps import Dense, DropPath, GlobalPool, MaxPool, Pad

BLOCKS = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
"""Blocks in each stage by depth, the smallest there can be and those of the papers; bottlenecks from 50 layers on."""


class ImageNetResNetOptions(ArchitectureOptions):
    """Options of a residual network for large images; its depth counts convolutions on the main path and the head."""

    title: ClassVar[str] = "ResNet for ImageNet"
    depth_rule: ClassVar[str] = "the papers' depths"
    depth: int = Field(
        50,
        ge=10,
        le=200,
        description="Layers: 10, 18 or 34 with basic blocks, 50, 101, 152 or 200 with bottlenecks.",
    )
    width: int = Field(64, ge=1, le=256, description="Channels of the stem, and of the first stage's 3x3 convolutions.")
    version: Literal["v1", "v1.5", "v2"] = Field(
        "v1",
        description="The first 1x1 convolution of a bottleneck strides (2015), or the 3x3 does (v1.5), or that in "
        "pre-activation blocks (v2, 2016).",
    )
    skip: Literal["add", "none"] = Field("add", description="How a block rejoins the stream: x + f, or f.")
    shortcut: Literal["projection", "pad", "average", "everywhere"] = Field(
        "projection",
        description="How x changes shape between stages: 1x1 convolution (option B), zeros for the new channels at "
        "every second position or at averages (option A), or a 1x1 convolution in every block (C).",
    )
    widen: int = Field(1, ge=1, le=16, description="Factor of the channels inside bottlenecks (2 in WRN-50-2).")
    silent_start: bool = Field(
        False, description="Start each branch at zero, so that each block starts as the identity."
    )
    drop_path: float = Field(
        0.0, ge=0, lt=1, description="How often the last branch is dropped; earlier ones less, by a straight line."
    )

    def depths(self):
        return tuple(BLOCKS)

    def problems(self):
        problems = super().problems()
        if self.widen > 1 and self.depth < 50:
            problems["widen"] = (
                f"widen={self.widen} needs bottlenecks, which a depth of {self.depth} does not have. "
                "Did you mean depth=50?"
            )
        return problems


def plan(options: ImageNetResNetOptions, input_shape, classes) -> Plan:
    """Write the 7x7 stem with its pool, four stages (half the image, twice the channels each), and the classifier."""
    post, narrow = options.version != "v2", options.depth >= 50
    style = residual.Style(
        padding="both",
        skip=Skip(options.skip),
        shortcut=options.shortcut,
        inner=options.widen / 4,
        stride_in="first" if options.version == "v1" else "middle",
        # In both versions the stem ends with an activation.
        activated=not post,
        silent=options.silent_start,
    )
    first = options.width * (4 if narrow else 1)
    sizes = [(count, first * 2**index, 2 if index else 1) for index, count in enumerate(BLOCKS[options.depth])]
    stages = residual.stages(residual.writer(narrow, post), style, options.width, sizes, DropPath(options.drop_path))
    stem = (*style.conv(options.width, 7, 2), *style.norm_activation(), Pad(1), MaxPool(3, 2, "valid"))
    head = (*(() if post else style.norm_activation()), GlobalPool(), Dense(classes))
    return Plan(f"imagenet-resnet-{options.depth}", input_shape, classes, stem, stages, head)


def _preset(name: str, depth: int, parameters: int, paper: str = "", **options) -> Preset:
    return Preset(name, {"depth": depth, **options}, (224, 224, 3), 1000, parameters, paper)


# The papers print no parameters of these but of the wide ones.
PRESETS = (
    _preset("resnet-18", 18, 11_689_512),
    _preset("resnet-34", 34, 21_797_672),
    _preset("resnet-50", 50, 25_557_032),
    _preset("resnet-101", 101, 44_549_160),
    _preset("resnet-152", 152, 60_192_808),
    _preset("resnet-200", 200, 64_673_832),
    _preset("resnet-50-v1.5", 50, 25_557_032, version="v1.5"),
    _preset("resnet-101-v1.5", 101, 44_549_160, version="v1.5"),
    _preset("resnet-152-v1.5", 152, 60_192_808, version="v1.5"),
    _preset("resnet-200-v1.5", 200, 64_673_832, version="v1.5"),
    _preset("resnet-18-v2", 18, 11_687_720, version="v2"),
    _preset("resnet-34-v2", 34, 21_795_880, version="v2"),
    _preset("resnet-50-v2", 50, 25_549_352, version="v2"),
    _preset("resnet-101-v2", 101, 44_541_480, version="v2"),
    _preset("resnet-152-v2", 152, 60_185_128, version="v2"),
    _preset("resnet-200-v2", 200, 64_666_152, version="v2"),
    _preset("wrn-50-2", 50, 68_883_240, "68.9M", version="v1.5", widen=2),
    _preset("wrn-101-2", 101, 126_886_696, version="v1.5", widen=2),
)

IMAGENET_RESNET = Architecture(
    name="imagenet_resnet",
    summary="Residual network for ImageNet: four stages, up to 200 layers.",
    paper="He et al. 2015 (1512.03385); He et al. 2016 (1603.05027)",
    inputs=("image",),
    options=ImageNetResNetOptions,
    write=plan,
    tiny={"depth": 10, "width": 4},
    presets=PRESETS,
)
