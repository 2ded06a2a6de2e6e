"""Made-up translations between rows of letters: the same row, the row backwards, the row in alphabetical order.

Each has 8,000 rows to train on and 1,000 others to test on, of 3 to 11 of the letters a to j, drawn evenly from a fixed
seed. No row is in both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reskeras.datasets.dataset import Dataset, DataShape
from reskeras.datasets.encoding import Encoding, TextCodec
from reskeras.datasets.texts import translation

LETTERS = "abcdefghij"
SHORTEST, LONGEST = 3, 11
TRAIN, TEST = 8_000, 1_000

CODEC = TextCodec("characters", tuple(LETTERS))
SHAPE = DataShape((LONGEST + 1,), CODEC.vocabulary, TRAIN, TEST, "translation", CODEC.vocabulary)

RULES: dict[str, Callable[[str], str]] = {
    "copy": lambda row: row,
    "reverse": lambda row: row[::-1],
    "sort": lambda row: "".join(sorted(row)),
}

SUMMARIES = {
    "copy": "9,000 rows of 3 to 11 letters, to be written down again (made up)",
    "reverse": "9,000 rows of 3 to 11 letters, to be written backwards (made up)",
    "sort": "9,000 rows of 3 to 11 letters, to be written in alphabetical order (made up)",
}

SOURCE = "made up, from a fixed seed"

BASELINES = {
    "copy": "the commonest token 12 % of tokens",
    "reverse": "the commonest token 12 % of tokens, the row as it is 0.3 % exact matches",
    "sort": "the commonest token 12 % of tokens, the row as it is 2.2 % exact matches",
}


def load(rule: str) -> Dataset:
    """Return rows of letters and what a rule, a name in `RULES`, makes of them."""
    pairs = [(row, RULES[rule](row)) for row in _rows()]
    encoding = Encoding((), CODEC, LONGEST + 1)
    return translation(pairs[:TRAIN], pairs[TRAIN:], encoding)


def _rows() -> list[str]:
    draw = np.random.default_rng(26)
    # More than are needed: short rows come up again and again, and each is taken once.
    lengths = draw.integers(SHORTEST, LONGEST + 1, 4 * (TRAIN + TEST))
    signs = draw.integers(0, len(LETTERS), (len(lengths), LONGEST))
    rows = dict.fromkeys(
        "".join(LETTERS[each] for each in row[:size]) for row, size in zip(signs, lengths, strict=True)
    )
    return list(rows)[: TRAIN + TEST]
