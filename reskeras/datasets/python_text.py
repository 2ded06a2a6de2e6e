"""Lines of Python, to tell which of eight packages of the standard library each is from.

Source: the packages of `python_source.PACKAGES` as they come with the Python that runs (PSF licence), comments and
docstrings included; other versions of Python have other lines. 20,000 different lines of four words and signs or more,
as many of each package, evenly spread over its files; every fifth of them is the test's.
"""

from __future__ import annotations

import numpy as np

from reskeras.datasets import python_source, texts
from reskeras.datasets.dataset import DataError, Dataset, DataShape
from reskeras.datasets.encoding import FIRST, split
from reskeras.reading import Reading

SUMMARY = "20,000 lines of Python, by which of 8 packages of the standard library each is from"
SOURCE = "Python's own files, PSF licence"
BASELINE = "any class 12.5 %, logistic regression on counts of words 70 % (Python 3.11)"

LINES = 2_500
"""Lines of each package."""

TEST_EVERY = 5
LENGTH = 24
WORDS = 5_000
FEWEST = 4
"""Words and signs of a line at the least: shorter ones, such as `else:`, stand anywhere."""

SHAPE = DataShape(
    (LENGTH,),
    len(python_source.PACKAGES),
    LINES * len(python_source.PACKAGES) * (TEST_EVERY - 1) // TEST_EVERY,
    LINES * len(python_source.PACKAGES) // TEST_EVERY,
    "classes",
    FIRST + WORDS,
    python_source.PACKAGES,
)


READING = Reading(level="words", vocabulary_size=WORDS, length=LENGTH)
"""As it comes."""


def load() -> Dataset:
    """Return the lines as words, with the packages' numbers.

    Raises:
        DataError: where this Python comes without the source of its library.
    """
    return read(READING)


def read(reading: Reading) -> Dataset:
    """Return the lines at another level, with other words, or of another length.

    Raises:
        DataError: as `load` and `texts.codec_of` do.
    """
    train, test = [], []
    for package in python_source.PACKAGES:
        for place, line in enumerate(_lines(package)):
            (test if place % TEST_EVERY == TEST_EVERY - 1 else train).append((line, package))
    lines, path = [line for line, _ in train], python_source.LIBRARY
    return texts.classes(
        train, test, texts.encoding_of(lines, texts.with_usual(reading, READING), path, python_source.PACKAGES)
    )


def _lines(package: str) -> list[str]:
    """Return `LINES` different lines of a package, in the order of its files."""
    lines = (line.strip() for source in python_source.sources(package) for line in source.splitlines())
    distinct = list(dict.fromkeys(line for line in lines if len(split("words", line)) >= FEWEST))
    if len(distinct) < LINES:
        raise DataError(
            f"The package {package} of Python's standard library has {len(distinct):,} lines; {LINES:,} are needed."
        )
    return [distinct[place] for place in np.linspace(0, len(distinct) - 1, LINES).astype(int)]
