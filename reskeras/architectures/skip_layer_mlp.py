"""Skip-layer multilayer perceptrons: direct linear connections from input to output beside the hidden layers."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.blocks.mlp import skip_layer_mlp
from reskeras.plan import Plan, Stage
from reskeras.steps import Flatten


class SkipLayerMLPOptions(ArchitectureOptions):
    """Options of a skip-layer MLP; its depth counts hidden layers."""

    title: ClassVar[str] = "A skip-layer MLP"
    depth: int = Field(1, ge=1, le=100, description="Hidden layers; Ripley's networks have one.")
    width: int = Field(64, ge=1, le=4096, description="Units of each hidden layer.")
    skip: Literal["add", "none"] = Field(
        "add", description="How hidden layers and input meet in the output: W x + f, or f alone."
    )
    activation: Literal["sigmoid", "tanh", "relu", "gelu"] = Field(
        "sigmoid", description="Activation of the hidden layers; Ripley's are logistic."
    )

    def depths(self):
        return range(1, 101)


def plan(options: SkipLayerMLPOptions, input_shape, classes) -> Plan:
    """Write one block from the input to the logits, with all hidden layers as its branch."""
    block = skip_layer_mlp((options.width,) * options.depth, classes, options.activation, options.skip)
    name = f"skip-layer-mlp-{options.depth}"
    return Plan(name, input_shape, classes, (Flatten(),), (Stage((block,)),), ())


SKIP_LAYER_MLP = Architecture(
    name="skip_layer_mlp",
    summary="Hidden layers beside a linear map from input to output.",
    paper="Ripley 1996; Venables and Ripley 2002",
    inputs=("vector", "image"),
    options=SkipLayerMLPOptions,
    write=plan,
    tiny={"depth": 1, "width": 8},
)
