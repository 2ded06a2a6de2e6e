"""Lines of Python with what each word is: a comment or a string from where to where, a keyword, a call, a definition.

Source: the standard library as it comes with the Python that runs (PSF licence), read by `tokenize`, which knows what
words alone do not tell: `for` may be a keyword, or stand in a string. Words and signs are split as any text is. Tags
are BIO: comments, strings and numbers go on for several words; of the rest, each is a word. 12,000 different lines, of
which every sixth is the test's; lines in the midst of a string over several lines are left out, since nothing in them
tells what they are.
"""

from __future__ import annotations

import io
import keyword
import token
import tokenize
from collections.abc import Iterator

from reskeras.datasets import python_source, texts
from reskeras.datasets.dataset import DataError, Dataset, DataShape
from reskeras.datasets.encoding import FIRST, split
from reskeras.reading import Reading

SUMMARY = "12,000 lines of Python's standard library, each word tagged: comment, string, keyword, call, definition ..."
SOURCE = "Python's own files, read by `tokenize`, PSF licence"
BASELINE = "the commonest tag 31 %, each word's commonest tag 74 % with a span F1 of 59 % (Python 3.11)"

LINES = 12_000
TEST_EVERY = 6
LENGTH = 32
WORDS = 5_000
ALPHABET = 90
"""Characters that get a number; of those that ASCII can print there are 94 without the blank."""

FEWEST = 4
"""Words and signs of a line at the least."""

TAGS = (
    "O",
    *("B-comment", "I-comment", "B-string", "I-string", "B-number", "I-number"),
    *("B-keyword", "B-definition", "B-call", "B-attribute", "B-name"),
)
"""Every tag; `O` is for operators and brackets."""

SHAPE = DataShape(
    (LENGTH, 1 + texts.CHARACTERS),
    len(TAGS),
    LINES * (TEST_EVERY - 1) // TEST_EVERY,
    LINES // TEST_EVERY,
    "tags",
    FIRST + WORDS,
    TAGS,
    FIRST + ALPHABET,
)

Span = tuple[int, int, str]
"""From which column to which, and what it is."""


READING = Reading(level="words", vocabulary_size=WORDS, length=LENGTH)
"""As it comes."""


def load() -> Dataset:
    """Return the lines as words, each with the number of its tag.

    Raises:
        DataError: where this Python comes without the source of its library.
    """
    return read(READING)


def read(reading: Reading) -> Dataset:
    """Return the lines with other words, or cut at another length.

    Raises:
        DataError: as `load` does, and where tokens are to be others than words.
    """
    if reading.level not in ("auto", "words"):
        raise DataError(f"python_tags: a tag stands at each word, so level cannot be {reading.level}, only words.")
    lines: dict[tuple[str, ...], tuple[str, ...]] = {}
    for path in python_source.modules():
        for words, tags in tagged_lines(python_source.read(path)):
            lines.setdefault(words, tags)
        if len(lines) >= LINES:
            break
    else:
        raise DataError(f"{python_source.LIBRARY} has {len(lines):,} lines to tag; {LINES:,} are needed.")
    samples = list(lines.items())[:LINES]
    test = samples[TEST_EVERY - 1 :: TEST_EVERY]
    train = [each for place, each in enumerate(samples) if place % TEST_EVERY != TEST_EVERY - 1]
    written = (words for words, _ in train)
    encoding = texts.encoding_of(
        written,
        texts.with_usual(reading, READING),
        python_source.LIBRARY,
        TAGS,
        characters=texts.CHARACTERS,
        alphabet=ALPHABET,
    )
    return texts.tags(train, test, encoding)


def tagged_lines(source: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the words of each line of a source file that has `FEWEST` to `LENGTH`, and their tags."""
    spans, skipped = _spans(source)
    for row, line in enumerate(source.splitlines(), 1):
        if row in skipped or row not in spans:
            continue
        words = tuple(split("words", line))
        if FEWEST <= len(words) <= LENGTH:
            yield words, tuple(_tag(start, spans[row]) for start in _starts(line, words))


def _starts(line: str, words: tuple[str, ...]) -> Iterator[int]:
    place = 0
    for word in words:
        place = line.index(word, place)
        yield place
        place += len(word)


def _tag(place: int, spans: list[Span]) -> str:
    for start, end, kind in spans:
        if start <= place < end:
            if f"I-{kind}" not in TAGS:
                return f"B-{kind}"
            return f"B-{kind}" if place == start else f"I-{kind}"
    return "O"


def _spans(source: str) -> tuple[dict[int, list[Span]], set[int]]:
    """Return what stands where on each line, and the lines in which something goes on from or to another."""
    spans: dict[int, list[Span]] = {}
    skipped: set[int] = set()
    before, inside = "", 0
    read = [each for each in tokenize.generate_tokens(io.StringIO(source).readline) if each.string.strip()]
    for each, behind in zip(read, [*read[1:], None], strict=True):
        (row, start), (last, end) = each.start, each.end
        name = token.tok_name[each.type]
        goes_on = inside > 0
        # From Python 3.12 on, what stands in an f-string comes as tokens of its own.
        inside += name.endswith("STRING_START")
        kind = "string" if inside else _kind(each, before, behind.string if behind else "")
        inside -= name.endswith("STRING_END")
        if last != row:
            skipped.update(range(row, last + 1))
        here = spans.setdefault(row, [])
        if goes_on and here:
            here[-1] = (here[-1][0], end, "string")
        elif kind:
            here.append((start, end, kind))
        before = each.string
    return spans, skipped


def _kind(each: tokenize.TokenInfo, before: str, behind: str) -> str:
    if each.type == tokenize.NAME:
        if keyword.iskeyword(each.string):
            return "keyword"
        if before in ("def", "class"):
            return "definition"
        return "call" if behind == "(" else "attribute" if before == "." else "name"
    return {tokenize.COMMENT: "comment", tokenize.STRING: "string", tokenize.NUMBER: "number"}.get(each.type, "")
