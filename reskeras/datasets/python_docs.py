"""Half a million characters of English: the docstrings of Python's standard library, one after another.

Source: the docstrings of its modules, classes and functions, as they come with the Python that runs (PSF licence);
other versions of Python have other texts. The last tenth of the text, of other modules than the rest, is the test's.
"""

from __future__ import annotations

from reskeras.datasets import python_source, texts
from reskeras.datasets.dataset import DataError, Dataset, DataShape
from reskeras.datasets.encoding import NAMES, Encoding, TextCodec
from reskeras.reading import Reading

SUMMARY = "500,000 characters of docstrings from Python's standard library"
SOURCE = "Python's own files, PSF licence"
BASELINE = (
    "bits a character by how common each is 4.73, by the one before it 3.91, by the two before it 3.17 (Python 3.11)"
)

CHARACTERS = 500_000
TEST_CHARACTERS = 50_000
LENGTH = 128

CODEC = TextCodec("characters", ("\n", *map(chr, range(ord(" "), ord("~") + 1))))
"""Every character of ASCII that is written; others are unknown."""

SHAPE = DataShape(
    (LENGTH,),
    CODEC.vocabulary,
    (CHARACTERS - TEST_CHARACTERS - 1) // LENGTH,
    (TEST_CHARACTERS - 1) // LENGTH,
    "language",
    CODEC.vocabulary,
)


def load() -> Dataset:
    """Return the text in pieces of 128 characters.

    Raises:
        DataError: where this Python comes without the source of its library.
    """
    return _pieces(CODEC, LENGTH)


def read(reading: Reading) -> Dataset:
    """Return the text at another level, with other pieces, or cut at another length.

    Raises:
        DataError: as `load` and `texts.codec_of` do.
    """
    plain = reading.level in ("auto", "characters") and reading.vocabulary_size is None
    train = text()[:-TEST_CHARACTERS]
    codec = CODEC if plain else texts.codec_of([train], reading, python_source.LIBRARY, "characters")
    return _pieces(codec, reading.length or LENGTH)


def _pieces(codec: TextCodec, length: int) -> Dataset:
    written = text()
    train, test = (codec.encode(each) for each in (written[:-TEST_CHARACTERS], written[-TEST_CHARACTERS:]))
    for each in (train, test):
        if len(each) <= length:
            raise DataError(
                f"python_docs has {len(each):,} {NAMES[codec.level]} to train or test on; a piece of {length} and one "
                "more are needed."
            )
    return texts.language(train, test, Encoding((), codec, length))


def text() -> str:
    """Return the text, docstrings with an empty line between them."""
    found, size = [], 0
    for path in python_source.modules():
        for docstring in python_source.docstrings(python_source.read(path)):
            found.append(docstring)
            size += len(docstring) + 2
        if size >= CHARACTERS:
            return "\n\n".join(found)[:CHARACTERS]
    raise DataError(f"{python_source.LIBRARY} has {size:,} characters of docstrings; {CHARACTERS:,} are needed.")
