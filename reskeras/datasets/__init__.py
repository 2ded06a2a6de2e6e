"""Data sets: what each is like without loading it, and its arrays; one file a kind of source beside this one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from reskeras.datasets import (
    archive,
    digits,
    fitting,
    formats,
    kept,
    known,
    python_docs,
    python_tags,
    python_text,
    sequences,
    tictactoe,
    vectors,
)
from reskeras.datasets.dataset import DataError, Dataset, DataShape, first
from reskeras.datasets.formats import read_for, several
from reskeras.datasets.known import KNOWN
from reskeras.reading import Reading
from reskeras.suggestions import suggest

__all__ = ["EMBEDDED", "KNOWN", "DataError", "DataShape", "Dataset", "describe", "load", "read_for", "several"]


@dataclass(frozen=True)
class Embedded:
    """A data set that comes with the package or a dependency.

    Attributes:
        summary: what it is.
        shape: what it is like as it comes.
        load: returns it as it comes.
        read: of text, returns it as `Reading` says; None where nothing can be said of it.
        level: of text, the only level that there is of it; None for any.
        source: who made it, and where it is from.
        baseline: what share of its test is right without a network, and how.
    """

    summary: str
    shape: DataShape
    load: Callable[[], Dataset]
    read: Callable[[Reading], Dataset] | None = None
    level: str | None = None
    source: str = ""
    baseline: str = ""

    @property
    def takes(self) -> tuple[str, ...]:
        """The options of reading that it goes by."""
        return fitting.TEXT if self.read else ()

    def as_wanted(self, reading: Reading) -> Callable[[], Dataset] | None:
        """Return what loads it as a reading says; None where that is as it comes."""
        said = ("vocabulary_size", "length", "characters")
        if self.read is None or (reading.level == "auto" and all(getattr(reading, each) is None for each in said)):
            return None
        return partial(self.read, reading)


def _of(module: ModuleType, level: str | None = None) -> Embedded:
    read = getattr(module, "read", None)
    return Embedded(module.SUMMARY, module.SHAPE, module.load, read, level, module.SOURCE, module.BASELINE)


def _made_up(rule: str) -> Embedded:
    load, said = partial(sequences.load, rule), (sequences.SOURCE, sequences.BASELINES[rule])
    return Embedded(sequences.SUMMARIES[rule], sequences.SHAPE, load, None, "characters", *said)


EMBEDDED: dict[str, Embedded] = {
    "digits": _of(digits),
    "wine": Embedded(
        vectors.WINE_SUMMARY,
        vectors.WINE,
        vectors.load_wine,
        source=vectors.WINE_SOURCE,
        baseline=vectors.WINE_BASELINE,
    ),
    "breast_cancer": Embedded(
        vectors.CANCER_SUMMARY,
        vectors.CANCER,
        vectors.load_breast_cancer,
        source=vectors.CANCER_SOURCE,
        baseline=vectors.CANCER_BASELINE,
    ),
    "python_text": _of(python_text),
    "python_tags": _of(python_tags, "words"),
    "python_docs": _of(python_docs),
    **{rule: _made_up(rule) for rule in sequences.RULES},
    "tictactoe": _of(tictactoe),
}
"""Each by its name, in the order in which they are shown."""


def describe(data: str, reading: Reading | None = None, *, check: bool = True) -> DataShape:
    """Return what a data set is like.

    Of a set with a name and an `.npz` file that shows without reading samples. Other files are read, once: what they
    are like is kept until they change.

    Args:
        data: a name in `EMBEDDED` or `KNOWN`, or the path of a file or folder, or two paths with a comma between.
        reading: how files are read; None for as their content suggests.
        check: whether a reading that says what changes nothing is refused; not where a run that was begun with it goes
            on.

    Raises:
        DataError: where there is no such data set, or its files are none.
        OptionError: where the reading says what changes nothing of it.
    """
    reading = reading or Reading()
    if data in EMBEDDED:
        entry = EMBEDDED[data]
        if check:
            fitting.check(data, reading, entry.shape, entry.takes, entry.level)
        load = entry.as_wanted(reading)
        return entry.shape if load is None else _kept(kept.key([Path(os.__file__)], reading, data), load)
    if data in KNOWN:
        return known.described(data, reading, check)
    path = _path(data)
    if path.suffix == ".npz":
        found = archive.describe(path)
        if check:
            fitting.check(data, reading, found, ())
        return found
    source = formats.source(data, path, reading)
    found = _kept(kept.key(source.paths(), reading), partial(source.load, reading))
    if check:
        source.check(data, reading, found)
    return found


def _kept(name: str, load: Callable[[], Dataset]) -> DataShape:
    """Return what a data set is like that was loaded before, or else is now."""
    found = kept.shape(name)
    if found is None:
        found = load().shape
        kept.keep(name, found)
    return found


def load(data: str, reading: Reading | None = None, *, check: bool = True) -> Dataset:
    """Return a data set's arrays, checked; arguments as in `describe`.

    Raises:
        DataError: where there is no such data set, or its samples and labels do not fit one another.
        OptionError: where the reading says what changes nothing of it.
    """
    reading = reading or Reading()
    if data in EMBEDDED:
        entry = EMBEDDED[data]
        if check:
            fitting.check(data, reading, entry.shape, entry.takes, entry.level)
        return (entry.as_wanted(reading) or entry.load)()
    if data in KNOWN:
        return known.load(data, reading, check)
    path = _path(data)
    if path.suffix == ".npz":
        found = archive.load(path)
        if check:
            fitting.check(data, reading, found.shape, ())
        return found
    source = formats.source(data, path, reading)
    name = kept.key(source.paths(), reading)
    found = source.load(reading)
    kept.keep(name, found.shape)
    if check:
        source.check(data, reading, found.shape)
    return found


def _path(data: str) -> Path:
    try:
        path = Path(data).expanduser()
        named = path.suffix == ".npz" or path.exists() or len(path.parts) > 1 or "," in data
        path.is_dir()
    except (OSError, RuntimeError, ValueError):
        # A name too long for a file, or with a zero byte, or the home of a user who does not exist.
        named = False
    if not named:
        names = (*EMBEDDED, *KNOWN)
        raise DataError(
            f"There is no data set {data!r} (data sets: {', '.join(names)}; or the path of your own: "
            f"{formats.FORMATS}).{suggest(data, names)}"
        )
    return path


def held_out(samples: int, validation_split: float) -> int:
    """Return how many of so many samples are kept aside to validate."""
    return round(samples * validation_split)


def split(dataset: Dataset, validation_split: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the shuffled indices of training samples and of validation samples, the same for the same seed."""
    order = np.random.default_rng([seed, 0]).permutation(len(first(dataset.x_train)))
    kept = held_out(len(order), validation_split)
    if len(order) - kept < 1:
        raise DataError(f"validation_split {validation_split} leaves no sample of {len(order)} to train on.")
    return np.sort(order[kept:]), np.sort(order[:kept])
