"""Data sets that Keras downloads: what is in its cache is read, and without a network the way out is told."""

import gzip

import numpy as np
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
    assert len(KNOWN[name].shape.labels) in (0, KNOWN[name].shape.classes)


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


def put(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def test_digits_put_into_the_cache_are_read(home):
    digits = {"x_train": (12, 28, 28), "x_test": (3, 28, 28), "y_train": (12,), "y_test": (3,)}
    draw = np.random.default_rng(0)
    arrays = {key: draw.integers(0, 10, shape).astype("uint8") for key, shape in digits.items()}
    arrays["y_train"][:2], arrays["y_test"][0] = (0, 9), 9
    np.savez(home / "mnist.npz", **arrays)
    data = datasets.load("mnist")
    assert data.x_train.shape == (12, 28, 28, 1) and data.classes == 10
    assert np.array_equal(data.x_test[..., 0], arrays["x_test"])
    assert np.array_equal(data.y_train, arrays["y_train"])


def test_garments_put_into_the_cache_are_read(home):
    x, y = np.arange(2 * 28 * 28, dtype="uint8"), np.array([9, 3], "uint8")
    for part in ("train", "t10k"):
        put(home / "fashion-mnist", f"{part}-labels-idx1-ubyte.gz", gzip.compress(bytes(8) + y.tobytes()))
        put(home / "fashion-mnist", f"{part}-images-idx3-ubyte.gz", gzip.compress(bytes(16) + x.tobytes()))
    data = datasets.load("fashion_mnist")
    assert data.x_train.shape == (2, 28, 28, 1) and np.array_equal(data.x_test.reshape(-1), x)
    assert [data.encoding.label(each) for each in data.y_test] == ["ankle boot", "dress"]


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_in_the_cache_is_not_lost(name, home):
    for file in KNOWN[name].files:
        put((home / file).parent, (home / file).name, b"of the user's")
    with pytest.raises(DataError):
        datasets.load(name)
    assert all((home / file).read_bytes() == b"of the user's" for file in KNOWN[name].files)
    assert not [path for path in home.rglob(".*") if path.is_file()]
