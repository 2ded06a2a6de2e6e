"""Text as token numbers and back, and what is kept of it with a trained network."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reskeras.datasets import subwords
from reskeras.datasets.encoding import (
    END,
    FIRST,
    LEVELS,
    PADDING,
    START,
    UNKNOWN,
    Encoding,
    Spelling,
    TextCodec,
    padded,
    words_of,
)
from reskeras.datasets.subwords import SUBWORDS
from reskeras.installed import ExtraMissing

pytestmark = pytest.mark.any_backend


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_bytes_and_known_characters_come_back_as_they_were(text):
    assert TextCodec("bytes").decode(TextCodec("bytes").encode(text)) == text
    codec = TextCodec.fit("characters", [text])
    assert codec.decode(codec.encode(text)) == text
    assert UNKNOWN not in codec.encode(text)


def test_words_are_the_commonest_and_the_others_unknown():
    codec = TextCodec.fit("words", ["to be, or not to be", "to do"], most=2)
    assert codec.pieces == ("to", "be") and codec.vocabulary == FIRST + 2
    assert codec.encode("to see").tolist() == [FIRST, UNKNOWN]
    assert codec.decode([START, FIRST, FIRST + 1, UNKNOWN, END, FIRST]) == "to be \ufffd"
    assert TextCodec.fit("words", [["new", "york"]]).encode(["new", "new york"]).tolist() == [FIRST, UNKNOWN]


def test_rows_are_cut_and_filled_up():
    assert padded([[1, 2, 3], [], [4]], 2).tolist() == [[1, 2], [PADDING, PADDING], [4, PADDING]]
    assert padded([[1]], 3, -1).tolist() == [[1, -1, -1]]


def test_text_that_no_encoding_has_is_still_made_numbers_of():
    assert TextCodec("bytes").encode("a\udcff").tolist() == [FIRST + 97, FIRST + 255]
    assert TextCodec("bytes").decode(TextCodec("bytes").encode("a\ud800")) == "a?"
    codec = TextCodec("characters", ("a", "\udcff", "\U0010ffff"))
    assert codec.encode("a\udcff\U0010ffffb").tolist() == [FIRST, FIRST + 1, FIRST + 2, UNKNOWN]


def test_what_learns_parts_of_words_is_named_where_it_is_missing(monkeypatch):
    subwords._library.cache_clear()
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(
        ExtraMissing, match=r'pip install "reskeras\[subwords\]"; the levels bytes, characters and words'
    ):
        TextCodec.fit("bytepair", ["ab"])
    codec = Encoding.from_json({"labels": [], "text": {"level": "wordpiece", "pieces": ["a"]}, "length": 3}).text
    with pytest.raises(ExtraMissing, match="tokenizers, which is not installed"):
        codec.encode("a")


@pytest.mark.parametrize("level", [level for level in LEVELS if level not in SUBWORDS])
def test_an_encoding_comes_back_from_json(level):
    codec = TextCodec.fit(level, ["a\tb \x07 c\u202e\n"])
    encoding = Encoding(("yes", "no"), codec, 7)
    assert Encoding.from_json(json.loads(json.dumps(encoding.to_json()))) == encoding
    assert encoding.label(1) == "no" and encoding.label(5) == 5 and Encoding().label(3) == 3
    assert encoding.tokens(["a", ""]).shape == (2, 7)


def test_words_come_with_their_characters():
    texts = [["undo", "do"], ["x", "undoing", "do", "x"]]
    spelling = Spelling.fit(texts, 4)
    # What comes once is unknown.
    assert set(spelling.text.pieces) == set("undox")
    encoding = Encoding(("yes", "no"), TextCodec.fit("words", texts, 2), 3, spelling)
    assert Encoding.from_json(json.loads(json.dumps(encoding.to_json()))) == encoding
    found = encoding.tokens(["x undo undo do", ["undoing"], ""])
    assert found.shape == (3, 3, 5) and found.dtype == np.int32
    assert np.array_equal(words_of(found), Encoding((), encoding.text, 3).tokens(["x undo undo do", ["undoing"], ""]))
    signs = dict(zip(spelling.text.pieces, range(FIRST, 10), strict=False)) | {"": PADDING, "?": UNKNOWN}
    spelled = {"x": "x", "undo": "undo", "undoing": "unn?", "": ""}
    for word, row in (("x", found[0, 0]), ("undo", found[0, 1]), ("undoing", found[1, 0]), ("", found[2, 2])):
        assert row[1:].tolist() == [signs[each] for each in spelled[word]] + [PADDING] * (4 - len(spelled[word]))
    assert Spelling(spelling.text, 3).rows(["undox"]).tolist() == [[signs[each] for each in "unx"]]
    assert encoding.tokens([]).shape == (0, 3, 5)


@pytest.mark.parametrize(
    "content",
    [
        None, 5, [], {}, {"labels": [], "text": None}, {"labels": "ab", "text": None, "length": None},
        {"labels": [1], "text": None, "length": None}, {"labels": [], "text": None, "length": -1},
        {"labels": [], "text": {"level": "lines", "pieces": []}, "length": 3},
        {"labels": [], "text": {"level": "words", "pieces": []}, "length": None},
        {"labels": [], "text": {"level": "words", "pieces": [["a"]]}, "length": 3},
        {"labels": [], "text": [], "length": 10**9},
        {"labels": [], "text": {"level": "words", "pieces": ["a"], "merges": [[0, 0]]}, "length": 3},
        *(
            {"labels": [], "text": {"level": "bytepair", "pieces": ["a", "b", "aa"], "merges": merges}, "length": 3}
            for merges in ([[0, 1]], [[0, 3]], [[-3, 0]], [[0]], [[0, 0, 0]], [["a", "a"]], [[True, 0]], 5, "aa")
        ),
        {"labels": [], "text": {"level": "wordpiece", "pieces": ["a" * 10_000]}, "length": 3},
        *(
            {"labels": [], "text": {"level": level, "pieces": []}, "length": 3, "spelling": spelling}
            for level, spelling in (
                ("bytes", {"pieces": ["a"], "length": 3}), ("words", {"pieces": ["a"], "length": 10**6}),
                ("words", {"pieces": ["a"], "length": 0}), ("words", {"pieces": ["a"], "length": True}),
                ("words", {"pieces": [1], "length": 3}), ("words", {"length": 3}), ("words", [1]), ("words", 5),
            )
        ),
        {"labels": [], "text": None, "length": None, "spelling": {"pieces": ["a"], "length": 3}},
    ],
)  # fmt: skip
def test_anything_else_is_refused(content):
    with pytest.raises(ValueError, match="This is no encoding of samples"):
        Encoding.from_json(content)
