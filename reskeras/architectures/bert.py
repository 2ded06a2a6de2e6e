"""BERT: a Transformer encoder of sentences that is first trained to fill in missing words (Devlin et al. 2018)."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, Preset
from reskeras.architectures.transformer_options import TransformerOptions
from reskeras.blocks.stochastic_depth import linear
from reskeras.blocks.transformer import feed_forward
from reskeras.plan import Block, Head, Plan, Stage
from reskeras.steps import (
    Activation,
    Attention,
    Dense,
    Dropout,
    Embedding,
    FirstToken,
    Initializer,
    Norm,
    Positions,
    Segments,
    Step,
    TiedLogits,
)

START = Initializer("TruncatedNormal", stddev=0.02)


class BERTOptions(TransformerOptions):
    """Options of a BERT."""

    title: ClassVar[str] = "A BERT"
    epsilon: ClassVar[float] = 1e-12
    norm: Literal["pre", "post", "none"] = Field(
        "post", description="Layer normalisation after each sum (the paper), before each part, or nowhere."
    )
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Dropout of attention weights, of each part's output, and of the embeddings."
    )
    head: Literal["classes", "pretraining", "features"] = Field(
        "classes",
        description="Classes of the first token; the missing words, and as a second output the classes of a pair of "
        "sentences; or the pooled features alone.",
    )
    activation: Literal["gelu", "gelu_tanh"] = Field(
        "gelu", description="Activation: the exact form, or the approximation by tanh of some ports."
    )
    vocabulary: int = Field(30_522, ge=2, le=1_000_000, description="Words, of which number 0 is padding.")
    positions: int = Field(512, ge=1, le=65_536, description="Longest sequence, in tokens.")
    segments: int = Field(
        2, ge=0, le=64, description="Kinds of segment, such as first and second sentence; 0 for none."
    )


def plan(options: BERTOptions, input_shape, classes) -> Plan:
    """Write the embeddings, `depth` layers, and the head."""
    drop = (Dropout(options.dropout),) if options.dropout else ()
    stem = (
        Embedding(options.vocabulary, options.width, masked=True, initializer=START),
        Positions(options.positions, initializer=START),
        *((Segments(options.segments, START),) if options.segments else ()),
        Norm("layer", epsilon=options.epsilon),
        *drop,
    )
    layers = [_layer(options, rate) for rate in linear(options.depth, options.drop_path, from_zero=True)]
    ending = (Norm("layer", epsilon=options.epsilon),) if options.norm == "pre" else ()
    pooled = (*ending, FirstToken(), _dense(options.width), Activation("tanh"))
    head, further = (*pooled, *drop, _dense(classes)), ()
    if options.head == "features":
        head = pooled
    if options.head == "pretraining":
        head, further = (*ending, *_missing_words(options)), (Head("pair", (*pooled, _dense(classes))),)
    return Plan(f"bert-{options.depth}", input_shape, classes, stem, (Stage(sum(layers, ())),), head, further)


def _missing_words(options: BERTOptions) -> tuple[Step, ...]:
    norm = Norm("layer", epsilon=options.epsilon)
    return (_dense(options.width), Activation(options.activation), norm, TiedLogits(options.vocabulary, bias=True))


def _layer(options: BERTOptions, drop_path: float) -> tuple[Block, ...]:
    attention = Attention(options.heads, options.dropout, initializer=START, output_initializer=START)
    joint = options.joint("feedforward", drop_path)
    return (
        options.joint("attention", drop_path).block((attention,), "attention"),
        feed_forward(joint, options.width, options.units(), options.activation, START, START),
    )


def _dense(units: int) -> Dense:
    return Dense(units, START)


_BASE = {"depth": 12, "width": 768, "heads": 12, "head": "pretraining"}
_LARGE = {"depth": 24, "width": 1024, "heads": 16, "head": "pretraining"}
_CASED = {"vocabulary": 28_996}

BERT = Architecture(
    name="bert",
    summary="Transformer encoder of sentences, pretrained by filling in missing words.",
    paper="Devlin et al. 2018 (1810.04805)",
    inputs=("tokens",),
    options=BERTOptions,
    write=plan,
    tiny={"depth": 1, "width": 8, "heads": 2, "dropout": 0.0, "vocabulary": 11, "positions": 8},
    # Counted with both heads of the pretraining, which gives the paper's 110M.
    presets=(
        Preset("bert-base", _BASE, (512,), 2, 110_106_428, "110M"),
        Preset("bert-large", _LARGE, (512,), 2, 336_226_108, "340M"),
        Preset("bert-base-cased", {**_BASE, **_CASED}, (512,), 2, 108_932_934, "110M"),
        Preset("bert-large-cased", {**_LARGE, **_CASED}, (512,), 2, 334_661_958, "340M"),
    ),
)
