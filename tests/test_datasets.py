"""Data sets: the digits, and whatever a user's .npz file may hold."""

import io
import os
import pickle
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reskeras import datasets
from reskeras.datasets import EMBEDDED, DataError, Dataset, DataShape, split

pytestmark = pytest.mark.any_backend


def arrays(train=6, test=4, sample=(4, 4), kind=np.uint8):
    """Return arrays of a good data set of three classes, every value of the samples different from the next."""
    count = (train + test) * int(np.prod(sample))
    samples = np.arange(count).reshape(-1, *sample).astype(kind)
    labels = np.arange(train + test) % 3
    return {
        "x_train": samples[:train],
        "y_train": labels[:train],
        "x_test": samples[train:],
        "y_test": labels[train:],
    }


def write(folder, name="data.npz", **content):
    path = folder / name
    np.savez(path, **content)
    return path


def refusal(path):
    """Return what both ways of looking at a data set say against it, which must be the same."""
    with pytest.raises(DataError) as loaded:
        datasets.load(str(path))
    try:
        datasets.describe(str(path))
    except DataError as described:
        assert str(described) == str(loaded.value)
    return str(loaded.value)


def test_the_split_of_the_digits_never_moves():
    """Scores of different versions compare only while these samples stay where they are."""
    data = datasets.load("digits")
    assert data.shape == DataShape((8, 8, 1), 10, 1437, 360)
    assert (data.x_train.min(), data.x_train.max()) == (0, 16)
    assert data.y_train[:10].tolist() == [5, 7, 6, 5, 7, 0, 5, 3, 4, 5]
    assert data.y_test[:10].tolist() == [5, 7, 9, 9, 4, 6, 4, 8, 6, 1]
    assert np.bincount(data.y_test).tolist() == [31, 29, 34, 36, 28, 40, 43, 39, 41, 39]
    # Each sample weighed with its place: no two of them can change places unnoticed.
    assert (data.x_test.sum((1, 2, 3)) * np.arange(360)).sum() == 20_099_511


def test_moments_are_those_of_each_channel_and_a_constant_channel_has_variance_one():
    samples = np.random.default_rng(0).normal(3, 5, (40, 5, 4, 3)).astype(np.float32)
    samples[..., 1] = 7
    labels = np.zeros(40, np.int32)
    mean, variance = Dataset(samples, labels, samples, labels, 2).moments()
    columns = samples.reshape(-1, 3).astype(np.float64)
    assert mean == pytest.approx(columns.mean(0), rel=1e-12)
    assert variance == pytest.approx([columns[:, 0].var(), 1.0, columns[:, 2].var()], rel=1e-12)
    assert all(type(value) is float for value in (*mean, *variance))


def test_moments_of_many_small_numbers_do_not_drift():
    """A float32 sum of this many bytes would be off in the third digit."""
    samples = np.full((200_000, 10), 200, np.uint8)
    samples[::2] = 201
    labels = np.zeros(200_000, np.int32)
    mean, variance = Dataset(samples, labels, samples, labels, 2).moments()
    assert mean == (200.5,) * 10
    assert variance == (0.25,) * 10


def test_validation_samples_are_apart_and_the_same_for_the_same_seed():
    data = datasets.load("digits")
    kept, aside = split(data, 0.1, 3)
    assert len(aside) == round(0.1 * 1437)
    assert sorted([*kept, *aside]) == list(range(1437))
    assert all(np.array_equal(a, b) for a, b in zip((kept, aside), split(data, 0.1, 3), strict=True))
    assert not np.array_equal(aside, split(data, 0.1, 4)[1])
    assert len(split(data, 0.0, 3)[1]) == 0


def test_a_split_that_leaves_nothing_is_refused():
    single = Dataset(np.zeros((1, 2)), np.zeros(1, np.int32), np.zeros((1, 2)), np.zeros(1, np.int32), 2)
    with pytest.raises(DataError, match=r"validation_split 0\.9 leaves no sample of 1"):
        split(single, 0.9, 0)


@pytest.mark.parametrize(
    ("sample", "input_shape"),
    [((4, 4), (4, 4, 1)), ((4, 5, 3), (4, 5, 3)), ((7,), (7,))],
    ids=["grey", "colour", "vector"],
)
@pytest.mark.parametrize("kind", ["uint8", "int64", "float16", "float64", "bool"])
def test_good_samples_come_back_unchanged(tmp_path, sample, input_shape, kind):
    content = arrays(sample=sample, kind=kind)
    path = write(tmp_path, **content)
    data = datasets.load(str(path))
    assert data.shape == datasets.describe(str(path)) == DataShape(input_shape, 3, 6, 4)
    for name in ("x_train", "x_test"):
        loaded = getattr(data, name)
        assert loaded.dtype == content[name].dtype
        assert np.array_equal(loaded.reshape(content[name].shape), content[name])
    assert len(data.moments()[0]) == input_shape[-1]


@pytest.mark.parametrize("kind", ["uint8", "int8", "uint64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)], ids=["flat", "column"])
def test_good_labels_become_class_numbers(tmp_path, kind, shape):
    content = arrays()
    for name in ("y_train", "y_test"):
        content[name] = content[name].astype(kind).reshape(shape)
    data = datasets.load(str(write(tmp_path, **content)))
    assert data.y_train.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.y_test.tolist() == [0, 1, 2, 0]
    assert data.y_train.dtype == np.int32


def test_a_compressed_file_and_one_with_further_arrays_are_good(tmp_path):
    np.savez_compressed(tmp_path / "small.npz", **arrays(), notes=np.array(["made by hand"]))
    assert datasets.load(str(tmp_path / "small.npz")).classes == 3


def test_a_path_may_start_at_home(tmp_path, monkeypatch):
    write(tmp_path, **arrays())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert datasets.describe("~/data.npz").classes == 3


def test_mnist(shared_data):
    path = str(shared_data / "mnist.npz")
    data = datasets.load(path)
    assert data.shape == datasets.describe(path) == DataShape((28, 28, 1), 10, 60_000, 10_000)
    mean, variance = data.moments()
    # The constants that every MNIST example divides by: 0.1307 and 0.3081 of 255.
    assert (mean[0] / 255, variance[0] ** 0.5 / 255) == pytest.approx((0.1307, 0.3081), abs=5e-5)


CHANGES = {
    "lengths": ({"y_train": np.arange(5) % 3}, "y_train has shape (5,); it must be (6,), one label"),
    "one-hot": ({"y_train": np.eye(6)}, "y_train has shape (6, 6); it must be (6,), one label"),
    "test lengths": ({"y_test": np.arange(6) % 3}, "y_test has shape (6,); it must be (4,), one label"),
    "sizes": ({"x_test": np.zeros((4, 5, 4))}, "samples of x_train have shape (4, 4) and samples of x_test (5, 4)"),
    "kinds": ({"x_test": np.zeros((4, 16))}, "samples of x_train have shape (4, 4) and samples of x_test (16,)"),
    "no sample": ({"x_test": np.zeros((0, 4, 4)), "y_test": np.zeros(0, int)}, "shape (0, 4, 4); samples must be"),
    "no pixel": ({"x_train": np.zeros((6, 4, 0))}, "x_train has shape (6, 4, 0); samples must be"),
    "numbers": ({"x_train": np.zeros(6)}, "x_train has shape (6,); samples must be"),
    "films": ({"x_train": np.zeros((6, 2, 4, 4, 3))}, "x_train has shape (6, 2, 4, 4, 3); samples must be"),
    "scalar": ({"x_train": np.float64(3)}, "x_train has shape (); samples must be"),
    "words": ({"x_train": np.full((6, 4), "a")}, "x_train must hold numbers; it holds <U1."),
    "complex": ({"x_train": np.zeros((6, 4), complex)}, "x_train must hold numbers; it holds complex128."),
    "names": ({"y_train": np.array(list("abcabc"))}, "must hold whole class numbers from 0; it holds <U1 values."),
    "halves": ({"y_train": np.arange(6) / 2}, "must hold whole class numbers from 0; it holds float64 values."),
    "NaN label": ({"y_train": np.array([0, 1, 2, 0, 1, np.nan])}, "y_train must hold whole class numbers from 0"),
    "infinite label": ({"y_test": np.array([0, 1, 2, np.inf])}, "y_test must hold whole class numbers from 0"),
    "negative": ({"y_train": np.arange(6) - 1}, "y_train holds the label -1; labels must be class numbers from 0."),
    "one class": ({"y_train": np.zeros(6)}, "y_train holds only the label 0; at least 2 classes are needed."),
    "gap": ({"y_train": np.array([0, 1, 2, 0, 1, 10**6])}, "y_train holds the label 1000000, which is more"),
    "huge": ({"y_train": np.array([0, 1, 2, 0, 1, 1e300])}, "which is more than its 6 samples can tell apart"),
    "unseen": ({"y_test": np.array([0, 1, 2, 3])}, "y_test holds the label 3; the labels of y_train are 0 to 2."),
    "test negative": ({"y_test": np.array([0, 1, 2, -7])}, "y_test holds the label -7; the labels of"),
    "NaN": ({"x_train": np.full((6, 4, 4), np.nan)}, "x_train holds values that are not finite (NaN or infinity)."),
    "infinity": ({"x_test": np.full((4, 4, 4), np.inf)}, "x_test holds values that are not finite"),
}


@pytest.mark.parametrize(("changed", "sentence"), CHANGES.values(), ids=CHANGES)
def test_arrays_that_do_not_fit_are_refused(tmp_path, changed, sentence):
    path = write(tmp_path, **{**arrays(), **changed})
    said = refusal(path)
    assert said.startswith(f"{path}: ")
    assert sentence in said


def test_missing_arrays_are_named(tmp_path):
    content = arrays()
    del content["x_test"], content["y_train"]
    path = write(tmp_path, **content, extra=np.zeros(1))
    assert refusal(path) == (
        f"{path} lacks y_train, x_test (it must hold x_train, y_train, x_test, y_test; "
        "it holds x_train, y_test, extra)."
    )
    assert refusal(write(tmp_path, "empty.npz")).endswith("it holds nothing).")


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path):
    write(tmp_path, "flowers.npz", **arrays())
    assert refusal(tmp_path / "flower.npz") == f"There is no file {tmp_path}/flower.npz. Did you mean flowers.npz?"
    assert refusal(tmp_path / "no/where.npz") == f"There is no file {tmp_path}/no/where.npz."


def test_an_unknown_name_is_refused_with_the_names_that_exist():
    said = refusal("digit")
    assert said.startswith(
        f"There is no data set 'digit' (data sets: {', '.join((*EMBEDDED, *datasets.KNOWN))}; or the path of your own:"
    )
    assert said.endswith(" Did you mean digits?")


@pytest.mark.parametrize("name", ["", "~nobody-here/x.npz", "a" * 5000, "a" * 5000 + ".npz", "a\0.npz", "a\0b"])
def test_names_that_no_file_can_have_are_refused(name):
    assert refusal(name)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
def test_pickled_objects_are_refused_and_not_run(tmp_path, name):
    sprung = tmp_path / "sprung"
    content = arrays()
    content[name] = np.array([Trap(sprung)] * len(content[name]), object)
    if name.startswith("x"):
        content[name] = np.broadcast_to(content[name][:, None, None], (len(content[name]), 4, 4))
    assert name in refusal(write(tmp_path, **content))
    (tmp_path / "raw.npz").write_bytes(pickle.dumps(Trap(sprung)))
    assert refusal(tmp_path / "raw.npz")
    assert not sprung.exists()


def test_what_is_no_archive_is_refused(tmp_path):
    path = write(tmp_path, **arrays())
    whole = path.read_bytes()
    np.save(tmp_path / "single.npy", np.zeros((6, 4)))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    assert "holds a single array; it must be an .npz file" in refusal(tmp_path / "single.npz")
    broken = tmp_path / "broken.npz"
    for content in (b"", b"hello", b"PK\x03\x04", whole[:-1], whole[: len(whole) // 2], whole[100:], b"\x93NUMPY"):
        broken.write_bytes(content)
        assert refusal(broken).startswith(f"{broken} ")
    with zipfile.ZipFile(broken, "w") as file:
        for name in arrays():
            file.writestr(f"{name}.npy", b"no array")
    assert refusal(broken) == f"{broken}: x_train is not a numpy array."


def test_members_that_only_look_like_the_arrays_are_not_taken_for_them(tmp_path):
    """numpy finds `x_train` before `x_train.npy`, whose header is the one that was checked."""
    path = write(tmp_path, **arrays())
    with zipfile.ZipFile(path, "a") as file:
        for name in arrays():
            file.writestr(name, b"no array")
    assert datasets.load(str(path)).classes == 3
    with zipfile.ZipFile(path, "w") as file:
        for name in arrays():
            file.writestr(name, b"no array")
    assert "lacks x_train, y_train, x_test, y_test" in refusal(path)


def test_an_array_that_claims_more_memory_than_there_is_is_refused(tmp_path):
    path = tmp_path / "vast.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name in arrays():
            shape = (2**50, 4) if name.startswith("x") else (2**50,)
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": shape})
            file.writestr(f"{name}.npy", header.getvalue())
    assert refusal(path)


def test_what_is_no_file_is_refused_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.npz").mkdir()
    said = {}
    paths = [tmp_path / "pipe.npz", tmp_path / "folder.npz", tmp_path, Path("/dev/zero"), Path("/dev/tty")]
    watched = threading.Thread(target=lambda: said.update({path: refusal(path) for path in paths}), daemon=True)
    watched.start()
    watched.join(20)
    assert not watched.is_alive(), "reading a pipe or a device waits for ever"
    assert "is a folder; it must be an .npz file" in said[tmp_path / "folder.npz"]
    assert "is a pipe or a device; it must be an .npz file" in said[tmp_path / "pipe.npz"]
    assert len(said) == len(paths)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\x80\x04N."], ids=("empty", "text", "pickle"))
def test_a_file_of_another_kind_is_refused_without_the_advice_to_unpickle_it(tmp_path, content):
    path = tmp_path / "samples.npz"
    path.write_bytes(content)
    assert refusal(path) == f"{path} cannot be read as an .npz file: it is not one that np.savez writes."


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads any file")
def test_an_unreadable_file_is_refused(tmp_path):
    path = write(tmp_path, **arrays())
    path.chmod(0)
    assert refusal(path) == f"{path} cannot be read as an .npz file: Permission denied."


def only_data_errors(path):
    """Load a file; anything but success or a DataError fails the test. What loads must hang together."""
    try:
        data = datasets.load(str(path))
    except DataError:
        return
    assert data.shape == datasets.describe(str(path))
    assert data.x_train.shape[1:] == data.x_test.shape[1:]
    assert (len(data.x_train), len(data.x_test)) == (len(data.y_train), len(data.y_test))
    assert 0 <= data.y_train.min() <= data.y_train.max() == data.classes - 1


STARTS = [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x80\x04"]
"""Nothing, a zip file, an array, a pickle."""

fuzzed = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(content=st.binary(max_size=300), start=st.sampled_from(STARTS))
@fuzzed
def test_any_bytes_are_refused_without_a_traceback(tmp_path, content, start):
    path = tmp_path / "fuzz.npz"
    path.write_bytes(start + content)
    assert refusal(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@given(places=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 7)), min_size=1, max_size=6))
@fuzzed
@pytest.mark.filterwarnings("ignore::UserWarning:numpy", "ignore::UserWarning:zipfile")
def test_a_file_with_flipped_bits_loads_or_is_refused(tmp_path, save, places):
    """numpy and zipfile warn of some damage besides raising."""
    buffer = io.BytesIO()
    save(buffer, **arrays(kind=np.float32))
    content = bytearray(buffer.getvalue())
    for place, bit in places:
        content[place % len(content)] ^= 1 << bit
    path = tmp_path / "flipped.npz"
    path.write_bytes(content)
    only_data_errors(path)


HEADERS = st.builds(
    "{{'descr': '{}{}{}', 'fortran_order': {}, 'shape': ({}{})}}".format,
    st.sampled_from("<>|"),
    st.sampled_from("iufbcOSUVmMq"),
    st.sampled_from(["", "1", "2", "4", "8", "16", "300"]),
    st.sampled_from(["True", "False", "0", "[]"]),
    st.sampled_from(["6", "-6", "06", "9" * 30, "6.0", "'6'", ""]),
    st.sampled_from([",", ", 1", ", -1", "", "]"]),
)


@given(header=st.text(max_size=80) | HEADERS)
@fuzzed
@pytest.mark.filterwarnings("ignore::UserWarning:numpy", "ignore::DeprecationWarning", "ignore::SyntaxWarning")
def test_any_array_header_loads_or_is_refused(tmp_path, header):
    """The header of an array is Python source that numpy parses."""
    text = header.encode("utf-8", "replace") + b"\n"
    path = tmp_path / "header.npz"
    np.savez(path, **arrays())
    with zipfile.ZipFile(path, "w") as file:
        for name, array in arrays().items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            forged = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)
            file.writestr(f"{name}.npy", forged if name == "y_train" else buffer.getvalue())
    only_data_errors(path)
