"""How a data set's files are read: the options that say what cannot be seen from a file itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from reskeras.options import Options

LONGEST_WORD = 64
"""Characters of a word at most that are beside it."""


class Reading(Options):
    """Which data set is read, and how."""

    data: str = Field(
        "digits",
        min_length=1,
        description="A data set by name, or the path of your own files: see reskeras data --help.",
    )
    task: Literal["auto", "classes", "tags", "language", "translation"] = Field(
        "auto", description="What is learnt from a file or folder; auto goes by what is in it."
    )
    level: Literal["auto", "bytes", "characters", "words", "bytepair", "wordpiece"] = Field(
        "auto",
        description="What a token of a text is; auto takes characters for language models, and words otherwise. Byte "
        "pairs and word pieces are learnt from the text.",
    )
    vocabulary_size: int | None = Field(
        None,
        ge=2,
        le=1_000_000,
        description="Most words, characters or pieces that get a number of their own; empty for 20,000, and 8,000 of "
        "what is learnt.",
    )
    length: int | None = Field(
        None,
        ge=2,
        le=65_536,
        description="Tokens of a sample; longer texts are cut. Empty goes by the texts, up to 256.",
    )
    characters: int | None = Field(
        None,
        ge=0,
        le=LONGEST_WORD,
        description="Characters of each word that are beside it, for networks that read spelled words; of longer words "
        "the two ends. 0 for none; empty takes 16 for tags.",
    )
    label: str | None = Field(
        None,
        description="Column of the label or tag: a name, or a number from 1; empty for one called label, class, target "
        "or y, else the last.",
    )
    image_size: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Height and width that images of a folder are brought to; empty takes them as they are.",
    )
    test_split: float = Field(
        0.2, gt=0, le=0.9, description="Share of the samples kept to test on, where the files do not say which."
    )
