"""Transformer encoders: a skip round attention and another round the feed-forward part (Vaswani et al. 2017)."""

from typing import Literal

from pydantic import Field

from reskeras.architectures import Architecture
from reskeras.architectures.transformer_options import LARGEST_PATCH, TransformerOptions, check_patch
from reskeras.blocks.stochastic_depth import linear
from reskeras.blocks.transformer import attention_part, feed_forward
from reskeras.plan import Block, Plan, Stage
from reskeras.steps import Dense, GlobalPool, Norm, Tokens


class EncoderOptions(TransformerOptions):
    """Options of a Transformer encoder of samples of any kind."""

    norm: Literal["pre", "post", "deep", "none"] = Field(
        "pre",
        description="Layer normalisation before each part (GPT-2), after each sum (2017), after a sum with alpha x and "
        "smaller starting weights (DeepNorm), or nowhere.",
    )
    patch: int = Field(
        2, ge=1, le=LARGEST_PATCH, description="Side of the square patches that an image is cut into, in pixels."
    )


def plan(options: EncoderOptions, input_shape, classes) -> Plan:
    """Write tokens with learned positions, `depth` pairs of blocks, and a classifier on the average token."""
    image = len(input_shape) == 3
    if image:
        check_patch(options.patch, input_shape)
    stem = (Tokens(options.width, options.patch if image else 1),)
    layers = [_layer(options, rate) for rate in linear(options.depth, options.drop_path, from_zero=True)]
    ending = (Norm("layer"),) if options.norm == "pre" else ()
    head = (*ending, GlobalPool(), Dense(classes, initializer="glorot_uniform"))
    name = f"transformer-{options.depth}"
    return Plan(name, input_shape, classes, stem, (Stage(sum(layers, ())),), head)


def _layer(options: EncoderOptions, drop_path: float) -> tuple[Block, ...]:
    joint, factors = options.joint("attention", drop_path), options.deepnorm()
    attention = attention_part(joint, options.width, options.heads, factors, dropout=options.dropout)
    joint = options.joint("feedforward", drop_path)
    return attention, feed_forward(joint, options.width, options.units(), "gelu", deepnorm=factors)


TRANSFORMER = Architecture(
    name="transformer",
    summary="Transformer encoder on patches, features or time steps.",
    paper="Vaswani et al. 2017 (1706.03762); Dosovitskiy et al. 2020 (2010.11929)",
    inputs=("image", "vector", "sequence"),
    options=EncoderOptions,
    write=plan,
    tiny={"depth": 1, "width": 8, "heads": 2},
)
