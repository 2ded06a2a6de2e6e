"""Samples and models from anywhere: whatever is in them, nothing is run, and no memory taken for what is not there.

Short here; `RESKERAS_FUZZ=20000 pytest -s tests/test_hostile_*.py` tries so many inputs on each reader.
"""

import json
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from command import command
from hostile import check_shown, counted, fuzz, mutations
from hostile import figures as figures
from hypothesis import given

from reskeras import datasets

pytestmark = pytest.mark.any_backend


def archive(path: Path, **arrays) -> bytes:
    np.savez(path, **arrays)
    return path.read_bytes()


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    labelled = {"y_train": np.arange(12) % 3, "y_test": np.arange(6) % 3}
    values = {"x_train": np.ones((12, 4), "f4"), "x_test": np.ones((6, 4), "f4")}
    return archive(tmp_path_factory.mktemp("samples") / "samples.npz", **values, **labelled)


def test_no_archive_of_samples_brings_the_reader_down(samples, tmp_path):
    path = tmp_path / "samples.npz"

    @fuzz
    @given(mutations(samples))
    def tried(changed):
        path.write_bytes(changed)
        for read in (datasets.describe, datasets.load):
            with counted("samples.npz"):
                try:
                    read(str(path))
                except datasets.DataError as error:
                    check_shown(str(error))

    tried()


class Executed:
    """An object whose pickle writes a file when it is loaded."""

    def __init__(self, path: Path):
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


def test_a_pickle_among_the_samples_is_not_loaded(tmp_path):
    trap = np.array([Executed(tmp_path / "executed")], dtype=object)
    for name in ("x_train", "y_train"):
        arrays = {"x_train": np.ones((12, 4)), "y_train": np.arange(12) % 3, "x_test": np.ones((6, 4))}
        np.savez(tmp_path / "trap.npz", **{**arrays, "y_test": np.arange(6) % 3, name: np.repeat(trap, 12)})
        for words in (("train", "plain", "--runs", tmp_path), ("describe", "plain")):
            done = command(*words, "--data", tmp_path / "trap.npz")
            assert done.code == 2
    assert not (tmp_path / "executed").exists()


def npy_header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ("(1099511627776, 4)", "x_train is to have 17,592,186,044,416 bytes, and the file holds"),
        ("(-1, 4)", ""),
        (f"({10**30}, 4)", "x_train is to have"),
        ("(12, 4, " + "1, " * 5000 + ")", ""),
    ],
)
def test_a_header_that_promises_more_than_there_is_takes_no_memory(samples, tmp_path, shape, told):
    path = tmp_path / "bomb.npz"
    path.write_bytes(samples)
    with zipfile.ZipFile(path) as known:
        members = {name: known.read(name) for name in known.namelist()}
    with zipfile.ZipFile(path, "w") as changed:
        for name, content in {**members, "x_train.npy": npy_header(shape) + bytes(192)}.items():
            changed.writestr(name, content)
    if shape.startswith(("(1099", "(1000")):
        labels_for = shape.split(",")[0].strip("(")
        with zipfile.ZipFile(path, "w") as changed:
            members["y_train.npy"] = npy_header(f"({labels_for},)") + bytes(48)
            for name, content in {**members, "x_train.npy": npy_header(shape) + bytes(192)}.items():
                changed.writestr(name, content)
    with pytest.raises(datasets.DataError) as caught:
        datasets.describe(str(path))
    assert told in str(caught.value)


def bombed(samples: bytes, path: Path, name: str, pieces) -> None:
    """Write samples in which one member unpacks to many zeros."""
    path.write_bytes(samples)
    with zipfile.ZipFile(path) as known:
        members = {each: known.read(each) for each in known.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as changed:
        for each, content in members.items():
            if each != f"{name}.npy":
                changed.writestr(each, content)
        with changed.open(f"{name}.npy", "w") as member:
            for piece in pieces:
                member.write(piece)


MEGABYTES = 64

BOMBS = {
    # numpy unpacks as much as a header is said to have, and then looks at how much that is.
    "a header": [b"\x93NUMPY\x02\x00" + (MEGABYTES * 2**20).to_bytes(4, "little"), *[bytes(2**20)] * MEGABYTES],
    "samples": [npy_header(f"({MEGABYTES * 2**20}, 4)"), *[bytes(2**20)] * MEGABYTES],
    "labels": [npy_header("(12,)"), *[bytes(2**20)] * MEGABYTES],
}


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("a header", "x_train", "x_train has a header of 67,108,864 bytes, more than the 10,000 allowed"),
        ("a header", "y_test", "y_test has a header of 67,108,864 bytes, more than the 10,000 allowed"),
        ("samples", "x_train", "y_train has shape (12,); it must be (67108864,)"),
        ("labels", "y_train", "y_train holds only the label 0"),
    ],
)
def test_what_unpacks_to_far_more_than_it_is_takes_no_memory(samples, tmp_path, kind, name, told):
    path = tmp_path / "bomb.npz"
    bombed(samples, path, name, BOMBS[kind])
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    try:
        with pytest.raises(datasets.DataError) as caught:
            datasets.load(str(path))
        assert told in str(caught.value)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**22


def test_a_single_array_is_not_read_to_be_refused(tmp_path):
    path = tmp_path / "single.npz"
    with open(path, "wb") as file:
        file.write(npy_header(f"({2**38},)"))
        file.truncate(2**40)
    with pytest.raises(datasets.DataError, match="holds a single array"):
        datasets.describe(str(path))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_samples_that_are_there_twice_are_refused(samples, tmp_path):
    path = tmp_path / "twice.npz"
    path.write_bytes(samples)
    with zipfile.ZipFile(path, "a") as changed:
        changed.writestr("y_train.npy", changed.read("y_test.npy"))
    with pytest.raises(datasets.DataError, match="holds y_train more than once"):
        datasets.describe(str(path))


def test_samples_larger_than_the_memory_are_refused(samples, tmp_path, monkeypatch):
    (tmp_path / "samples.npz").write_bytes(samples)
    monkeypatch.setattr(datasets.archive, "available_memory", lambda: 100)
    with pytest.raises(datasets.DataError, match=r"GiB of samples, and this machine has 0.0 GiB of memory left"):
        datasets.load(str(tmp_path / "samples.npz"))


def test_a_model_that_holds_code_is_refused_wherever_the_code_is(tmp_path):
    """Keras refuses a lambda in a file, and this package's layers open it no way around."""
    import keras

    import reskeras.layers as layers

    executed = tmp_path / "executed"
    code = keras.layers.Lambda(lambda x, path=str(executed): (Path(path).touch(), x)[1], output_shape=(4,))
    code_in_words = keras.saving.serialize_keras_object(code)
    inputs = keras.Input((4,))
    outputs = inputs
    made = {
        "plain": keras.layers.Dense(4),
        "residual": layers.Residual([keras.layers.Dense(4)]),
        "stack": layers.Stack(keras.layers.Dense(4), 3),
        "recompute": layers.Recompute(keras.layers.Dense(4)),
    }
    for layer in made.values():
        outputs = layer(outputs)
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as known:
        members = {name: known.read(name) for name in known.namelist()}
    config = json.loads(members["config.json"])
    places = list(dense_places(config))
    assert len(places) >= len(made)
    for number, (parent, key) in enumerate(places):
        before = parent[key]
        parent[key] = {**before, **code_in_words}
        changed = tmp_path / f"changed-{number}.keras"
        with zipfile.ZipFile(changed, "w") as file:
            for name, content in {**members, "config.json": json.dumps(config).encode()}.items():
                file.writestr(name, content)
        parent[key] = before
        with counted("model.keras"), pytest.raises(Exception, match=r"(?i)lambda|deserializ|unsafe|locate"):
            keras.models.load_model(changed)
    assert not executed.exists()


def dense_places(config):
    """Yield where in a model's configuration a fully connected layer is: what holds it, and by what key."""
    items = config.items() if isinstance(config, dict) else enumerate(config) if isinstance(config, list) else ()
    for key, value in items:
        if isinstance(value, dict) and value.get("class_name") == "Dense":
            yield config, key
        yield from dense_places(value)
