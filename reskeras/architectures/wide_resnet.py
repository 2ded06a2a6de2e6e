"""Wide residual networks for small images: 6n+4 layers with k times the channels (Zagoruyko and Komodakis 2016)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, Preset
from reskeras.blocks import residual
from reskeras.plan import Plan, Skip
from reskeras.steps import Dense, GlobalPool


class WideResNetOptions(ArchitectureOptions):
    """Options of a wide residual network; its depth counts the convolutions, those of the shortcuts too."""

    title: ClassVar[str] = "Wide ResNet"
    depth_rule: ClassVar[str] = "6n+4"
    depth: int = Field(16, ge=10, le=304, description="Layers, 6n+4: three stages of n blocks of two convolutions.")
    widen: int = Field(4, ge=1, le=64, description="Factor of all channels but the stem's (k in the paper).")
    width: int = Field(16, ge=1, le=256, description="Channels of the stem; stages have k, 2k and 4k times as many.")
    skip: Literal["add", "none", "scaled"] = Field(
        "add", description="How a block rejoins the stream: x + f, f, or x + a f with a from 0."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout between the two convolutions of a block.")

    def depths(self):
        return range(10, 305, 6)


def plan(options: WideResNetOptions, input_shape, classes) -> Plan:
    """Write the stem, three stages of n pre-activation blocks, and the classifier."""
    count, first = (options.depth - 4) // 6, options.width * options.widen
    style = residual.Style(skip=Skip(options.skip), dropout=options.dropout)
    sizes = [(count, first, 1), (count, 2 * first, 2), (count, 4 * first, 2)]
    stages = residual.stages(residual.preactivation, style, options.width, sizes)
    head = (*style.norm_activation(), GlobalPool(), Dense(classes))
    name = f"wide-resnet-{options.depth}-{options.widen}"
    return Plan(name, input_shape, classes, style.conv(options.width, 3), stages, head)


# Depth, factor, parameters, and what table 4 or the text of the paper gives.
_SIZES = (
    (16, 4, 2_748_890, "2.7M"),
    (16, 8, 10_961_370, "11.0M"),
    (16, 10, 17_116_634, "17.1M"),
    (22, 8, 17_158_106, "17.2M"),
    (22, 10, 26_797_914, "26.8M"),
    (28, 10, 36_479_194, "36.5M"),
    (28, 12, 52_517_850, "52.5M"),
    (40, 1, 563_930, "0.6M"),
    (40, 2, 2_243_546, "2.2M"),
    (40, 4, 8_949_210, "8.9M"),
    (40, 8, 35_748_314, "35.7M"),
)

WIDE_RESNET = Architecture(
    name="wide_resnet",
    summary="Wide residual network for small images: few blocks of many channels.",
    paper="Zagoruyko and Komodakis 2016 (1605.07146)",
    inputs=("image",),
    options=WideResNetOptions,
    write=plan,
    tiny={"depth": 10, "width": 4, "widen": 2},
    presets=tuple(
        Preset(f"wrn-{depth}-{widen}", {"depth": depth, "widen": widen}, (32, 32, 3), 10, parameters, paper)
        for depth, widen, parameters, paper in _SIZES
    ),
)
