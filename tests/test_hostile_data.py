"""Files of a user with anything in them: a data set that hangs together comes of it, or a sentence that can be shown.

Short here; `RESKERAS_FUZZ=20000 pytest -s tests/test_hostile_*.py` tries so many inputs on each reader.
"""

import gzip
import io
import json

import numpy as np
import pytest
from hostile import EVIL, check_shown, counted, fuzz, mutations
from hostile import figures as figures
from hypothesis import given
from hypothesis import strategies as st

from reskeras import datasets
from reskeras.datasets.encoding import Encoding, words_of
from reskeras.options import OptionError
from reskeras.reading import Reading
from reskeras.tasks import TASKS

pytestmark = pytest.mark.any_backend

READINGS = st.sampled_from(
    [
        {},
        {"label": "1"},
        {"label": "2"},
        {"label": "label"},
        {"level": "bytes"},
        {"level": "characters"},
        {"length": 2},
        {"characters": 3},
        {"characters": 0},
        {"vocabulary_size": 2},
        {"test_split": 0.9},
        {"test_split": 0.001},
        {"task": "classes"},
        {"task": "tags"},
        {"task": "language"},
        {"task": "translation"},
        {"level": "words", "task": "language"},
        {"level": "bytepair", "vocabulary_size": 300},
        {"level": "wordpiece", "vocabulary_size": 30},
    ]
)

GOOD = {
    "d.tsv": "good film\tyes\nbad film\tno\nfine play\tyes\npoor play\tno\n" * 3,
    "d.csv": "a,b,label\n1.5,red,x\n2,blue,y\n-3e2,red,x\n4,red,y\n",
    "d.conll": "the B-x\ncat I-x\n\nsat O\n\nhere O\nnow B-x\n",
    "d.conllu": "# remark\n1\tgo\t_\tVERB\tv\t_\t_\t_\t_\t_\n2\tcat\t_\tNOUN\tn\t_\t_\t_\t_\t_\n\n" * 3,
    "d.txt": "once upon a time there was a cat\n" * 4,
}


def outcome(data, reading, kind):
    """Read a data set in both ways; anything but a data set that hangs together or a refusal fails the test."""
    for ask in (datasets.describe, datasets.load):
        with counted(kind):
            try:
                found = ask(data, reading)
            except (datasets.DataError, OptionError) as error:
                check_shown(str(error))
                continue
            if ask is datasets.load:
                check(found)
                assert datasets.describe(data, reading) == found.shape


def check(found):
    assert found.task in TASKS
    for part in ("train", "test"):
        x, y = getattr(found, f"x_{part}"), getattr(found, f"y_{part}")
        arrays = [*(x.values() if isinstance(x, dict) else [x]), y]
        assert all(len(each) == getattr(found.shape, part) for each in arrays)
        assert len(y) > 0
        assert y.min() >= (0 if found.task == "classes" else -1)
        assert y.max() < found.classes
        if found.vocabulary:
            words = [words_of(each) for each in arrays[:-1]]
            assert all(each.min() >= 0 and each.max() < found.vocabulary for each in words)
            assert {each.shape[1:] for each in words} == {(found.encoding.length,)}
            if found.encoding.spelling:
                assert x.min() >= 0 and x[:, :, 1:].max() < found.shape.alphabet
        else:
            assert np.isfinite(arrays[0]).all()
    assert Encoding.from_json(json.loads(json.dumps(found.encoding.to_json()))) == found.encoding


@pytest.mark.parametrize("name", GOOD)
def test_no_file_brings_a_reader_down(name, tmp_path):
    path = tmp_path / name

    @fuzz
    @given(mutations(GOOD[name].encode()), READINGS)
    def tried(changed, reading):
        path.write_bytes(changed)
        outcome(str(path), Reading(**reading), name)

    tried()


LINES = st.lists(st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["\t", "a\tb", EVIL, '"', ","]))


@pytest.mark.parametrize("name", GOOD)
def test_no_text_brings_a_reader_down(name, tmp_path):
    path = tmp_path / name

    @fuzz
    @given(LINES, READINGS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"]))
    def tried(lines, reading, encoding):
        path.write_bytes("\n".join(lines).encode(encoding, "replace"))
        outcome(str(path), Reading(**reading), name)

    tried()


def test_no_pair_of_files_brings_the_reader_down(tmp_path):
    paths = tmp_path / "a.en", tmp_path / "a.de"

    @fuzz
    @given(mutations(b"a dog\na cat\nthe end\n"), mutations(b"ein hund\neine katze\ndas ende\n"), READINGS)
    def tried(source, target, reading):
        for path, content in zip(paths, (source, target), strict=True):
            path.write_bytes(content)
        outcome(f"{paths[0]},{paths[1]}", Reading(**reading), "two languages")

    tried()


def test_no_packed_file_brings_the_reader_down(tmp_path):
    path = tmp_path / "d.txt.gz"

    @fuzz
    @given(mutations(gzip.compress(GOOD["d.txt"].encode(), mtime=0)))
    def tried(changed):
        path.write_bytes(changed)
        outcome(str(path), Reading(), path.name)

    tried()


def test_no_parquet_brings_the_reader_down(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    path = tmp_path / "d.parquet"
    parquet.write_table(pyarrow.table({"a": [1.5, 2.5, 3.0], "label": ["x", "y", "x"]}), path)

    @fuzz
    @given(mutations(path.read_bytes()))
    def tried(changed):
        path.write_bytes(changed)
        outcome(str(path), Reading(), path.name)

    tried()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_no_image_brings_the_reader_down(kind, tmp_path):
    images = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    written = io.BytesIO()
    images.fromarray(np.arange(75, dtype=np.uint8).reshape(5, 5, 3)).save(written, kind)
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.png").write_bytes(written.getvalue())

    @fuzz
    @given(mutations(written.getvalue()), st.sampled_from([{}, {"image_size": 3}]))
    def tried(changed, reading):
        (tmp_path / "b" / "1.png").write_bytes(changed)
        outcome(str(tmp_path), Reading(**reading), kind)

    tried()


@fuzz
@given(
    st.text(max_size=30)
    | st.sampled_from(
        [
            ",",
            "a,b",
            "/",
            "~",
            ".",
            "..",
            "a\0,b",
            "/dev/zero,/dev/tty",
            "\0/0",
            "~nobody-here/a,b",
            "a" * 5000 + ",b",
            "/proc",
            "\0/0",
            "~nobody-here/a,b",
            "a" * 5000 + ",b",
        ]
    )
)
def test_no_name_brings_the_readers_down(name):
    outcome(name, Reading(), "names")
