"""BERT and GPT-2 as keras-hub builds them, trained and watched like the families of this package."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import Architecture, ArchitectureOptions, bert, gpt
from reskeras.architectures.transformer_options import MOST_HEADS, heads_problem
from reskeras.datasets.encoding import FIRST
from reskeras.plan import Backbone, Plan
from reskeras.steps import PlanError


class BackboneOptions(ArchitectureOptions):
    """Options of a keras-hub backbone."""

    title: ClassVar[str] = "A backbone"
    depth: int = Field(4, ge=1, le=96, description="Layers, each of attention and a feed-forward part.")
    width: int = Field(64, ge=1, le=16_384, description="Size of each token (hidden_dim).")
    heads: int = Field(4, ge=1, le=MOST_HEADS, description="Attention heads; must divide the width.")
    feed_forward: int = Field(4, ge=1, le=16, description="Units of the feed-forward part, in multiples of the width.")
    skip: Literal["add"] = Field("add", description="How each part rejoins the stream: x + f, as keras-hub has it.")
    dropout: float = Field(
        0.1, ge=0, lt=1, description="Dropout of attention weights, of each part's output, and of the embeddings."
    )
    positions: int = Field(512, ge=1, le=65_536, description="Longest sequence, in tokens.")
    weights: str | None = Field(
        None,
        description="Weights to begin with: a .weights.h5 file of a backbone of the same sizes, or the folder that "
        "save_to_preset has written. Empty begins with random ones.",
    )

    def depths(self):
        return range(1, 97)

    def problems(self):
        problems = super().problems() | heads_problem(self.width, self.heads)
        if self.weights is not None and weights_file(self.weights) is None:
            problems["weights"] = (
                f"There are no weights at {self.weights}: neither a .weights.h5 file nor a folder with "
                f"{PRESET_WEIGHTS}."
            )
        return problems

    def sizes(self) -> dict[str, int | float]:
        """Return the options that the family of this package has too."""
        names = ("depth", "width", "heads", "feed_forward", "dropout", "positions")
        return {name: getattr(self, name) for name in names}

    def backbone(self, kind: str, vocabulary: int) -> Backbone:
        """Return what keras-hub is asked for.

        Raises:
            PlanError: where the weights to begin with are those of another number of tokens.
        """
        if self.weights is not None:
            _check_vocabulary(weights_file(self.weights), vocabulary)
        units = self.width * self.feed_forward
        return Backbone(
            kind, vocabulary, self.depth, self.heads, self.width, units, self.dropout, self.positions, self.weights
        )


PRESET_WEIGHTS = "model.weights.h5"
"""What keras-hub calls the weights in a folder of a preset."""


def weights_file(path: str) -> Path | None:
    """Return the file of weights that a path means; None where there is none."""
    try:
        found = Path(path).expanduser()
        found = found / PRESET_WEIGHTS if found.is_dir() else found
        return found if found.name.endswith(".weights.h5") and found.is_file() else None
    except (OSError, RuntimeError, ValueError):
        # A name too long for a file, or with a zero byte, or the home of a user who does not exist.
        return None


TABLE = "layers/reversible_embedding/vars/0"
"""Where a file of a backbone's weights has the vectors of its tokens."""


def _check_vocabulary(file: Path | None, vocabulary: int) -> None:
    """Raise PlanError where a file of weights has vectors for another number of tokens than a network."""
    # What Keras needs to read weights, and takes time to import.
    import h5py

    try:
        with h5py.File(file) as content:
            found = int(content[TABLE].shape[0])
    except (OSError, KeyError, AttributeError, IndexError, TypeError, ValueError):
        # No weights of a backbone: keras-hub says of which sizes they are to be.
        return
    if found != vocabulary:
        raise PlanError(
            f"weights of {file} are for {found:,} token numbers, and the data or the vocabulary asked for has "
            f"{vocabulary:,}: the two must be the same tokens. Read the data at the level with which the weights were "
            f"trained, and with vocabulary_size={max(found - FIRST, 2)}, or leave weights out."
        )


class BERTBackboneOptions(BackboneOptions):
    """Options of keras-hub's BERT."""

    vocabulary: int = Field(30_522, ge=2, le=1_000_000, description="Words, of which number 0 is padding.")


SEGMENTS = 2
"""Kinds of segment that keras-hub's BERT has a vector for; all tokens here are of the first."""


def bert_plan(options: BERTBackboneOptions, input_shape, classes) -> Plan:
    """Write what keras-hub builds, with the classes of the first token."""
    same = bert.BERTOptions(**options.sizes(), vocabulary=options.vocabulary, segments=SEGMENTS, activation="gelu_tanh")
    return replace(
        bert.plan(same, input_shape, classes),
        name=f"keras-hub-bert-{options.depth}",
        backbone=options.backbone("bert", options.vocabulary),
    )


def gpt2_plan(options: BackboneOptions, input_shape, classes) -> Plan:
    """Write what keras-hub builds, with the logits of its own table of words."""
    return replace(
        gpt.plan(gpt.GPTOptions(**options.sizes()), input_shape, classes),
        name=f"keras-hub-gpt2-{options.depth}",
        backbone=options.backbone("gpt2", classes),
    )


_TINY = {"depth": 1, "width": 8, "heads": 2, "dropout": 0.0, "positions": 8}

KERAS_HUB_BERT = Architecture(
    name="keras_hub_bert",
    summary="keras-hub's BERT with a classifier of the first token.",
    paper="Devlin et al. 2018 (1810.04805)",
    inputs=("tokens",),
    options=BERTBackboneOptions,
    write=bert_plan,
    tiny={**_TINY, "vocabulary": 11},
    extra="text",
)

KERAS_HUB_GPT2 = Architecture(
    name="keras_hub_gpt2",
    summary="keras-hub's GPT-2, which predicts the next token.",
    paper="Radford et al. 2019",
    inputs=("tokens",),
    options=BackboneOptions,
    write=gpt2_plan,
    tiny=_TINY,
    task="language",
    extra="text",
)
