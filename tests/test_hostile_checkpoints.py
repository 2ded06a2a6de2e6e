"""Checkpoints from anywhere: whatever they say of themselves, a reader refuses or reads them, and takes no more memory.

Short here; `RESKERAS_FUZZ=20000 pytest -s tests/test_hostile_*.py` tries so many inputs on each reader.
"""

import hashlib
import json
import os
import tracemalloc

import numpy as np
import pytest
from hostile import EVIL, NUMBERS, VALUES, changed_value, check_shown, counted, fuzz, mutations
from hostile import figures as figures
from hypothesis import given
from hypothesis import strategies as st

from reskeras.runs import checkpoints
from reskeras.runs.checkpoints import CheckpointError

pytestmark = pytest.mark.any_backend

FACTS = {
    "step": 7, "epoch": 1, "position": 2, "begun": True, "seconds": 1.5, "score": 0.25, "backend": "torch",
    "telemetry": "norms", "rows": {"weights": 7},
}  # fmt: skip

ARRAYS = {"model/0": np.arange(12, dtype="<f4").reshape(3, 4), "optimizer/0": np.array(7), "model/1": np.zeros((0, 3))}

NAME = "step-000000000007.checkpoint"


def sealed(header, body: bytes = b"") -> bytes:
    """Return a file whose check sum holds, whatever is in it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    content = checkpoints.MAGIC + len(text).to_bytes(8, "little") + text + body
    return content + hashlib.sha256(content).digest()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The header and the arrays of a checkpoint, and all of its bytes."""
    path = checkpoints.write(tmp_path_factory.mktemp("real") / "checkpoints", 7, FACTS, ARRAYS)
    content = path.read_bytes()
    start = len(checkpoints.MAGIC) + 8
    length = int.from_bytes(content[start - 8 : start], "little")
    header, body = content[start : start + length], content[start + length : -32]
    assert sealed(header, body) == content
    return json.loads(header), body, content


def read_all(path) -> None:
    """Read a file in every way; only the declared error may come."""
    for read in (checkpoints.read_facts, checkpoints.read):
        try:
            found = read(path)
        except CheckpointError as error:
            check_shown(str(error))
            continue
        if read is checkpoints.read:
            assert sum(array.nbytes for array in found.arrays.values()) <= path.stat().st_size
            json.dumps(found.facts)
    checkpoints.newest(path.parent)
    checkpoints.best(path.parent)
    checkpoints.rotate(path.parent, keep=1)
    assert path.exists()


def test_no_bytes_bring_the_reader_down(real, tmp_path):
    path = tmp_path / NAME

    @fuzz
    @given(mutations(real[2]))
    def tried(changed):
        path.write_bytes(changed)
        with counted("checkpoints"):
            read_all(path)

    tried()


DESCRIBED = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["model/0", "model/1", "table/weights", "../../x", EVIL]) | VALUES,
        "dtype": st.sampled_from(["<f4", ">f8", "|b1", "<i16", "<f3", "|O", "<U4", "V8", "f4,f4", "<M8[ns]"]) | VALUES,
        "shape": st.lists(st.sampled_from([0, 1, 3, 2**31, 2**62]) | NUMBERS, max_size=40) | VALUES,
    }
)


def test_no_header_with_a_check_sum_that_holds_brings_the_reader_down(real, tmp_path):
    path, (header, body, _) = tmp_path / NAME, real

    @fuzz
    @given(
        st.one_of(
            changed_value(header),
            st.fixed_dictionaries({"facts": st.just(FACTS), "arrays": st.lists(DESCRIBED, max_size=4)}),
            st.fixed_dictionaries({"facts": changed_value(FACTS), "arrays": st.just([])}),
        ),
        st.sampled_from([body, b"", bytes(64)]),
    )
    def tried(changed, behind):
        path.write_bytes(sealed(changed, behind))
        with counted("checkpoints with a check sum"):
            read_all(path)

    tried()


def one_array(dtype, shape) -> bytes:
    return sealed({"facts": {}, "arrays": [{"name": "w", "dtype": dtype, "shape": shape}]}, bytes(64))


LARGE = {
    "an array beyond all memory": one_array("<f8", [2**40, 2**20]),
    "an array of more bytes than can be counted": one_array("<f8", [2**70] * 30),
    "an array of more bytes than can be written down": one_array("<f8", [10**4000] * 30),
    "an array of nothing, beyond all memory in its other axes": one_array("<f8", [0, 2**62, 2**62]),
    "a type of a hundred thousand parts": one_array("<f8," * 100_000, [1]),
    "a type as large as a file": one_array("|V274877906944", [1]),
    "a header that says that it is longer than all memory": checkpoints.MAGIC + (2**60).to_bytes(8, "little"),
    "a score beyond every number": sealed({"facts": {"score": 10**400}, "arrays": []}),
}


@pytest.mark.parametrize("name", LARGE)
def test_sizes_are_checked_before_room_is_made(name, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(LARGE[name])
    tracemalloc.start()
    try:
        read_all(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22 + 20 * len(LARGE[name])
    if "array" in name or "type" in name:
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoints.read(path)


def test_a_file_beyond_the_limit_is_refused_unread(tmp_path):
    """A hole of a terabyte takes no room on the disk, and a quarter of an hour to read."""
    path = tmp_path / NAME
    path.write_bytes(checkpoints.MAGIC)
    os.truncate(path, 2**40)
    with pytest.raises(CheckpointError, match=r"has 1,099,511,627,776 bytes, more than the 274,877,906,944 allowed"):
        checkpoints.read(path)


def test_two_arrays_of_one_name_are_refused(tmp_path):
    path = tmp_path / NAME
    entry = {"name": "w", "dtype": "<f4", "shape": [8]}
    path.write_bytes(sealed({"facts": {}, "arrays": [entry, entry]}, bytes(64)))
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoints.read(path)
