"""Residual networks for small images: 6n+2 or 9n+2 layers in three stages (He et al. 2015, section 4.2; 2016)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, Preset
from reskeras.blocks import residual
from reskeras.plan import Plan, Skip
from reskeras.steps import Dense, DropPath, GlobalPool


class ResNetOptions(ArchitectureOptions):
    """Options of a residual network; its depth counts convolutions on the main path and the classifier."""

    title: ClassVar[str] = "ResNet"
    depth: int = Field(
        20,
        ge=8,
        le=1202,
        description="Layers: three stages of n blocks, of two convolutions (6n+2) or in a bottleneck three (9n+2).",
    )
    width: int = Field(
        16, ge=1, le=1024, description="Channels of the first stage; each later stage has twice as many."
    )
    skip: Literal["add", "none", "scaled", "gate"] = Field(
        "add", description="How a block rejoins the stream: x + f, f, x + a f with a from 0, or a highway gate."
    )
    shortcut: Literal["projection", "pad", "average", "everywhere"] = Field(
        "projection",
        description="How x changes shape between stages: 1x1 convolution with normalisation (option B), zeros for the "
        "new channels at every second position or at averages (option A), or a 1x1 convolution in every block (C).",
    )
    order: Literal["post", "pre", "shared"] = Field(
        "post",
        description="Activation after the addition (2015), before each convolution (2016), or there and shared with "
        "the shortcut where the size changes (the authors' code).",
    )
    normalization: Literal["batch", "layer", "none"] = Field(
        "batch", description="Normalisation beside each convolution."
    )
    activation: Literal["relu", "gelu", "tanh"] = Field("relu", description="Activation.")
    silent_start: bool = Field(
        False,
        description="Start the last normalisation of each branch at zero, so that each block starts as the identity.",
    )

    block: Literal["basic", "bottleneck"] = Field(
        "basic", description="Two 3x3 convolutions a block, or 1x1, 3x3 and 1x1 with four times the channels outside."
    )
    drop_path: float = Field(
        0.0, ge=0, lt=1, description="How often the last branch is dropped; earlier ones less, by a straight line."
    )
    drop_path_per: Literal["sample", "batch"] = Field(
        "sample",
        description="A decision for each sample, with branches scaled in training; or one for the batch, with branches "
        "scaled in prediction (Huang et al. 2016).",
    )

    def rule(self):
        return "9n+2" if self.block == "bottleneck" else "6n+2"

    def depths(self):
        return range(11, 1203, 9) if self.block == "bottleneck" else range(8, 1203, 6)

    def problems(self):
        problems = super().problems()
        if self.silent_start and (self.order != "post" or self.normalization == "none"):
            problems["silent_start"] = (
                "silent_start needs a normalisation at the end of each branch: use it with normalization=batch and "
                f"order=post; received normalization={self.normalization} and order={self.order}. "
                "Did you mean skip=scaled, which starts as the identity with any order?"
            )
        return problems


def plan(options: ResNetOptions, input_shape, classes) -> Plan:
    """Write the stem, three stages of n blocks (half the image, twice the channels each), and the classifier."""
    post, narrow = options.order == "post", options.block == "bottleneck"
    count = (options.depth - 2) // (9 if narrow else 6)
    first = options.width * (4 if narrow else 1)
    sizes = [(count, first, 1), (count, 2 * first, 2), (count, 4 * first, 2)]
    style = residual.Style(
        normalization=options.normalization,
        activation=options.activation,
        skip=Skip(options.skip),
        shortcut=options.shortcut,
        shared=options.order == "shared",
        silent=options.silent_start,
    )
    scale = {"sample": "train", "batch": "test"}[options.drop_path_per]
    drop_path = DropPath(options.drop_path, options.drop_path_per, scale)
    stages = residual.stages(residual.writer(narrow, post), style, options.width, sizes, drop_path)
    opening = style.norm_activation()
    stem = (*style.conv(options.width, 3), *(opening if post else ()))
    head = (*(() if post else opening), GlobalPool(), Dense(classes))
    return Plan(f"resnet-{options.depth}", input_shape, classes, stem, stages, head)


def _preset(name: str, depth: int, parameters: int, paper: str, **options) -> Preset:
    return Preset(name, {"depth": depth, **options}, (32, 32, 3), 10, parameters, paper)


# Parameters with option A, which has no weights in its shortcuts.
_SIZES = {
    20: (269_722, "0.27M"),
    32: (464_154, "0.46M"),
    44: (658_586, "0.66M"),
    56: (853_018, "0.85M"),
    110: (1_727_962, "1.7M"),
    1202: (19_421_274, "19.4M"),
}
_STOCHASTIC = {"shortcut": "average", "drop_path": 0.5, "drop_path_per": "batch"}

PRESETS = (
    *(_preset(f"cifar-resnet-{depth}", depth, *size, shortcut="pad") for depth, size in _SIZES.items()),
    *(_preset(f"cifar-plain-{depth}", depth, size, "", skip="none") for depth, (size, _) in list(_SIZES.items())[:-1]),
    _preset("preact-resnet-110", 110, 1_727_962, "1.7M", order="shared", shortcut="pad"),
    _preset("preact-resnet-164", 164, 1_703_258, "1.7M", order="shared", block="bottleneck"),
    _preset("preact-resnet-1001", 1001, 10_327_706, "10.2M", order="shared", block="bottleneck"),
    *(_preset(f"stochastic-depth-{depth}", depth, *_SIZES[depth], **_STOCHASTIC) for depth in (110, 1202)),
)


RESNET = Architecture(
    name="resnet",
    summary="Residual network for small images, 6n+2 layers, or 9n+2 with bottlenecks.",
    paper="He et al. 2015 (1512.03385); He et al. 2016 (1603.05027); Huang et al. 2016 (1603.09382)",
    inputs=("image",),
    options=ResNetOptions,
    write=plan,
    tiny={"depth": 8, "width": 4},
    presets=PRESETS,
)
