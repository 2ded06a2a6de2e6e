"""Recurrent networks on token numbers: long short-term memory with a skip round each layer."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.blocks.recurrent import lstm_blocks
from reskeras.plan import Plan, Stage
from reskeras.steps import LSTM, Dense, Dropout, Embedding, GlobalPool, SpelledEmbedding

DEEPEST = 50
FROM_CHARACTERS = 4
"""One number of so many of a word's vector is made of its characters: 30 of 130 in Ma and Hovy 2016, 1603.01354."""


class LSTMOptions(ArchitectureOptions):
    """Options of a recurrent network; its depth counts layers of long short-term memory."""

    title: ClassVar[str] = "A recurrent network"
    depth: int = Field(2, ge=1, le=DEEPEST, description="Layers of long short-term memory.")
    width: int = Field(64, ge=1, le=4096, description="Size of each layer's state, for each direction.")
    vocabulary: int = Field(
        256, ge=2, le=1_000_000, description="How many token numbers there are, 0 being padding that is passed over."
    )
    alphabet: int = Field(
        256,
        ge=2,
        le=1_000_000,
        description="How many numbers of characters there are, where words come with theirs, 0 standing behind a word.",
    )
    skip: Literal["add", "concat", "gate", "none"] = Field(
        "add", description="How a layer rejoins the stream: x + f, [x, f], t f + (1 - t) x, or f."
    )
    bidirectional: bool = Field(
        True, description="Whether each layer has a second cell that reads the sequence from its end."
    )
    cell: Literal["2000", "1997"] = Field(
        "2000", description="The cell with a forget gate (Gers et al. 2000), or the first one without (1997)."
    )
    forget_bias: float = Field(1.0, ge=0, le=20, description="Bias of each forget gate at the start.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of what each layer and the classifier read.")

    def depths(self):
        return range(1, DEEPEST + 1)


def plan_classifier(options: LSTMOptions, input_shape, classes) -> Plan:
    """Write a network with one class a text: the classifier reads the average over the text's own tokens."""
    return _plan(options, "classifier", input_shape, classes, (GlobalPool(masked=True),))


def plan_tagger(options: LSTMOptions, input_shape, classes) -> Plan:
    """Write a network with one class a token."""
    return _plan(options, "tagger", input_shape, classes, ())


def _plan(options: LSTMOptions, kind: str, input_shape, classes, pool) -> Plan:
    layer = LSTM(options.width, options.bidirectional, options.cell, options.forget_bias)
    stem = (_embedding(options, len(input_shape) > 1, layer.width()),)
    blocks = lstm_blocks(layer, options.depth, layer.width(), options.skip, options.dropout)
    drop = (Dropout(options.dropout),) if options.dropout else ()
    head = (*pool, *drop, Dense(classes, initializer="glorot_uniform"))
    return Plan(f"lstm-{kind}-{options.depth}", input_shape, classes, stem, (Stage(blocks),), head)


def _embedding(options: LSTMOptions, spelled: bool, width: int) -> Embedding | SpelledEmbedding:
    """Return what makes vectors of words, as wide as a layer's output, so that every layer has its skip."""
    if spelled:
        return SpelledEmbedding(options.vocabulary, options.alphabet, width, max(width // FROM_CHARACTERS, 1))
    return Embedding(options.vocabulary, width, masked=True)


_SOURCES = "Hochreiter and Schmidhuber 1997; Gers et al. 2000; Wu et al. 2016 (1609.08144)"
_TINY = {"depth": 2, "width": 4, "vocabulary": 11}

LSTM_CLASSIFIER = Architecture(
    name="lstm_classifier",
    summary="Layers of long short-term memory with a skip round each: one class a text.",
    paper=_SOURCES,
    inputs=("tokens", "spelled words"),
    options=LSTMOptions,
    write=plan_classifier,
    tiny=_TINY,
)

LSTM_TAGGER = Architecture(
    name="lstm_tagger",
    summary="Layers of long short-term memory with a skip round each: one class a token.",
    paper=_SOURCES,
    inputs=("tokens", "spelled words"),
    options=LSTMOptions,
    write=plan_tagger,
    tiny=_TINY,
    task="tags",
)
