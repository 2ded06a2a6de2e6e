"""Residual networks for small images: 6n+2 layers in three stages (He et al. 2015, section 4.2)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.plan import Block, Plan, Skip, Stage
from reskeras.steps import Activation, Conv, Dense, GlobalPool, Norm, PadChannels, Step


class ResNetOptions(ArchitectureOptions):
    """Options of a residual network; its depth counts convolutions on the main path and the classifier."""

    title: ClassVar[str] = "ResNet"
    depth_rule: ClassVar[str] = "6n+2"
    depth: int = Field(20, ge=8, le=302, description="Layers, 6n+2: three stages of n blocks of two convolutions.")
    width: int = Field(
        16, ge=1, le=1024, description="Channels of the first stage; each later stage has twice as many."
    )
    skip: Literal["add", "none", "scaled", "gate"] = Field(
        "add", description="How a block rejoins the stream: x + f, f, x + a f with a from 0, or a highway gate."
    )
    shortcut: Literal["projection", "pad"] = Field(
        "projection",
        description="How x changes shape between stages: 1x1 convolution with normalisation (option B), or zeros for "
        "the new channels (option A).",
    )
    order: Literal["post", "pre"] = Field(
        "post", description="Activation after the addition (2015), or before each convolution (pre-activation, 2016)."
    )
    normalization: Literal["batch", "none"] = Field("batch", description="Normalisation beside each convolution.")
    activation: Literal["relu", "gelu", "tanh"] = Field("relu", description="Activation.")
    silent_start: bool = Field(
        False,
        description="Start the last normalisation of each branch at zero, so that each block starts as the identity.",
    )

    def depths(self):
        return range(8, 303, 6)

    def problems(self):
        problems = super().problems()
        if self.silent_start and (self.order == "pre" or self.normalization == "none"):
            problems["silent_start"] = (
                "silent_start needs a normalisation at the end of each branch: use it with normalization=batch and "
                f"order=post; received normalization={self.normalization} and order={self.order}. "
                "Did you mean skip=scaled, which starts as the identity with any order?"
            )
        return problems


def plan(options: ResNetOptions, input_shape, classes) -> Plan:
    """Write the stem, three stages of n basic blocks (half the image, twice the channels each), and the classifier."""
    count = (options.depth - 2) // 6
    widths = [options.width * factor for factor in (1, 2, 4)]
    stages, channels = [], options.width
    for index, width in enumerate(widths):
        blocks = []
        for position in range(count):
            stride = 2 if index and not position else 1
            blocks.append(_basic_block(options, channels, width, stride))
            channels = width
        stages.append(Stage(tuple(blocks)))
    ending = _norm(options) + _activation(options)
    post = options.order == "post"
    stem = (Conv(options.width, bias=_bias(options)), *(ending if post else ()))
    head = (*(() if post else ending), GlobalPool(), Dense(classes))
    return Plan(f"resnet-{options.depth}", input_shape, classes, stem, tuple(stages), head)


def _basic_block(options: ResNetOptions, channels: int, width: int, stride: int) -> Block:
    first, second = (Conv(width, stride=each, bias=_bias(options)) for each in (stride, 1))
    norm, activation = _norm(options), _activation(options)
    path = _path(options, width, stride) if (stride, channels) != (1, width) else ()
    skip = Skip(options.skip, () if options.skip == "none" else path)
    if options.order == "pre":
        return Block((*norm, *activation, first, *norm, *activation, second), skip)
    last = (Norm("batch", zero=True),) if options.silent_start else norm
    return Block((first, *norm, *activation, second, *last), skip, activation)


def _path(options: ResNetOptions, width: int, stride: int) -> tuple[Step, ...]:
    if options.shortcut == "pad":
        return (PadChannels(width, stride),)
    # In pre-activation networks the projection is a bare convolution (He et al. 2016).
    norm = _norm(options) if options.order == "post" else ()
    return (Conv(width, kernel=1, stride=stride, bias=_bias(options)), *norm)


def _norm(options: ResNetOptions) -> tuple[Step, ...]:
    return (Norm("batch"),) if options.normalization == "batch" else ()


def _activation(options: ResNetOptions) -> tuple[Step, ...]:
    return (Activation(options.activation),)


def _bias(options: ResNetOptions) -> bool:
    return options.normalization == "none"


RESNET = Architecture(
    name="resnet",
    summary="Residual network for small images, 6n+2 layers.",
    paper="He et al. 2015 (1512.03385); He et al. 2016 (1603.05027)",
    inputs=("image",),
    options=ResNetOptions,
    write=plan,
    tiny={"depth": 8, "width": 4},
)
