"""Byte pairs and word pieces: learnt from text, the same each time, as keras-hub has them, kept with a network."""

import json

import numpy as np
import pytest
from data_files import REVIEWS, load, write
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_runs import sets as sets
from tiny_runs import trained

import reskeras
from reskeras import datasets
from reskeras.datasets import DataError, python_docs, subwords
from reskeras.datasets.encoding import END, FIRST, START, UNKNOWN, Encoding, TextCodec
from reskeras.datasets.subwords import SUBWORDS
from reskeras.installed import has_extra
from reskeras.reading import Reading

pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install 'reskeras[subwords]'")
if not has_extra("text"):
    pytest.skip("keras-hub is not installed: pip install 'reskeras[text]'", allow_module_level=True)

any_backend = pytest.mark.any_backend
TALE = (
    "Once upon a time there was a näive cat; it couldn't  read 12345 books.\n\n\tThe cat's books, 漢字 and all!\r\n"
    * 40
)


@pytest.fixture(scope="module", params=SUBWORDS)
def codec(request):
    return TextCodec.fit(request.param, [TALE, ["split", "already"]], 400)


@pytest.fixture(scope="module")
def byte_pairs():
    return TextCodec.fit("bytepair", [TALE], 400)


@any_backend
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@settings(max_examples=150, deadline=None)
def test_byte_pairs_come_back_as_they_were(byte_pairs, text):
    assert byte_pairs.decode(byte_pairs.encode(text)) == text


@any_backend
def test_what_is_no_text_has_numbers_too(codec, byte_pairs):
    found = byte_pairs.encode("cat\udcff\ud800cat")
    assert byte_pairs.decode(found) == "cat\ufffd?cat"
    assert codec.encode("cat\ud800").dtype == codec.encode("").dtype == np.int32
    assert codec.decode([START, *codec.encode("The cat"), END, FIRST]) == "The cat"


@any_backend
def test_the_same_pieces_are_learnt_each_time(codec):
    again = TextCodec.fit(codec.level, [TALE, ["split", "already"]], 400)
    assert again == codec
    assert len(codec.pieces) <= 400
    # Often written together, so one piece.
    assert len(codec.encode(" books")) == 1


@any_backend
def test_a_long_text_is_read_in_parts_without_a_seam(codec, monkeypatch):
    whole = codec.encode(TALE)
    monkeypatch.setattr(subwords, "_CHUNK", 50)
    assert np.array_equal(codec.encode(TALE), whole)


@any_backend
def test_keras_hub_makes_the_same_numbers(codec):
    # Not above: with it comes TensorFlow, into every process that collects these tests.
    import keras_hub

    pieces = {piece: place for place, piece in enumerate(codec.pieces)}
    if codec.level == "bytepair":
        merges = [f"{codec.pieces[a]} {codec.pieces[b]}" for a, b in codec.merges]
        theirs = keras_hub.tokenizers.BytePairTokenizer(pieces, merges)
    else:
        theirs = keras_hub.tokenizers.WordPieceTokenizer([*codec.pieces, "[UNK]"])
    for text in ("The näive cat couldn't read; it read 1234 cats,\n\n and all!", "books, books"):
        ours = codec.encode(text)
        assert UNKNOWN not in ours
        assert (ours - FIRST).tolist() == np.asarray(theirs(text)).tolist()


@any_backend
def test_what_was_learnt_comes_back_from_json(codec):
    encoding = Encoding((), codec, 9)
    again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert again == encoding
    assert np.array_equal(again.tokens([TALE]), encoding.tokens([TALE]))


@any_backend
def test_files_and_embedded_sets_are_read_at_every_level(tmp_path):
    write(tmp_path, {"d.tsv": REVIEWS * 5, "d.txt": TALE})
    for level in SUBWORDS:
        data = load(tmp_path / "d.tsv", level=level, vocabulary_size=300)
        assert data.encoding.text.level == level and data.vocabulary <= FIRST + 300
        data = load(tmp_path / "d.txt", level=level, vocabulary_size=300, length=8)
        assert (data.task, data.shape.input_shape) == ("language", (8,))
    with pytest.raises(DataError, match=r"d.txt: each of the 256 bytes.*vocabulary_size 256. Did you mean 512\?"):
        load(tmp_path / "d.txt", level="bytepair", vocabulary_size=256)
    reading = Reading(level="bytepair", vocabulary_size=1000)
    data = datasets.load("python_docs", reading)
    assert data.shape == datasets.describe("python_docs", reading) and data.vocabulary == FIRST + 1000
    assert data.encoding.text.decode(data.x_train[:40].reshape(-1)) in python_docs.text()


def test_a_trained_network_takes_and_gives_text(tmp_path):
    write(tmp_path, {"d.tsv": REVIEWS * 20, "d.txt": TALE})
    wanted = {"vocabulary_size": 300, "epochs": 1}
    model = reskeras.load(trained("gpt", str(tmp_path / "d.txt"), tmp_path, level="bytepair", length=8, **wanted))
    written = model.generate("The cat", 5)
    assert isinstance(written, str) and model.generate("The cat", 5) == written
    run = trained("text_resnet", str(tmp_path / "d.tsv"), tmp_path, level="wordpiece", **wanted)
    assert set(reskeras.load(run).predict(["good film", "poor play 漢"])) <= {"yes", "no"}
