"""Plain networks: layers in a chain and nothing round them, the control that every experiment needs."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, Preset
from reskeras.plan import Block, Plan, Skip, Stage
from reskeras.steps import Activation, Conv, Dense, Flatten, GlobalPool, Norm


class PlainOptions(ArchitectureOptions):
    """Options of a plain network; its depth counts the hidden layers."""

    title: ClassVar[str] = "A plain network"
    depth: int = Field(10, ge=1, le=1000, description="Hidden layers.")
    width: int = Field(64, ge=1, le=4096, description="Units or channels of each hidden layer.")
    branch: Literal["dense", "convolution"] = Field(
        "dense", description="What a layer computes: Keras's Dense, or 3x3 convolution."
    )
    activation: Literal["tanh", "relu", "gelu", "sigmoid"] = Field(
        "tanh", description="Activation after each hidden layer."
    )
    normalization: Literal["none", "batch", "layer"] = Field(
        "none", description="Normalisation before each activation."
    )
    skip: Literal["none"] = Field("none", description="How a layer rejoins the stream; a plain network has no skip.")

    def depths(self):
        return range(1, 1001)


def plan(options: PlainOptions, input_shape, classes) -> Plan:
    """Write `depth` equal layers between a flattened (or convolved) input and the classifier."""
    dense = options.branch == "dense"
    layer = Dense(options.width) if dense else Conv(options.width)
    norm = () if options.normalization == "none" else (Norm(options.normalization),)
    block = Block((layer, *norm, Activation(options.activation)), Skip(options.skip))
    stem = (Flatten(),) if dense else ()
    head = (Dense(classes),) if dense else (GlobalPool(), Dense(classes))
    name = f"plain-{options.depth}"
    return Plan(name, input_shape, classes, stem, (Stage((block,) * options.depth),), head)


def _preset(depth: int, parameters: int) -> Preset:
    """Return the network that a highway network of this depth is held against (1507.06228, section 3.1, MNIST)."""
    return Preset(f"plain-{depth}", {"depth": depth, "width": 71, "activation": "relu"}, (784,), 10, parameters)


PLAIN = Architecture(
    name="plain",
    summary="Layers in a chain, without skips: the control.",
    paper="Glorot and Bengio 2010; He et al. 2015 (1512.03385), section 4.1",
    inputs=("image", "vector"),
    options=PlainOptions,
    write=plan,
    tiny={"depth": 2, "width": 8},
    presets=(_preset(10, 102_463), _preset(20, 153_583), _preset(50, 306_943), _preset(100, 562_543)),
)
