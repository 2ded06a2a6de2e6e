"""Residual multilayer perceptrons: blocks of two dense layers with a skip round each (He et al. 2015, 2016)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.blocks.mlp import ResidualMLP
from reskeras.plan import Plan, Stage
from reskeras.steps import Dense, Flatten


class ResidualMLPOptions(ArchitectureOptions):
    """Options of a residual MLP; its depth counts blocks of two dense layers."""

    title: ClassVar[str] = "A residual MLP"
    depth: int = Field(8, ge=1, le=10_000, description="Blocks of two dense layers.")
    width: int = Field(64, ge=1, le=4096, description="Units of each dense layer.")
    skip: Literal["add", "none", "scaled", "gate"] = Field(
        "add", description="How a block rejoins the stream: x + f, f, x + a f with a from 0, or a highway gate."
    )
    order: Literal["post", "pre"] = Field(
        "post", description="Activation after the addition (2015), or before each dense layer (2016)."
    )
    normalization: Literal["batch", "layer", "none"] = Field(
        "batch", description="Normalisation beside each dense layer."
    )
    activation: Literal["relu", "gelu", "tanh"] = Field("relu", description="Activation.")
    silent_start: bool = Field(False, description="Start each branch at zero, so that each block starts by carrying x.")

    def depths(self):
        return range(1, 10_001)


def plan(options: ResidualMLPOptions, input_shape, classes) -> Plan:
    """Write one dense layer to the width of the stream, `depth` equal blocks, and the classifier."""
    style = ResidualMLP(options.order, options.normalization, options.activation, options.silent_start, options.skip)
    post = options.order == "post"
    block = style.block(options.width, options.width, options.width)
    stem = (Flatten(), *style.dense(options.width), *(style.norm_activation() if post else ()))
    head = (*(() if post else style.norm_activation()), Dense(classes))
    stages = (Stage((block,) * options.depth),)
    return Plan(f"residual-mlp-{options.depth}", input_shape, classes, stem, stages, head)


RESIDUAL_MLP = Architecture(
    name="residual_mlp",
    summary="Dense layers in pairs with a skip round each pair.",
    paper="He et al. 2015 (1512.03385); He et al. 2016 (1603.05027)",
    inputs=("image", "vector"),
    options=ResidualMLPOptions,
    write=plan,
    tiny={"depth": 2, "width": 8},
)
