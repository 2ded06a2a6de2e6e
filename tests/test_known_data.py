"""Data sets that Keras downloads: what is in its cache is read, and without a network the way out is told."""

import pytest

from reskeras import datasets
from reskeras.datasets import KNOWN, DataError, known

pytestmark = pytest.mark.any_backend


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, and a network that gives nothing."""
    import urllib.error

    from keras.src.utils import file_utils

    def offline(*_, **__):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path), raising=False)
    monkeypatch.setattr(file_utils, "urlretrieve", offline)
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


@pytest.mark.parametrize("name", KNOWN)
def test_what_it_is_like_is_known_without_a_download(name):
    assert datasets.describe(name) == KNOWN[name].shape
    assert len(KNOWN[name].labels) in (0, KNOWN[name].shape.classes)


@pytest.mark.parametrize("name", KNOWN)
def test_without_a_network_the_folder_and_the_way_out_are_told(name, home):
    with pytest.raises(DataError) as caught:
        datasets.load(name)
    said = str(caught.value)
    assert said.startswith(f"{name} is not in {known.cache()}")
    assert "--data PATH" in said
    assert known.cache() == home


def test_prices_are_no_classes():
    with pytest.raises(DataError, match="california_housing has prices for labels"):
        datasets.describe("california_housing")


def test_words_keep_their_meaning():
    # As Keras gives a text: its beginning, an unknown word, and the first and the third commonest ones.
    numbers = known._numbers([[1, 2, 4, 6]])
    codec = known.TextCodec("words", ("the", "and", "a"))
    assert codec.decode(numbers[0]) == "\ufffd the a"
