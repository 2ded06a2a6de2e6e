"""Transformer encoders: a skip round attention and another round the feed-forward part (Vaswani et al. 2017)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.plan import Block, Plan, Skip, Stage
from reskeras.steps import Activation, Attention, Dense, Dropout, GlobalPool, Norm, PlanError, Tokens

MOST_HEADS = 128
LARGEST_PATCH = 64


class TransformerOptions(ArchitectureOptions):
    """Options of a Transformer encoder; its depth counts pairs of attention and feed-forward part."""

    title: ClassVar[str] = "A Transformer"
    depth: int = Field(4, ge=1, le=96, description="Blocks, each attention and a feed-forward part.")
    width: int = Field(64, ge=1, le=4096, description="Size of each token (d_model).")
    heads: int = Field(4, ge=1, le=MOST_HEADS, description="Attention heads; must divide the width.")
    feed_forward: int = Field(4, ge=1, le=16, description="Units of the feed-forward part, in multiples of the width.")
    skip: Literal["add", "none", "scaled"] = Field(
        "add",
        description="How attention and feed-forward part rejoin the stream: x + f, f, or x + a f with a from 0.",
    )
    norm: Literal["pre", "post", "none"] = Field(
        "pre", description="Layer normalisation before each part (GPT-2), after each sum (2017), or nowhere."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of attention weights and of each part's output.")
    patch: int = Field(
        2, ge=1, le=LARGEST_PATCH, description="Side of the square patches that an image is cut into, in pixels."
    )

    def depths(self):
        return range(1, 97)

    def problems(self):
        problems = super().problems()
        if self.width % self.heads:
            fits = _divisors(MOST_HEADS, self.width)
            problems["heads"] = (
                f"heads must divide width {self.width} (they can be {', '.join(map(str, fits))}); "
                f"received {self.heads}. Did you mean {_nearest(fits, self.heads)}?"
            )
        return problems


def plan(options: TransformerOptions, input_shape, classes) -> Plan:
    """Write tokens with learned positions, `depth` pairs of blocks, and a classifier on the average token."""
    image = len(input_shape) == 3
    if image and any(size % options.patch for size in input_shape[:2]):
        sides = _divisors(LARGEST_PATCH, *input_shape[:2])
        raise PlanError(
            f"patch must divide both sides of the image {input_shape[0]}x{input_shape[1]} (it can be "
            f"{', '.join(map(str, sides))}); received {options.patch}. Did you mean {_nearest(sides, options.patch)}?"
        )
    stem = (Tokens(options.width, options.patch if image else 1),)
    pair = (_attention(options), _feed_forward(options))
    ending = (Norm("layer"),) if options.norm == "pre" else ()
    head = (*ending, GlobalPool(), Dense(classes, initializer="glorot_uniform"))
    name = f"transformer-{options.depth}"
    return Plan(name, input_shape, classes, stem, (Stage(pair * options.depth),), head)


def _divisors(most: int, *numbers: int) -> list[int]:
    return [n for n in range(1, min(most, *numbers) + 1) if not any(number % n for number in numbers)]


def _nearest(fits: list[int], wanted: int) -> int:
    return min(fits, key=lambda value: abs(value - wanted))


def _attention(options: TransformerOptions) -> Block:
    return _part(options, (Attention(options.heads, options.dropout),), "attention")


def _feed_forward(options: TransformerOptions) -> Block:
    inner = Dense(options.width * options.feed_forward, initializer="glorot_uniform")
    outer = Dense(options.width, initializer="glorot_uniform")
    return _part(options, (inner, Activation("gelu"), outer), "feedforward")


def _part(options: TransformerOptions, steps, label: str) -> Block:
    drop = (Dropout(options.dropout),) if options.dropout else ()
    before = (Norm("layer"),) if options.norm == "pre" else ()
    after = (Norm("layer"),) if options.norm == "post" else ()
    return Block((*before, *steps, *drop), Skip(options.skip), after, label)


TRANSFORMER = Architecture(
    name="transformer",
    summary="Transformer encoder on patches, features or time steps.",
    paper="Vaswani et al. 2017 (1706.03762); Dosovitskiy et al. 2020 (2010.11929)",
    inputs=("image", "vector", "sequence"),
    options=TransformerOptions,
    write=plan,
    tiny={"depth": 1, "width": 8, "heads": 2},
)
