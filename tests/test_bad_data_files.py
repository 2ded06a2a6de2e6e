"""A user's own files of every kind that are bad: each is refused with file and line."""

import gzip
import os
import threading

import numpy as np
import pytest
from data_files import IRIS, REVIEWS, TAGGED, image_bytes, parquet_of, refusal, write

from reskeras.datasets import plain_files

pytestmark = pytest.mark.any_backend


def test_parquet_that_cannot_be_used(tmp_path):
    path = parquet_of(tmp_path, a=[1.5, None, 2.0], label=["x", "y", "x"])
    assert refusal(path).startswith(f"{path}: line 3 has no number in column 'a' ('').")
    path = parquet_of(tmp_path, a=[[1], [2]], label=["x", "y"])
    assert refusal(path) == f"{path}: column 'a' holds lists or records; a feature is a number or a text."
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read as Parquet" in refusal(path)
    path.write_bytes(b"")
    assert "cannot be read as Parquet" in refusal(path)
    path = parquet_of(tmp_path, a=[1.5, 2.0], label=["x", None])
    assert refusal(path) == f"{path}: line 3 has no label in column 'label'."
    assert refusal(path, label="kind").startswith(f"{path} has no column 'kind' (columns: a, label).")
    path = parquet_of(tmp_path, a=[1.5, 2.0])
    assert refusal(path) == f"{path} has 1 column; a label and from 1 to 99,999 measurements are needed."
    path = parquet_of(tmp_path, a=[], label=[])
    assert refusal(path).startswith(f"{path} holds no samples")


def test_what_an_extra_reads_says_how_to_install_it(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    write(tmp_path, {"t.parquet": b"PAR1", "i/a/1.png": b"x", "i/b/1.png": b"x"})
    for name, reader in (("t.parquet", "pyarrow"), ("i", "Pillow")):
        assert refusal(tmp_path / name).endswith(
            f'{reader}, which is not installed: python -m pip install "reskeras[data]"'
        )


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:40], lambda raw: b"", lambda raw: b"GIF89a" + raw, lambda raw: raw[:-30]]
)
def test_images_that_cannot_be_read_are_named(tmp_path, damage):
    whole = image_bytes()
    write(tmp_path, {"a/1.png": whole, "a/2.png": whole, "b/1.png": damage(whole), "b/2.png": whole})
    assert f"{tmp_path}/b/1.png" in refusal(tmp_path)


def test_an_image_of_more_bits_is_refused(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    write(tmp_path, {"a/1.png": image_bytes(), "b/2.png": image_bytes()})
    image.fromarray(np.zeros((6, 4), np.uint16)).save(tmp_path / "b/1.png")
    assert refusal(tmp_path) == f"{tmp_path}/b/1.png has more than 8 bits a colour; save it with 8."


LATIN = "gut\tja\nschön\tnein\n".encode("latin-1")

BAD = {
    "empty": ({"d.tsv": ""}, "d.tsv", {}, "{0}/d.tsv is empty."),
    "blank": ({"d.txt": "\n \n"}, "d.txt", {}, "{0}/d.txt is empty."),
    "latin": ({"d.tsv": LATIN}, "d.tsv", {}, "{0}/d.tsv: line 2 holds the byte 0xf6, which is not UTF-8 there."),
    "windows": ({"d.txt": b"It\x92s f\xf6r"}, "d.txt", {}, "Was it saved as Windows-1252? iconv -f CP1252 -t UTF-8 d"),
    "zeros": ({"d.tsv": REVIEWS.encode("utf-16-le")}, "d.tsv", {}, "{0}/d.tsv: line 1 holds a zero byte"),
    "half": ({"d.tsv": REVIEWS.encode("utf-16")[:-1]}, "d.tsv", {}, "which is not UTF-16-LE there"),
    "no tab": ({"d.tsv": "good film yes\n"}, "d.tsv", {}, "{0}/d.tsv: line 1 has no tabulator"),
    "ragged": ({"d.tsv": "a\tb\nc\n"}, "d.tsv", {}, "{0}/d.tsv: line 2 has 1 column, and the first has 2"),
    "wide": ({"d.tsv": "a\tb\tc\n"}, "d.tsv", {}, "line 1 has 3 columns, and nothing says which is the text"),
    "no label": ({"d.tsv": "a\tb\nc\t\n"}, "d.tsv", {}, "{0}/d.tsv: line 2 has no label."),
    "no text": ({"d.tsv": "a\tb\n\tb\n"}, "d.tsv", {}, "{0}/d.tsv: line 2 has no text."),
    "spaces": ({"d.txt": " \n".encode("utf-16")}, "d.txt", {}, "{0}/d.txt is empty."),
    "head alone": ({"d.tsv": "text\tlabel\n"}, "d.tsv", {}, "{0}/d.tsv holds no samples, only the names"),
    "one class": ({"d.tsv": "a\tb\nc\tb\n"}, "d.tsv", {}, "{0}/d.tsv holds only the label 'b'; at least 2 classes"),
    "column": ({"d.tsv": REVIEWS}, "d.tsv", {"label": "7"}, "{0}/d.tsv has no column '7' (columns: 1 to 2)."),
    "name": ({"d.tsv": "text\tlabel\n"}, "d.tsv", {"label": "kind"}, "no column 'kind' (columns: text, label)."),
    "new class": (
        {"r_train.tsv": REVIEWS, "r_test.tsv": "a\tno\nb\tmaybe\n"},
        "r_train.tsv",
        {},
        "{0}/r_test.tsv: line 2 holds the label 'maybe', which is not trained on (there: no, yes).",
    ),
    "ids": (
        {"d.tsv": "".join(f"text\t{n}\n" for n in range(60))},
        "d.tsv",
        {},
        "{0}/d.tsv holds 60 different labels in 60 samples, so they are no classes.",
    ),
    "tags ragged": (
        {"d.conll": "a X\nb\n"},
        "d.conll",
        {},
        "{0}/d.conll: line 2 has 1 column, and the first word has 2",
    ),
    "tags none": ({"d.conll": "word\n"}, "d.conll", {}, "{0}/d.conll: line 1 has 1 column; a word and its tag"),
    "tags one": ({"d.conll": "a X\n\nb X\n"}, "d.conll", {}, "{0}/d.conll holds only the tag 'X'"),
    "tags column": ({"d.conll": TAGGED}, "d.conll", {"label": "5"}, "has no column '5' (columns: 1 to 2)."),
    "tags level": ({"d.conll": TAGGED}, "d.conll", {"level": "bytes"}, "level cannot be bytes, only words"),
    "tags single": ({"d.conll": "a X\nb Y\n"}, "d.conll", {}, "{0}/d.conll has 1 sample; at least 2 are needed."),
    "remarks": ({"d.conllu": "# nothing\n\n"}, "d.conllu", {}, "{0}/d.conllu holds no sentence"),
    "gz": ({"d.txt.gz": b"no gzip"}, "d.txt.gz", {}, "{0}/d.txt.gz cannot be unpacked: it is no gzip file"),
    "gz cut": ({"d.txt.gz": gzip.compress(b"a" * 999)[:-9]}, "d.txt.gz", {}, "it ends before it is complete."),
    "short": ({"d.txt": "abc"}, "d.txt", {}, "{0}/d.txt has 2 characters to train on; a piece of 2 and one more"),
    "long pieces": ({"d.txt": "abc" * 99}, "d.txt", {"length": 256}, "a piece of 256 and one more are needed."),
    "languages": ({"a.en": "a\nb\n", "a.de": "a\n"}, "a.en,{0}/a.de", {}, "{0}/a.en has 2 lines and {0}/a.de has 1;"),
    "three": ({"a.en": "a\n"}, "a.en,b,c", {}, "3 files are given; two are read as texts and their translations"),
    "no second": ({"a.en": "a\n"}, "a.en,{0}/b.de", {}, "There is no file {0}/b.de."),
    "pairs": ({"d.tsv": "a\tb\tc\n"}, "d.tsv", {"task": "translation"}, "line 1 has 3 columns; a text, a tabulator"),
    "csv text": (
        {"d.csv": "a,b,label\n" + "".join(f"word{n},1,{n % 2}\n" for n in range(30))},
        "d.csv",
        {},
        "{0}/d.csv: column 'a' holds 30 different texts, such as 'word0'",
    ),
    "csv cell": ({"d.csv": "a,y\n1,2\nx,3\n"}, "d.csv", {}, "{0}/d.csv: line 3 holds 'x' in column 'a', where"),
    "csv gap": ({"d.csv": "a,y\n1,2\n,3\n"}, "d.csv", {}, "{0}/d.csv: line 3 has no number in column 'a' ('')."),
    "csv nan": ({"d.csv": "a,y\n1,2\nNaN,3\n"}, "d.csv", {}, "{0}/d.csv: line 3 has no number in column 'a' ('NaN')."),
    "csv huge": (
        {"d.csv": "a,y\n1,2\n1e99,3\n"},
        "d.csv",
        {},
        "{0}/d.csv: line 3 holds a number too large for float32",
    ),
    "csv comma": (
        {"d.csv": 'a,y\n"1,000",2\n'},
        "d.csv",
        {},
        "{0}/d.csv: line 2 holds '1,000' in column 'a', a number",
    ),
    "csv commas": ({"d.csv": "a;y\n2.000,5;2\n"}, "d.csv", {}, "holds '2.000,5' in column 'a', a number with a comma."),
    "csv ragged": ({"d.csv": "a,y\n1,2\n1,2,3\n"}, "d.csv", {}, "{0}/d.csv: line 3 has 3 columns, and the first has 2"),
    "csv quote": ({"d.csv": 'a,y\n1,2\n"1"x,2\n'}, "d.csv", {}, "{0}/d.csv: line 3 cannot be read"),
    "csv narrow": ({"d.csv": "a\n1\n"}, "d.csv", {}, "{0}/d.csv: line 1 has 1 column; a label and from 1"),
    "csv unlabelled": ({"d.csv": "a,y\n1,\n"}, "d.csv", {}, "{0}/d.csv: line 2 has no label in column 'y'."),
    "csv head": ({"d.csv": "a,y\n"}, "d.csv", {}, "{0}/d.csv holds no samples"),
    "csv other": (
        {"train.csv": "a,y\n1,2\n1,3\n", "test.csv": "b,y\n1,2\n"},
        "train.csv",
        {},
        "{0}/test.csv has the columns b, and {0}/train.csv has a; they must be alike.",
    ),
    "csv task": ({"d.csv": IRIS}, "d.csv", {"task": "tags"}, "cannot be read for the task tags: a table is read for"),
    "unknown": ({"d.xyz": "what"}, "d.xyz", {}, "{0}/d.xyz is of no kind that is known by its name."),
    "sheet": ({"d.xlsx": b"PK"}, "d.xlsx", {}, "{0}/d.xlsx is of no kind that is known by its name. Save the sheet as"),
    "missing": ({"reviews.tsv": ""}, "review.tsv", {}, "There is no file {0}/review.tsv. Did you mean reviews.tsv?"),
    "folder": ({"f/x.bin": "a"}, "f", {}, "{0}/f is a folder, and nothing in it can be read."),
    "no folder": ({"f": None}, "f", {}, "{0}/f is a folder, and nothing in it can be read."),
    "webp": ({"f/a/1.webp": "x", "f/b/1.WebP": "x"}, "f", {}, "Images of the kind .webp are in it: save them as .png"),
    "deep": ({"f/a/c/1.png": "x", "f/b/c/1.png": "x"}, "f", {}, "Its folders hold folders: samples lie in the folder"),
    "class empty": ({"f/a/1.txt": "x", "f/b": None}, "f", {}, "{0}/f/b holds no sample"),
    "class alone": ({"f/a/1.txt": "x"}, "f", {}, "{0}/f holds only the label 'a'"),
    "class text": ({"f/a/1.txt": "x", "f/b/1.txt": b"\xff"}, "f", {}, "{0}/f/b/1.txt: line 1 holds the byte 0xff"),
    "class new": (
        {"f/train/a/1.txt": "x", "f/train/b/1.txt": "x", "f/test/c/1.txt": "x"},
        "f",
        {},
        "{0}/f/test holds the label 'c', which is not trained on",
    ),
}


@pytest.mark.parametrize(("files", "name", "reading", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_with_its_place(tmp_path, files, name, reading, sentence):
    write(tmp_path, files)
    said = refusal(f"{tmp_path}/{name}".replace("{0}", str(tmp_path)), **reading)
    assert sentence.replace("{0}", str(tmp_path)) in said


def test_a_link_to_nothing_is_told(tmp_path):
    (tmp_path / "d.csv").symlink_to(tmp_path / "gone.csv")
    assert refusal(tmp_path / "d.csv").startswith(f"{tmp_path}/d.csv is a link to {tmp_path}/gone.csv, which is not")


@pytest.mark.parametrize("name", ["d.tsv", "d.csv", "d.conll", "d.txt", "d.txt.gz", "d.parquet", "a/d.png", "a/d.txt"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, name):
    write(tmp_path, {"a/ok.png": b"", "b/ok.png": b""} if name.endswith("png") else {"a/ok.txt": "x", "b/ok.txt": "x"})
    os.mkfifo(tmp_path / name)
    data = tmp_path if "/" in name else tmp_path / name
    said = []
    watched = threading.Thread(target=lambda: said.append(refusal(data)), daemon=True)
    watched.start()
    watched.join(20)
    assert not watched.is_alive(), "reading a pipe waits for ever"
    assert said and ("pipe or a device" in said[0] or "not installed" in said[0] or "is empty" in said[0])


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_files, "available_memory", lambda: 50_000_000)
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(bytes(200_000_000), 1))
    assert "its text, unpacked, would take" in refusal(tmp_path / "d.txt.gz")


def test_memory_is_looked_at_before_it_is_taken(tmp_path, monkeypatch):
    write(tmp_path, {"d.tsv": REVIEWS * 100})
    monkeypatch.setattr(plain_files, "available_memory", lambda: 1000)
    assert "its text would take 0.0 GiB, and this machine has 0.0 GiB" in refusal(tmp_path / "d.tsv")
