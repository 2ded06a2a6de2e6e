"""Vision Transformers: an encoder of the patches of an image (Dosovitskiy et al. 2020)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, Preset
from reskeras.architectures.transformer_options import LARGEST_PATCH, TransformerOptions, check_patch
from reskeras.blocks.stochastic_depth import linear
from reskeras.blocks.transformer import feed_forward
from reskeras.plan import Block, Plan, Stage
from reskeras.steps import (
    Attention,
    ClassToken,
    Conv,
    Dense,
    Dropout,
    FirstToken,
    Initializer,
    Norm,
    Positions,
    Sequence,
)

START = Initializer("TruncatedNormal", stddev=0.02)


class ViTOptions(TransformerOptions):
    """Options of a Vision Transformer."""

    title: ClassVar[str] = "A ViT"
    epsilon: ClassVar[float] = 1e-6
    patch: int = Field(
        2, ge=1, le=LARGEST_PATCH, description="Side of the square patches that an image is cut into, in pixels."
    )
    head: Literal["classes", "features"] = Field(
        "classes", description="Classes of the class token, or its features alone."
    )


def plan(options: ViTOptions, input_shape, classes) -> Plan:
    """Write patches with a class token and learned positions, `depth` layers, and a classifier of the class token."""
    check_patch(options.patch, input_shape)
    patches = input_shape[0] * input_shape[1] // options.patch**2
    map_patches = Conv(
        options.width, options.patch, options.patch, bias=True, padding="valid", initializer="lecun_normal"
    )
    drop = (Dropout(options.dropout),) if options.dropout else ()
    stem = (map_patches, Sequence(), ClassToken(), Positions(patches + 1, initializer=START), *drop)
    layers = [_layer(options, rate) for rate in linear(options.depth, options.drop_path, from_zero=True)]
    ending = (Norm("layer", epsilon=options.epsilon),) if options.norm == "pre" else ()
    classifier = (Dense(classes, START),) if options.head == "classes" else ()
    head = (*ending, FirstToken(), *classifier)
    return Plan(f"vit-{options.depth}", input_shape, classes, stem, (Stage(sum(layers, ())),), head)


def _layer(options: ViTOptions, drop_path: float) -> tuple[Block, ...]:
    attention = Attention(options.heads, options.dropout)
    joint = options.joint("feedforward", drop_path)
    return (
        options.joint("attention", drop_path).block((attention,), "attention"),
        feed_forward(joint, options.width, options.units(), "gelu"),
    )


def _preset(name: str, depth: int, width: int, heads: int, patch: int, parameters: int, paper: str = "") -> Preset:
    options = {"depth": depth, "width": width, "heads": heads, "patch": patch}
    return Preset(name, options, (224, 224, 3), 1000, parameters, paper)


VIT = Architecture(
    name="vit",
    summary="Vision Transformer: an encoder of an image's patches.",
    paper="Dosovitskiy et al. 2020 (2010.11929)",
    inputs=("image",),
    options=ViTOptions,
    write=plan,
    tiny={"depth": 1, "width": 8, "heads": 2},
    # Ti and S are of Touvron et al. 2020 (2012.12877).
    presets=(
        _preset("vit-ti16", 12, 192, 3, 16, 5_717_416, "5M"),
        _preset("vit-s16", 12, 384, 6, 16, 22_050_664, "22M"),
        _preset("vit-b16", 12, 768, 12, 16, 86_567_656, "86M"),
        _preset("vit-b32", 12, 768, 12, 32, 88_224_232),
        _preset("vit-l16", 24, 1024, 16, 16, 304_326_632, "307M"),
        _preset("vit-l32", 24, 1024, 16, 32, 306_535_400, "307M"),
        _preset("vit-h14", 32, 1280, 16, 14, 632_045_800, "632M"),
    ),
)
