"""Pieces of words, learnt from text: byte pairs (Sennrich et al. 2016; GPT-2's bytes) and WordPiece (Schuster 2012).

Learnt and applied by `tokenizers`, on which keras-hub's own tokenizers are built; it needs no backend. Pieces and
merges of the one and pieces of the other are those that `keras_hub.tokenizers.BytePairTokenizer` and
`WordPieceTokenizer` take, and what these make of a text is the same.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from reskeras.installed import ExtraMissing, how_to_install

BYTE_PAIRS, WORD_PIECES = "bytepair", "wordpiece"
SUBWORDS = (BYTE_PAIRS, WORD_PIECES)

Merges = tuple[tuple[int, int], ...]
"""Which two pieces are made one, by their places among the pieces; the first that applies comes first."""

LONGEST = 64
"""Signs of a piece at most."""

BYTES = 256
"""Byte pairs that there are at the least: one of each byte."""

_INSIDE = "##"
"""What begins a WordPiece that is not the beginning of a word."""

_UNKNOWN_WORD = "[UNK]"
_LONGEST_WORD = 100

# The beginnings of Llama 3's, by which keras-hub splits text before it looks for byte pairs.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_CHUNK = 2**16
_WORD_ENDS = re.compile(r"(?<=[^\W_])(?=\s)")
_SURROGATES = re.compile("([\ud800-\udfff])")


def check_installed() -> None:
    """Raise ExtraMissing where `tokenizers` is not installed."""
    _library()


def learn(level: str, texts: Iterable[str], most: int) -> tuple[tuple[str, ...], Merges]:
    """Return the pieces that texts are best written with, and for byte pairs their merges; the same ones every time.

    Args:
        level: `"bytepair"` or `"wordpiece"`.
        texts: the texts.
        most: how many pieces there are at most; of byte pairs, `BYTES` or more.

    Raises:
        ExtraMissing: where `tokenizers` is not installed.
    """
    trainers = _library().trainers
    parts = (part for text in texts for part in _parts(_SURROGATES.sub("\ufffd", text)))
    if level == BYTE_PAIRS:
        tokenizer = _byte_pairs({}, [])
        letters = list(_alphabet())
        trainer = trainers.BpeTrainer(
            vocab_size=most, initial_alphabet=letters, max_token_length=LONGEST, special_tokens=[], show_progress=False
        )
        tokenizer.train_from_iterator(parts, trainer)
        pieces = _by_number(tokenizer)
        places = {piece: place for place, piece in enumerate(pieces)}
        return pieces, tuple((places[a], places[b]) for a, b in _merges(tokenizer))
    parts = list(parts)
    tokenizer = _word_pieces({})
    letters = _letters(parts, most // 2)
    inside = [letter for letter in letters if _goes_on(tokenizer, letter)]
    trainer = trainers.WordPieceTrainer(
        # Those inside of words would get their numbers by chance, were they not told beforehand.
        special_tokens=[_INSIDE + letter for letter in inside],
        vocab_size=most,
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(parts, trainer)
    return tuple(each for each in _by_number(tokenizer) if len(each) <= LONGEST), ()


def _letters(parts: Iterable[str], most: int) -> list[str]:
    """Return the commonest signs of a text that are not space, at least one."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part)
    signs = [sign for sign in counts if not sign.isspace()]
    return sorted(signs, key=lambda sign: (-counts[sign], sign))[: max(most, 1)]


def _goes_on(tokenizer: Any, letter: str) -> bool:
    """Return whether a letter can stand inside of a word."""
    return len(tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(f"a{letter}a"))) == 1


class Subwords:
    """What makes numbers of texts, and texts of pieces.

    Args:
        level: `"bytepair"` or `"wordpiece"`.
        pieces: the pieces that have a number.
        merges: of byte pairs.
        first: the number of the first piece.
        unknown: the number of a word that no pieces make up.

    Raises:
        ExtraMissing: where `tokenizers` is not installed.
        ValueError: where the merges do not fit the pieces.
    """

    def __init__(self, level: str, pieces: Sequence[str], merges: Merges, first: int, unknown: int):
        self._level, self._unknown = level, unknown
        numbers = {piece: number for number, piece in enumerate(pieces, first)}
        if level == BYTE_PAIRS:
            self._bytes = [numbers.get(letter, unknown) for letter in _alphabet()]
            self._tokenizer = _byte_pairs(numbers, [(pieces[a], pieces[b]) for a, b in merges])
        else:
            self._tokenizer = _word_pieces({**numbers, _UNKNOWN_WORD: unknown})

    def encode(self, text: str) -> np.ndarray:
        """Return the numbers of a text, int32."""
        if self._level == WORD_PIECES:
            text = _SURROGATES.sub("\ufffd", text)
        found = [np.empty(0, np.int32)]
        # What is no text, a byte that could not be decoded, stands by itself.
        for place, part in enumerate(_SURROGATES.split(text)):
            if place % 2:
                found.append(np.array([self._bytes[each] for each in in_bytes(part)], np.int32))
            else:
                found += [np.array(self._tokenizer.encode(chunk).ids, np.int32) for chunk in _parts(part)]
        return np.concatenate(found)


def text_of(level: str, pieces: Iterable[str]) -> str:
    """Return the text that pieces stand for.

    Raises:
        ExtraMissing: where `tokenizers` is not installed.
    """
    if level == BYTE_PAIRS:
        return _library().decoders.ByteLevel().decode(list(pieces))
    return " ".join(pieces).replace(f" {_INSIDE}", "")


def in_bytes(text: str) -> bytes:
    """Return a text as UTF-8; what stands for bytes that could not be decoded as these, what cannot be as `?`."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def check_merges(pieces: Sequence[str], merges: Merges) -> None:
    """Raise ValueError where merges make what is no piece."""
    known = set(pieces)
    for a, b in merges:
        if not (0 <= a < len(pieces) and 0 <= b < len(pieces)) or pieces[a] + pieces[b] not in known:
            raise ValueError(f"the merge of {a} and {b} makes no piece")


def _parts(text: str) -> Iterator[str]:
    """Yield a text in parts of a size that is quick to work on, cut where words end, so that all pieces stay whole."""
    start = 0
    while len(text) - start > _CHUNK:
        end = _WORD_ENDS.search(text, start + _CHUNK)
        if end is None:
            break
        yield text[start : end.start()]
        start = end.start()
    if start < len(text):
        yield text[start:]


def _byte_pairs(numbers: dict[str, int], merges: list[tuple[str, str]]) -> Any:
    library = _library()
    tokenizer = library.Tokenizer(library.models.BPE(vocab=numbers, merges=merges))
    split = library.pre_tokenizers.Split(library.Regex(_SPLIT), "isolated")
    in_letters = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = library.pre_tokenizers.Sequence([split, in_letters])
    return tokenizer


def _word_pieces(numbers: dict[str, int]) -> Any:
    library = _library()
    model = library.models.WordPiece(vocab=numbers, unk_token=_UNKNOWN_WORD, max_input_chars_per_word=_LONGEST_WORD)
    tokenizer = library.Tokenizer(model)
    tokenizer.normalizer = library.normalizers.BertNormalizer(
        clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    tokenizer.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _by_number(tokenizer: Any) -> tuple[str, ...]:
    numbers = tokenizer.get_vocab()
    return tuple(sorted(numbers, key=numbers.get))


def _merges(tokenizer: Any) -> list[list[str]]:
    return json.loads(tokenizer.to_str())["model"]["merges"]


@cache
def _alphabet() -> tuple[str, ...]:
    """Return the sign that stands for each byte among the pieces of byte pairs (Radford et al. 2019)."""
    printed = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(BYTES, 2 * BYTES))
    return tuple(chr(each if each in printed else next(others)) for each in range(BYTES))


@cache
def _library() -> Any:
    # By default it warns of every process that is started behind it, for it computes on several threads.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"Byte pairs and WordPiece are learnt by tokenizers, which is not installed. Install it with "
            f"{how_to_install('subwords')}; the levels bytes, characters and words need nothing more.",
            name=error.name,
        ) from error
    return tokenizers
