"""Which options of reading a data set goes by, and what is said of one that would change nothing."""

from __future__ import annotations

from collections.abc import Collection

from reskeras.datasets.dataset import DataShape
from reskeras.options import OptionError
from reskeras.reading import Reading

TEXT = ("level", "vocabulary_size", "length", "characters")
"""Options that say how text becomes token numbers."""

_FOR = {
    **dict.fromkeys(TEXT, "for texts"),
    "characters": "for texts with classes or tags",
    "label": "for tables, texts and tags in files of your own",
    "image_size": "for folders of images",
    "test_split": "for files of your own",
}


def check(
    data: str,
    reading: Reading,
    shape: DataShape,
    takes: Collection[str],
    level: str | None = None,
    tested: str | None = None,
) -> None:
    """Raise OptionError for options that were given and change nothing.

    Args:
        data: the data set, as the user calls it.
        reading: the options.
        shape: what the data set is like.
        takes: which options it goes by.
        level: the only level of text that there is of it; None for any, or none.
        tested: of a user's files, the one that is tested on; None where a share of the samples is.
    """
    problems = {}
    if shape.task not in ("classes", "tags"):
        takes = set(takes) - {"characters"}
    if reading.task not in ("auto", shape.task):
        problems["task"] = f"task cannot be {reading.task}: {data} is for {shape.task}. Did you mean task={shape.task}?"
    if level is not None and reading.level not in ("auto", level):
        problems["level"] = f"level cannot be {reading.level}: {data} comes in {level}. Did you mean level={level}?"
    for name, use in _FOR.items():
        value, usual = getattr(reading, name), Reading.model_fields[name].default
        if value == usual or name in takes or (name == "level" and level is not None):
            continue
        known = ", ".join(each for each in _FOR if each in takes)
        problems[name] = (
            f"{name} is {use}, and changes nothing of {data}, which comes as {shape.kind} of shape "
            f"{shape.input_shape}; received {value!r}. " + (f"It goes by {known}." if known else f"Leave {name} out.")
        )
    if "test_split" in problems and tested:
        problems["test_split"] = (
            f"test_split changes nothing of {data}, which is tested on {tested}; received {reading.test_split:g}. "
            "Leave test_split out, or move one of the two to another folder."
        )
    if reading.level == "bytes" and reading.vocabulary_size and "vocabulary_size" in takes:
        problems["vocabulary_size"] = (
            f"vocabulary_size changes nothing at level bytes, of which there are 256; received "
            f"{reading.vocabulary_size}. Leave it out, or take level=characters."
        )
    if reading.characters and reading.level not in ("auto", "words") and "characters" in takes:
        problems["characters"] = (
            f"characters stand beside words, not at level {reading.level}; received {reading.characters}. "
            "Leave it out, or take level=words."
        )
    if problems:
        raise OptionError(problems)
