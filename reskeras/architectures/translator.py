"""The Transformer that translates: an encoder, and a decoder that attends to it (Vaswani et al. 2017)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, Preset
from reskeras.architectures.transformer_options import TransformerOptions
from reskeras.blocks.stochastic_depth import linear
from reskeras.blocks.transformer import feed_forward
from reskeras.plan import Block, Plan, Stage
from reskeras.steps import (
    Attention,
    CrossAttention,
    Dropout,
    Embedding,
    Initializer,
    Norm,
    Positions,
    Step,
    TiedLogits,
)


class TranslatorOptions(TransformerOptions):
    """Options of the Transformer of 2017; its depth counts the layers of the encoder, and those of the decoder."""

    # The way from a sentence's last word to the other's first leads through both.
    largest_depth: ClassVar[int] = 48
    depth: int = Field(2, ge=1, le=48, description="Layers of the encoder, and as many of the decoder.")
    norm: Literal["pre", "post", "none"] = Field(
        "post", description="Layer normalisation after each sum (the paper), before each part, or nowhere."
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Dropout of each part's output, and of words with their positions (section 5.4)."
    )
    key_width: int = Field(
        0, ge=0, le=1024, description="Size of queries and keys in each head; 0 for the width divided by the heads."
    )


def plan(options: TranslatorOptions, input_shape, classes) -> Plan:
    """Write encoder and decoder of `depth` layers for sentences of one length; the classes are the words.

    One table embeds the words of both languages and gives the logits (section 3.4).
    """
    rates = linear(options.depth, options.drop_path, from_zero=True)
    encoder = Plan(
        f"encoder-{options.depth}",
        input_shape,
        classes,
        _stem(options, input_shape, classes, shared=False),
        (Stage(sum((_encoder_layer(options, rate) for rate in rates), ())),),
        _ending(options),
    )
    decoder = Stage(sum((_decoder_layer(options, input_shape[0], rate) for rate in rates), ()))
    stem = _stem(options, input_shape, classes, shared=True)
    head = (*_ending(options), TiedLogits(classes))
    return Plan(f"translator-{options.depth}", input_shape, classes, stem, (decoder,), head, encoder=encoder)


def _stem(options: TranslatorOptions, input_shape, vocabulary: int, shared: bool) -> tuple[Step, ...]:
    start = Initializer("RandomNormal", stddev=options.width**-0.5)
    words = Embedding(vocabulary, options.width, masked=True, scaled=True, shared=shared, initializer=start)
    drop = (Dropout(options.dropout),) if options.dropout else ()
    return (words, Positions(input_shape[0], "sinusoidal"), *drop)


def _encoder_layer(options: TranslatorOptions, drop_path: float) -> tuple[Block, ...]:
    attention = Attention(options.heads, bias=False, key_width=options.key_width)
    return (options.joint("attention", drop_path).block((attention,), "attention"), _feed_forward(options, drop_path))


def _decoder_layer(options: TranslatorOptions, memory: int, drop_path: float) -> tuple[Block, ...]:
    joint = options.joint("attention", drop_path)
    own = Attention(options.heads, causal=True, bias=False, key_width=options.key_width)
    other = CrossAttention(options.heads, memory, bias=False, key_width=options.key_width)
    return (
        joint.block((own,), "attention"),
        joint.block((other,), "crossattention"),
        _feed_forward(options, drop_path),
    )


def _feed_forward(options: TranslatorOptions, drop_path: float) -> Block:
    return feed_forward(options.joint("feedforward", drop_path), options.width, options.units())


def _ending(options: TranslatorOptions) -> tuple[Step, ...]:
    # Without a normalisation after the last sum, the stream would reach the logits as it has grown.
    return (Norm("layer"),) if options.norm == "pre" else ()


_BASE = {"depth": 6, "width": 512, "heads": 8}
_BIG = {"depth": 6, "width": 1024, "heads": 16, "dropout": 0.3}

TRANSLATOR = Architecture(
    name="translator",
    summary="Transformer that translates: encoder and decoder.",
    paper="Vaswani et al. 2017 (1706.03762)",
    inputs=("tokens",),
    options=TranslatorOptions,
    write=plan,
    tiny={"depth": 1, "width": 8, "heads": 2, "dropout": 0.0},
    presets=(
        Preset("transformer-base", _BASE, (256,), 37_000, 63_045_632, "65M"),
        Preset("transformer-big", _BIG, (256,), 37_000, 214_171_648, "213M"),
    ),
    task="translation",
)
