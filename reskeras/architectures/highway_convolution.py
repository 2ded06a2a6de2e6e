"""Convolutional highway networks: three stages of gated convolutions between pools (Srivastava et al. 2015)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, Preset
from reskeras.blocks.highway import highway_convolution
from reskeras.plan import Block, Plan, Skip, Stage
from reskeras.steps import Activation, Conv, Dense, Dropout, Flatten, GlobalPool, MaxPool, Step

STAGES = 3
INITIALIZER = "lecun_uniform"
"""What the authors' code calls `xavier`: uniform within the root of 3 over the fan-in."""

LAST_WIDTH = 100
"""Channels of the 1x1 convolution before the classifier, where widths grow."""


class HighwayConvolutionOptions(ArchitectureOptions):
    """Options of a convolutional highway network; its depth counts every layer with weights."""

    title: ClassVar[str] = "A convolutional highway network"
    depth: int = Field(
        10, ge=5, le=302, description="Layers: plain convolutions, highway layers in three stages, and the classifier."
    )
    width: int = Field(32, ge=2, le=1024, description="Channels of the first stage.")
    widths: Literal["equal", "growing"] = Field(
        "equal",
        description="Channels of the later stages: those of the first (the paper's MNIST networks), or 2.5 and 4 times "
        "as many, each stage behind a plain convolution (its 19-layer CIFAR network).",
    )
    skip: Literal["gate", "add", "none"] = Field(
        "gate", description="How a layer rejoins the stream: t f + (1 - t) x, x + f, or f."
    )
    gate_bias: float = Field(
        -1.0,
        ge=-20,
        le=20,
        description="Bias of each gate at the start; the authors take -1 for MNIST and -2 for CIFAR.",
    )
    dropout: bool = Field(
        False,
        description="The authors' dropout of the input and after each pool: 0.2 to 0.5, or 0.2 where widths grow.",
    )

    def plain_layers(self) -> int:
        """Return how many layers have no gate: convolutions that change the width, and the classifier."""
        return 5 if self.widths == "growing" else 2

    def depths(self):
        return range(self.plain_layers() + STAGES, 303)


def plan(options: HighwayConvolutionOptions, input_shape, classes) -> Plan:
    """Write a plain convolution, three stages of highway layers with pools between, and the classifier.

    The highway layers are shared out equally, what is left over going to the last stages: 2, 3 and 3 for 10 layers, 4,
    5 and 5 for the CIFAR network of 19, as the authors have it.
    """
    each, over = divmod(options.depth - options.plain_layers(), STAGES)
    counts = [each + (index >= STAGES - over) for index in range(STAGES)]
    write = _growing if options.widths == "growing" else _equal
    stem, stages, head = write(options, counts, classes)
    return Plan(f"highway-convolution-{options.depth}", input_shape, classes, stem, stages, head)


def _equal(options, counts, classes):
    """Write the MNIST network: a 5x5 convolution, pools of 3 with stride 2, a classifier that sees every position."""
    layer = _layer(options, options.width)
    stem = (*_dropout(options, 0.2), *_plain(options.width, kernel=5, padding="valid"))
    pools = [(MaxPool(3, stride=2), *_dropout(options, rate)) for rate in (0.3, 0.4)]
    stages = (
        Stage((layer,) * counts[0] + (_between(pools[0]),)),
        Stage((layer,) * counts[1] + (_between(pools[1]),)),
        Stage((layer,) * counts[2]),
    )
    return stem, stages, (MaxPool(2), *_dropout(options, 0.5), Flatten(), Dense(classes, INITIALIZER))


def _growing(options, counts, classes):
    """Write the CIFAR network: 3x3 convolutions, pools of 2, a 1x1 convolution and the average of all positions."""
    drop, widths = _dropout(options, 0.2), (options.width, options.width * 5 // 2, options.width * 4)
    stem, stages = (*drop, *_plain(widths[0])), []
    for index, (count, width) in enumerate(zip(counts, widths, strict=True)):
        blocks = (_layer(options, width),) * count
        if index + 1 < STAGES:
            blocks += (_between((MaxPool(2), *drop, *_plain(widths[index + 1]))),)
        stages.append(Stage(blocks))
    head = (*_plain(LAST_WIDTH, kernel=1), GlobalPool(), *drop, Dense(classes, INITIALIZER))
    return stem, tuple(stages), head


def _layer(options, width: int) -> Block:
    return highway_convolution(width, gate_bias=options.gate_bias, skip=options.skip, initializer=INITIALIZER)


def _plain(width: int, kernel: int = 3, padding: str = "same") -> tuple[Step, ...]:
    return (Conv(width, kernel, bias=True, padding=padding, initializer=INITIALIZER), Activation("relu"))


def _between(steps: tuple[Step, ...]) -> Block:
    return Block(steps, Skip("none"), label="pool")


def _dropout(options, rate: float) -> tuple[Step, ...]:
    return (Dropout(rate),) if options.dropout else ()


def _mnist(width: int, parameters: int, paper: str) -> Preset:
    options = {"depth": 10, "width": width, "dropout": True}
    return Preset(f"highway-mnist-{width}", options, (28, 28, 1), 10, parameters, paper)


HIGHWAY_CONVOLUTION = Architecture(
    name="highway_convolution",
    summary="Convolutions with gated skips, in three stages between pools.",
    paper="Srivastava et al. 2015 (1507.06228)",
    inputs=("image",),
    options=HighwayConvolutionOptions,
    write=plan,
    tiny={"depth": 8, "width": 4},
    presets=(
        _mnist(16, 38_986, "39K"),
        _mnist(32, 151_690, "151K"),
        Preset(
            "highway-cifar-19",
            {"depth": 19, "width": 32, "widths": "growing", "gate_bias": -2.0, "dropout": True},
            (32, 32, 3),
            10,
            2_256_838,
            "2.3M",
        ),
    ),
)
