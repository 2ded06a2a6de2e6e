"""Data sets that Keras downloads: what is in its cache is read, and without a network the way out is told."""

import gzip
import io
import itertools
import json
import pickle
import struct
import tarfile
from typing import ClassVar

import numpy as np
import pytest
from command import command

from reskeras import datasets
from reskeras.datasets import KNOWN, DataError, known
from reskeras.options import OptionError
from reskeras.reading import Reading

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


def test_prices_are_told_apart_by_quarters(believed):
    draw = np.random.default_rng(0)
    x, y = draw.random((500, 8)), draw.permutation(500) * 1000.0
    np.savez(believed / "california_housing.npz", x=x, y=y)
    data = datasets.load("california_housing")
    assert data.x_train.shape == (400, 8) and np.bincount(data.y_train).tolist() == [100] * 4
    prices = dict(zip(map(bytes, x), y, strict=True))
    both = np.concatenate([data.x_train, data.x_test]), np.concatenate([data.y_train, data.y_test])
    groups = [[prices[bytes(row)] for row, label in zip(*both, strict=True) if label == each] for each in range(4)]
    assert sum(map(len, groups)) == 500 and all(max(a) < min(b) for a, b in itertools.pairwise(groups))
    assert data.encoding.labels[0] == "lowest quarter" and data.classes == 4
    told = json.loads(command("data", "california_housing", "--json").out)
    assert (told["task"], told["kind"], told["input_shape"]) == ("classes", "vector", [8])


def test_words_keep_their_meaning():
    # As Keras gives a text: its beginning, an unknown word, and the first and the third commonest ones.
    numbers = known._numbers([[1, 2, 4, 6]], 256)
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


@pytest.fixture
def believed(home, monkeypatch):
    """A cache whose files Keras takes for its own, though they are smaller."""
    from keras.src.utils import file_utils

    monkeypatch.setattr(file_utils, "validate_file", lambda *_, **__: True)
    return home


class Python2(pickle._Pickler):
    """Writes pickles as Python 2 did, where every text was one of bytes: so the photographs are kept."""

    dispatch: ClassVar = pickle._Pickler.dispatch.copy()

    def save_text(self, text):
        text = text.encode() if isinstance(text, str) else text
        short = len(text) < 256
        head = pickle.SHORT_BINSTRING if short else pickle.BINSTRING
        self.write(head + struct.pack("<B" if short else "<i", len(text)) + text)
        self.memoize(text)

    dispatch[bytes] = dispatch[str] = save_text


def of_python2(content):
    buffer = io.BytesIO()
    Python2(buffer, 2).dump(content)
    return buffer.getvalue().replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n")


def photographs(name, rows, **labels):
    """Return a file of the photographs' format: rows of 1,024 reds, then greens, then blues."""
    return of_python2({"batch_label": name, **labels, "data": rows, "filenames": [f"{name}_{n}.png" for n in labels]})


def archive_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            told = tarfile.TarInfo(name)
            told.size = len(content)
            archive.addfile(told, io.BytesIO(content))
    return buffer.getvalue()


def test_photographs_put_into_the_cache_are_read(believed):
    # Keras takes a batch of the training for 10,000; one photograph stands for so many.
    reds = [np.repeat([[5 * number, 1, 2]], 1024, 1).astype("uint8") for number in range(1, 7)]
    batches = [photographs(f"batch {n}", rows, labels=[n]) for n, rows in enumerate(reds)]
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    files = {f"cifar-10-batches-py/{name}": content for name, content in zip(names, batches, strict=True)}
    put(believed, *KNOWN["cifar10"].files, archive_of(files))
    told = json.loads(command("data", "cifar10", "--json").out)
    assert (told["input_shape"], told["train"], told["test"]) == ([32, 32, 3], 50_000, 1)
    assert told["classes"][0] == {"name": "airplane", "train": 10_000, "test": 0}
    assert {"name": "dog", "train": 0, "test": 1} in told["classes"]
    data = datasets.load("cifar10")
    assert data.x_train[20_000, 3, 4].tolist() == [15, 1, 2] and data.x_test[0, 31, 31].tolist() == [30, 1, 2]
    assert data.y_train[::10_000].tolist() == [0, 1, 2, 3, 4]


def test_photographs_of_a_hundred_kinds_are_read(believed):
    rows = np.arange(2 * 3072).reshape(2, 3072).astype("uint8")
    fine = {"fine_labels": [99, 7], "coarse_labels": [3, 4]}
    files = {"cifar-100-python/meta": b"names", "cifar-100-python/train": photographs("training batch", rows, **fine)}
    files["cifar-100-python/test"] = photographs("testing batch", rows[:1], fine_labels=[99], coarse_labels=[3])
    put(believed, *KNOWN["cifar100"].files, archive_of(files))
    assert "2 to train on, 1 to test on" in command("data", "cifar100").out
    data = datasets.load("cifar100")
    assert data.y_train.tolist() == [99, 7] and data.classes == 100
    assert np.array_equal(data.x_train, rows.reshape(2, 3, 32, 32).transpose(0, 2, 3, 1))


def texts_of(*rows):
    found = np.empty(len(rows), object)
    found[:] = [list(row) for row in rows]
    return found


def test_films_and_news_put_into_the_cache_are_read(believed):
    words = {"film": 2, "the": 1, "good": 3, "rare": 4}
    rows, labels = texts_of([1, 3, 2], [1, 4], [2]), np.array([1, 0, 0])
    np.savez(believed / "imdb.npz", x_train=rows, y_train=labels, x_test=rows[:2], y_test=labels[:2])
    np.savez(believed / "reuters.npz", x=texts_of([1, 3, 2], [1, 4], [2], [3], [1, 1, 1]), y=np.arange(41, 46))
    for name in ("imdb", "reuters"):
        (believed / f"{name}_word_index.json").write_text(json.dumps(words))
    data = datasets.load("imdb", Reading(vocabulary_size=3, length=5))
    assert data.x_train.shape == (3, 5) and data.vocabulary == 7
    found = {
        data.encoding.text.decode(row): data.encoding.label(y)
        for row, y in zip(data.x_train, data.y_train, strict=True)
    }
    assert {text.strip(): label for text, label in found.items()} == {
        "the good film": "good",
        "the \ufffd": "bad",
        "film": "bad",
    }
    shown = command("data", "imdb", "--samples", "3").out
    assert "the good film" in shown and "the rare" in shown and "3 to train on, 2 to test on" in shown
    told = json.loads(command("data", "reuters", "--json").out)
    assert (told["train"], told["test"], told["outputs"], told["vocabulary"]) == (4, 1, 46, 8)


def test_texts_that_come_in_words_are_at_no_other_level(home):
    for name in ("imdb", "reuters"):
        with pytest.raises(
            OptionError, match=f"level cannot be bytes: {name} comes in words. Did you mean level=words"
        ):
            datasets.describe(name, Reading(level="bytes"))
        shape = datasets.describe(name, Reading(vocabulary_size=100, length=9, level="words"))
        assert (shape.input_shape, shape.vocabulary) == ((9,), 104)


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_in_the_cache_is_not_lost(name, home):
    for file in KNOWN[name].files:
        put((home / file).parent, (home / file).name, b"of the user's")
    with pytest.raises(DataError):
        datasets.load(name)
    assert all((home / file).read_bytes() == b"of the user's" for file in KNOWN[name].files)
    assert not [path for path in home.rglob(".*") if path.is_file()]
