"""The files of checkpoints: whole or refused, whatever is in them, and only some of them kept."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from reskeras.runs import checkpoints

pytestmark = pytest.mark.any_backend

ARRAYS = {"weights": np.arange(12, dtype="<f4").reshape(3, 4), "steps": np.array(7), "none": np.zeros((0, 3), bool)}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


@given(
    st.dictionaries(
        st.text(max_size=20),
        arrays_of.arrays(
            st.sampled_from(["f2", "<f4", ">f8", "i1", "<i8", "u4", "?"]),
            arrays_of.array_shapes(min_dims=0, min_side=0),
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read(tmp_path_factory, arrays):
    folder = tmp_path_factory.mktemp("any") / "checkpoints"
    found = checkpoints.read(checkpoints.write(folder, 3, {"epoch": 1, "score": None}, arrays))
    assert found.step == 3 and found.facts == {"epoch": 1, "score": None}
    assert list(found.arrays) == list(arrays)
    for name, array in arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


def test_every_cut_and_every_changed_byte_is_found_out(folder):
    path = checkpoints.write(folder, 1, {"epoch": 0}, ARRAYS)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(checkpoints.CheckpointError, match=r"damaged|cut off|no checkpoint"):
            checkpoints.read(path)
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(checkpoints.CheckpointError, match=r"damaged|cut off|no checkpoint"):
            checkpoints.read(path)
    path.write_bytes(content)
    assert checkpoints.read(path).step == 1


def head(**header) -> bytes:
    text = json.dumps(header).encode()
    return checkpoints.MAGIC + len(text).to_bytes(8, "little") + text


def one_array(dtype, *shape) -> bytes:
    return head(facts={}, arrays=[{"name": "w", "dtype": dtype, "shape": shape}]) + bytes(99)


HOSTILE = {
    "a header without an end": checkpoints.MAGIC + (2**60).to_bytes(8, "little") + b"{}" + bytes(99),
    "an array beyond all memory": one_array("<f8", 2**40, 2**20),
    "a shape that is negative": one_array("<f8", -1, -8),
    "an array of objects": one_array("|O", 1),
    "a shape that is no number": one_array("<f8", True),
    "a header that nests": checkpoints.MAGIC + (90_000).to_bytes(8, "little") + b"[" * 90_000 + bytes(99),
    "facts that are a list": head(facts=[1], arrays=[]) + bytes(32),
    "facts that are a list of pairs": head(facts=[[None, None]], arrays=[]) + bytes(32),
    "another version": b"reskeras checkpoint 9\n" + bytes(99),
    "nothing": b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(name, folder):
    path = checkpoints.write(folder, 1, {}, ARRAYS)
    path.write_bytes(HOSTILE[name])
    for read in (checkpoints.read, checkpoints.read_facts):
        with pytest.raises(checkpoints.CheckpointError):
            read(path)


def test_neither_links_nor_pipes_are_followed(folder, tmp_path):
    outside = checkpoints.write(tmp_path / "outside", 5, {}, ARRAYS)
    folder.mkdir()
    (folder / "step-000000000005.checkpoint").symlink_to(outside)
    os.mkfifo(folder / "step-000000000006.checkpoint")
    (folder / "step-000000000007.checkpoint").mkdir()
    (folder / "step-..-000000008.checkpoint").write_bytes(outside.read_bytes())
    found, wrong = checkpoints.newest(folder)
    assert found is None and len(wrong) == 3


def test_the_newest_whole_one_is_taken_and_what_is_wrong_is_told(folder):
    assert checkpoints.newest(folder) == (None, [])
    for step in (5, 40, 300):
        checkpoints.write(folder, step, {}, ARRAYS)
    newest = checkpoints.listed(folder)[0]
    newest.write_bytes(newest.read_bytes()[:-1])
    found, [wrong] = checkpoints.newest(folder)
    assert found.step == 40 and str(newest) in wrong and "cut off" in wrong


def test_the_last_few_and_the_best_are_kept(folder):
    for step, score in ((1, None), (2, 0.5), (3, 0.25), (4, 0.25), (5, 0.75), (6, float("nan"))):
        checkpoints.write(folder, step, {"score": score}, {})
        checkpoints.rotate(folder, keep=2)
    assert [checkpoints.step_of(path) for path in checkpoints.listed(folder)] == [6, 5, 3]


def test_one_of_a_later_state_than_its_score_is_not_the_best(folder):
    """Within an epoch a training has gone on from what was measured at the end of the one before."""
    for step, score, begun in ((2, 0.5, False), (3, 0.25, True), (4, 0.75, False), (5, 0.75, True)):
        checkpoints.write(folder, step, {"score": score, "begun": begun}, {})
        checkpoints.rotate(folder, keep=1)
    assert [checkpoints.step_of(path) for path in checkpoints.listed(folder)] == [5, 2]
    assert checkpoints.best(folder) == (folder / "step-000000000002.checkpoint", 0.5)


def test_one_that_is_cut_while_it_is_looked_at_is_an_error_like_another(folder):
    """Mapped into memory, what is gone would end the process."""
    path = checkpoints.write(folder, 1, {}, {"large": np.arange(2**16), **ARRAYS})
    found = checkpoints.read(path)
    os.truncate(path, 2**10)
    assert found.arrays.shapes["large"] == (2**16,)
    for name in found.arrays:
        if name != "none":
            with pytest.raises(checkpoints.CheckpointError, match="was cut off while it was read"):
                found.arrays[name]


def test_one_that_is_taken_away_while_it_is_looked_at_is_read_to_its_end(folder):
    path = checkpoints.write(folder, 1, {}, ARRAYS)
    found = checkpoints.read(path)
    path.unlink()
    np.testing.assert_array_equal(found.arrays["weights"], ARRAYS["weights"])


def test_one_that_finds_no_room_leaves_those_before(folder, monkeypatch):
    first = checkpoints.write(folder, 1, {}, ARRAYS)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoints.write(folder, 2, {}, ARRAYS)
    assert [path.name for path in folder.iterdir()] == [first.name]


def test_what_a_dead_worker_left_is_cleared_away(folder):
    kept = checkpoints.write(folder, 1, {}, ARRAYS)
    (folder / ".123-456.draft").write_bytes(b"half")
    checkpoints.write(folder, 2, {}, ARRAYS).write_bytes(b"damaged")
    checkpoints.clear_after(folder, 1)
    assert list(folder.iterdir()) == [kept]
