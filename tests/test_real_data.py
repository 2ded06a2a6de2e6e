"""Real data of every kind, as people have them: each file is found, read and divided as its names say."""

import numpy as np
import pytest

from reskeras import datasets
from reskeras.datasets import DataShape
from reskeras.reading import Reading

pytestmark = pytest.mark.any_backend


def test_film_reviews(shared_data):
    data = datasets.load(str(shared_data / "sst2_train.tsv"))
    assert (data.task, data.shape.train, data.shape.test, data.encoding.labels) == ("classes", 6920, 1821, ("0", "1"))
    assert np.bincount(data.y_train).tolist() == [3310, 3610]
    assert data.encoding.text.decode(data.x_train[1]).startswith("apparently reassembled from the cutting room floor")
    assert data.notes == (
        "Trained on sst2_train.tsv, tested on sst2_test.tsv, which lies beside it.",
        "Not used: sst2_dev.tsv.",
    )


def test_parts_of_speech(shared_data):
    data = datasets.load(str(shared_data / "ud_ewt_dev.conllu"))
    assert (data.task, data.classes, data.shape.train, data.shape.test) == ("tags", 17, 2001, 2077)
    assert [data.encoding.label(tag) for tag in data.y_train[0][:7]] == [
        "ADP",
        "DET",
        "PROPN",
        "VERB",
        "DET",
        "NOUN",
        "PUNCT",
    ]
    words, spelled = data.x_train[0, :, 0], data.x_train[0, :, 1:]
    assert data.encoding.text.decode(words) == "From the AP comes this story :"
    assert " ".join(map(data.encoding.spelling.text.decode, spelled[:7])) == "From the AP comes this story :"
    assert datasets.describe(str(shared_data / "ud_ewt_dev.conllu"), Reading(label="xpos")).classes > 40


def test_captions_in_two_languages(shared_data):
    paths = ",".join(str(shared_data / f"multi30k_train.{language}.gz") for language in ("en", "de"))
    data = datasets.load(paths, Reading(vocabulary_size=8000))
    assert data.shape == DataShape((46,), 8004, 29_000, 1_000, "translation", 8004)
    assert data.encoding.text.decode(data.x_train["source"][0]).startswith("Two young , White males are outside near")
    assert data.encoding.text.decode(data.x_train["samples"][0]).startswith("Zwei junge weiße Männer sind im Freien")


def test_plays(shared_data):
    data = datasets.load(str(shared_data / "tinyshakespeare.txt"), Reading(test_split=0.1))
    # 65 characters, as everybody counts them.
    assert (data.task, data.vocabulary, data.shape.input_shape) == ("language", 69, (256,))
    assert data.encoding.text.decode(data.x_train[0]).startswith("First Citizen:\nBefore we proceed any further")
    assert data.shape.train + data.shape.test == pytest.approx(1_115_394 / 256, abs=2)
