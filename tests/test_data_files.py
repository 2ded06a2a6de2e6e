"""A user's own files of every kind: good ones are read as they are meant, bad ones are refused with file and line."""

import gzip
import io
import os
import threading

import numpy as np
import pytest

from reskeras import datasets
from reskeras.datasets import DataError, plain_files
from reskeras.datasets.encoding import END, START
from reskeras.reading import Reading

pytestmark = pytest.mark.any_backend


def write(folder, files):
    """Write files, given by name as text, bytes, or None for a folder, and return the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, "utf-8")
    return folder


def load(data, **reading):
    found = datasets.load(str(data), Reading(**reading))
    assert datasets.describe(str(data), Reading(**reading)) == found.shape
    return found


def refusal(data, **reading):
    """Return what both ways of looking at a data set say against it, which must be the same."""
    said = []
    for ask in (datasets.describe, datasets.load):
        with pytest.raises(DataError) as caught:
            ask(str(data), Reading(**reading))
        said.append(str(caught.value))
    assert said[0] == said[1]
    return said[0]


def texts(data, part):
    return [data.encoding.text.decode(row) for row in getattr(data, f"x_{part}")]


def named(data, part):
    return [data.encoding.label(number) for number in getattr(data, f"y_{part}")]


REVIEWS = "good film\tyes\nbad film\tno\nfine play\tyes\npoor play\tno\n"
TAGGED = "the B-x\ncat I-x\n\nsat O\n\nhere O\nnow B-x\n"


def test_texts_with_labels(tmp_path):
    write(tmp_path, {"r_train.tsv": REVIEWS, "r_test.tsv": "bad play\tno\nnew film\tyes\n"})
    data = load(tmp_path / "r_train.tsv")
    assert (data.task, data.classes, data.encoding.labels) == ("classes", 2, ("no", "yes"))
    assert texts(data, "train") == ["good film", "bad film", "fine play", "poor play"]
    assert named(data, "train") == ["yes", "no", "yes", "no"]
    assert texts(data, "test") == ["bad play", "\ufffd film"]
    assert named(data, "test") == ["no", "yes"]
    assert data.notes == ("Trained on r_train.tsv, tested on r_test.tsv, which lies beside it.",)


@pytest.mark.parametrize(
    ("head", "reading"),
    [
        ("label\ttext\n", {}),
        ("Sentence\tKind\n", {"label": "Kind"}),
        ("a\tb\n", {"label": "1"}),
        ("", {"label": "1"}),
        ("", {}),
    ],
)
def test_columns_are_found_by_name_or_number(tmp_path, head, reading):
    turned = head.startswith("label") or reading.get("label") == "1"
    rows = [line.split("\t") for line in REVIEWS.splitlines()]
    if head == "a\tb\n":
        head = ""
    path = tmp_path / "reviews.tsv"
    path.write_text(head + "".join("\t".join(row[::-1] if turned else row) + "\n" for row in rows))
    data = load(path, **reading)
    assert data.encoding.labels == ("no", "yes")
    assert {*texts(data, "train"), *texts(data, "test")} >= {"good film"}


@pytest.mark.parametrize(("name", "sign"), [("d.tsv", "\t"), ("d.csv", ",")])
def test_labels_called_y_are_no_names_of_columns(tmp_path, name, sign):
    path = tmp_path / name
    path.write_text("".join(f"1.{place}{sign}{label}\n" for place, label in enumerate("ynynyn")))
    data = load(path)
    assert data.encoding.labels == ("n", "y")
    assert data.shape.train + data.shape.test == 6
    path.write_text(f"text{sign}y\n" + "".join(f"1.{place}{sign}{label}\n" for place, label in enumerate("abab")))
    assert load(path).encoding.labels == ("a", "b")


def test_a_share_of_every_class_is_kept_for_the_test(tmp_path):
    path = tmp_path / "many.tsv"
    path.write_text("".join(f"text {n}\t{'rare' if n % 10 == 0 else 'common'}\n" for n in range(200)))
    data = load(path, test_split=0.25)
    assert np.bincount(data.y_test).tolist() == [45, 5]
    assert np.bincount(data.y_train).tolist() == [135, 15]
    assert not set(texts(data, "train")) & set(texts(data, "test"))
    assert np.array_equal(load(path, test_split=0.25).x_test, data.x_test)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_say_what_they_are(tmp_path, encoding, ending):
    path = tmp_path / "r.tsv"
    path.write_bytes(REVIEWS.replace("good", "größer 好").replace("\n", ending).encode(encoding))
    data = load(path, level="characters")
    assert any("größer 好 film" in each for each in texts(data, "train") + texts(data, "test"))
    assert data.encoding.labels == ("no", "yes")


def test_packed_files_and_such_of_several_pieces(tmp_path):
    path = tmp_path / "r.tsv.gz"
    half = REVIEWS.index("fine")
    path.write_bytes(gzip.compress(REVIEWS[:half].encode()) + gzip.compress(REVIEWS[half:].encode()))
    assert load(path).shape.train + load(path).shape.test == 4


def test_words_with_tags(tmp_path):
    write(tmp_path, {"train.conll": "-DOCSTART- O\n\n" + TAGGED, "test.conll": "the B-x\ndog B-y\n"})
    data = load(tmp_path / "train.conll")
    assert (data.task, data.encoding.labels) == ("tags", ("B-x", "I-x", "O", "B-y"))
    assert data.y_train.tolist() == [[0, 1], [2, -1], [2, 0]]
    assert data.y_test.tolist() == [[0, 3]]
    assert texts(data, "train") == ["the cat", "sat", "here now"]
    assert data.notes[-1] == "Only in the test: B-y."


def test_conllu_leaves_out_what_is_no_word(tmp_path):
    def row(number, word, upos, xpos):
        return "\t".join([number, word, "_", upos, xpos, *5 * ["_"]])

    lines = ["# text = vámonos al mar a b c d e", row("1-2", "vámonos", "_", "_"), row("1", "vamos", "VERB", "v")]
    lines += [row("2", "nos", "PRON", "p"), row("2.1", "_", "VERB", "v"), "", row("1", "# #", "SYM", "s"), ""]
    path = tmp_path / "es.conllu"
    path.write_text(2 * "\n".join([*lines, ""]))
    data = load(path)
    assert (data.shape.train, data.shape.test) == (3, 1)
    assert set(texts(data, "train")) == {"# #", "vamos nos"}
    assert set(data.encoding.labels) == {"VERB", "PRON", "SYM"}
    assert set(load(path, label="5").encoding.labels) == {"v", "p", "s"}
    assert set(load(path, label="xpos").encoding.labels) == {"v", "p", "s"}


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_two_languages(tmp_path, packed):
    pack = gzip.compress if packed else bytes
    files = {
        "c_train.en": "a dog\na cat\n\nthe end\n",
        "c_train.de": "ein hund\neine katze\n\ndas ende\n",
        "c_test_2016.en": "a bird\n",
        "c_test_2016.de": "ein vogel\n",
    }
    write(tmp_path, {name + packed: pack(content.encode()) for name, content in files.items()})
    data = load(f"{tmp_path}/c_train.en{packed},{tmp_path}/c_train.de{packed}")
    assert (data.task, data.shape.train, data.shape.test, data.classes) == ("translation", 3, 1, data.vocabulary)
    codec = data.encoding.text
    assert codec.decode(data.x_train["source"][1]) == "a cat"
    assert codec.decode(data.x_train["samples"][1]) == "eine katze"
    assert data.x_train["samples"][1][0] == START
    assert data.y_train[1].tolist() == [*codec.encode("eine katze"), END]
    assert data.x_test["source"].shape == data.x_test["samples"].shape == data.y_test.shape == (1, 3)
    assert "1 pairs of c_train.en" in data.notes[-1]


def test_two_languages_in_one_file(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a dog\tein hund\na cat\teine katze\nthe end\tdas ende\n")
    data = load(path, task="translation")
    assert (data.task, data.shape.train, data.shape.test) == ("translation", 2, 1)


def test_a_folder_with_two_files_to_train_on_is_two_languages(tmp_path):
    write(tmp_path, {"train.de": "ein hund\neine katze\n", "train.en": "a dog\na cat\n"})
    assert load(tmp_path).encoding.text.decode(load(tmp_path).x_train["source"][0]).startswith("a ")


@pytest.mark.parametrize("level", ["auto", "bytes", "characters", "words"])
def test_a_text_to_learn_language_from(tmp_path, level):
    path = tmp_path / "tale.txt"
    written = "once upon a time there was a näive cat\n" * 200
    path.write_text(written, "utf-8")
    data = load(path, level=level, length=16, test_split=0.25)
    assert (data.task, data.classes, data.shape.input_shape) == ("language", data.vocabulary, (16,))
    assert data.x_train.dtype == data.y_train.dtype == np.int32
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert np.array_equal(x.reshape(-1)[1:], y.reshape(-1)[:-1])
    start = data.encoding.text.encode(written)[: data.x_train.size]
    assert data.x_train.reshape(-1).tolist() == start
    assert data.shape.train == pytest.approx(3 * data.shape.test, abs=3)


def test_a_folder_of_texts_is_one_text(tmp_path):
    write(tmp_path, {"a.txt": "one two three four\n" * 20, "b.txt": "five six seven\n" * 20})
    data = load(tmp_path, level="words", length=4)
    assert data.task == "language"
    assert data.encoding.text.decode(data.x_train[0]) == "one two three four"


IRIS = "5.1,3.5,red,setosa\n6.1,2.5,blue,virginica\n5.0,3.4,red,setosa\n6.0,2.6,blue,virginica\n"


@pytest.mark.parametrize("head", ["", "length,width,colour,species\n"])
def test_a_table(tmp_path, head):
    write(tmp_path, {"train.csv": head + IRIS, "test.csv": head + "5.2,3.6,green,setosa\n"})
    data = load(tmp_path / "train.csv")
    assert (data.task, data.encoding.labels) == ("classes", ("setosa", "virginica"))
    assert data.x_train.dtype == np.float32
    assert data.x_train[:2].tolist() == pytest.approx(np.array([[5.1, 3.5, 0, 1], [6.1, 2.5, 1, 0]]))
    assert data.x_test.tolist() == pytest.approx(np.array([[5.2, 3.6, 0, 0]]))
    assert data.y_train.tolist() == [0, 1, 0, 1]
    assert data.notes[-1] == f"Texts became features of 0 and 1: {'colour' if head else '3'} (2)."


def test_a_table_with_the_label_anywhere(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('label;a;"b ""c"""\n10;1,5;2\n9;0;3\n10;1;4\n9;1;5\n'.replace("1,5", "1.5"))
    assert load(path).encoding.labels == ("9", "10")
    path.write_text("a,class,b\n1,x,2\n3,y,4\n5,x,6\n")
    assert load(path).encoding.labels == ("x", "y")
    assert load(path, label="3", test_split=0.3).encoding.labels == ("2", "4", "6")
    assert load(path, label="a", test_split=0.3).encoding.labels == ("1", "3", "5")


def test_a_table_of_a_text_is_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('review,label\n"good, really",1\n"bad\nfilm",0\n"fine",1\n"poor",0\n')
    data = load(path)
    assert data.vocabulary
    assert {"good , really", "bad film"} & set(texts(data, "train") + texts(data, "test"))


def test_a_million_rows_are_read(tmp_path):
    path = tmp_path / "many.csv"
    path.write_text("a,b,label\n" + "1.5,2,x\n2.5,1,y\n" * 500_000)
    assert load(path).shape == datasets.DataShape((2,), 2, 800_000, 200_000)


def parquet_of(tmp_path, **columns):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    path = tmp_path / "table.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet(tmp_path):
    path = parquet_of(tmp_path, a=[1.5, 2.5, 3.5, 4.5], big=[True, False, True, False], label=["x", "y", "x", "y"])
    data = load(path)
    assert (data.encoding.labels, data.shape.input_shape) == (("x", "y"), (2,))
    both = np.concatenate([data.x_train, data.x_test])
    assert sorted(both.tolist()) == [[1.5, 1], [2.5, 0], [3.5, 1], [4.5, 0]]


def test_parquet_that_cannot_be_used(tmp_path):
    path = parquet_of(tmp_path, a=[1.5, None, 2.0], label=["x", "y", "x"])
    assert refusal(path).startswith(f"{path}: line 3 has no number in column 'a' ('').")
    path = parquet_of(tmp_path, a=[[1], [2]], label=["x", "y"])
    assert refusal(path) == f"{path}: column 'a' holds lists or records; a feature is a number or a text."
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read as Parquet" in refusal(path)


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


def image_bytes(size=(4, 6), colour=(200, 30, 60), mode="RGB", kind="PNG"):
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    found = io.BytesIO()
    shown = image.new("RGB", size, colour)
    shown.convert(mode).save(found, kind)
    return found.getvalue()


def test_a_folder_of_images(tmp_path):
    red, blue = image_bytes(), image_bytes(colour=(0, 0, 255))
    files = {
        f"{part}/{name}/{n}.png": content
        for part in ("train", "test")
        for n in range(3)
        for name, content in (("red", red), ("blue", blue))
    }
    write(tmp_path, {**files, "train/red/notes.md": "mine", "train/.hidden/x.png": red})
    data = load(tmp_path)
    assert data.shape == datasets.DataShape((6, 4, 3), 2, 6, 6)
    assert data.x_train.dtype == np.uint8
    assert (data.x_train[3] == (200, 30, 60)).all()
    assert named(data, "test") == 3 * ["blue"] + 3 * ["red"]
    assert data.notes == ("Trained on train, tested on test.", "1 files of other kinds were left out.")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "RGB"])
def test_images_of_every_mode(tmp_path, mode):
    write(tmp_path, {f"{name}/{n}.png": image_bytes(mode=mode) for name in "ab" for n in range(3)})
    assert load(tmp_path).shape.input_shape == (6, 4, 1 if mode in ("1", "L", "LA") else 3)


def test_images_of_several_sizes_are_brought_to_one_or_refused(tmp_path):
    write(
        tmp_path,
        {
            "a/1.jpg": image_bytes(kind="JPEG"),
            "a/2.jpg": image_bytes(kind="JPEG"),
            "b/1.jpg": image_bytes((5, 5), kind="JPEG"),
        },
    )
    said = refusal(tmp_path)
    assert f"{tmp_path}/b/1.jpg has 5x5 pixels, and " in said
    assert "6x4; images must be of one size. --image-size brings all to one" in said
    assert load(tmp_path, image_size=8).shape.input_shape == (8, 8, 3)


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


def test_texts_in_folders(tmp_path):
    write(tmp_path, {f"{name}/{n}.txt": f"{name} film {n}" for name in ("good", "bad") for n in range(5)})
    data = load(tmp_path)
    assert (data.shape.train, data.shape.test, data.encoding.labels) == (8, 2, ("bad", "good"))
    assert all(text.startswith(label) for text, label in zip(texts(data, "train"), named(data, "train"), strict=True))


LATIN = "gut\tja\nschön\tnein\n".encode("latin-1")

BAD = {
    "empty": ({"d.tsv": ""}, "d.tsv", {}, "{0}/d.tsv is empty."),
    "blank": ({"d.txt": "\n \n"}, "d.txt", {}, "{0}/d.txt is empty."),
    "latin": ({"d.tsv": LATIN}, "d.tsv", {}, "{0}/d.tsv: line 2 holds the byte 0xf6, which is not UTF-8 there."),
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
    "missing": ({"reviews.tsv": ""}, "review.tsv", {}, "There is no file {0}/review.tsv. Did you mean reviews.tsv?"),
    "folder": ({"f/x.bin": "a"}, "f", {}, "{0}/f is a folder, and nothing in it can be read."),
    "no folder": ({"f": None}, "f", {}, "{0}/f is a folder, and nothing in it can be read."),
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


def test_a_file_that_changed_is_read_anew(tmp_path):
    path = tmp_path / "d.tsv"
    path.write_text(REVIEWS)
    before = datasets.describe(str(path))
    path.write_text(REVIEWS * 3)
    assert datasets.describe(str(path)).train == 3 * 4 - 2 > before.train


def test_what_was_kept_is_not_trusted(tmp_path, monkeypatch):
    from reskeras.datasets import kept

    path = tmp_path / "d.tsv"
    path.write_text(REVIEWS)
    found = datasets.describe(str(path))
    kept._shapes.clear()
    for file in (kept.caches.folder("data")).glob("*.json"):
        file.write_text('{"input_shape": "x"}')
    assert datasets.describe(str(path)) == found
