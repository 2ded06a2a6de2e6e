"""A user's own files of every kind that are good: each is read as it is meant."""

import gzip

import numpy as np
import pytest
from data_files import IRIS, REVIEWS, TAGGED, image_bytes, load, named, parquet_of, refusal, texts, write

from reskeras import datasets
from reskeras.datasets.encoding import END, START

pytestmark = pytest.mark.any_backend


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
    assert data.shape.input_shape == (2, 17) and data.shape.kind == "spelled words"
    plain = load(tmp_path / "train.conll", characters=0)
    assert np.array_equal(plain.x_train, data.x_train[:, :, 0]) and plain.shape.kind == "tokens"
    assert load(tmp_path / "train.conll", characters=3).shape.input_shape == (2, 4)


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
    assert data.x_train.reshape(-1).tolist() == start.tolist()
    assert data.shape.train == pytest.approx(3 * data.shape.test, abs=3)


def test_a_folder_of_texts_is_one_text(tmp_path):
    write(tmp_path, {"a.txt": "one two three four\n" * 20, "b.txt": "five six seven\n" * 20})
    data = load(tmp_path, level="words", length=4)
    assert data.task == "language"
    assert data.encoding.text.decode(data.x_train[0]) == "one two three four"


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


def test_tables_as_other_programs_write_them(tmp_path):
    rows = [(n / 4, n % 3, "xy"[n % 2]) for n in range(8)]
    plain = [[a, b] for a, b, _ in rows]
    written = {
        "sheet.csv": "sep=;\na;b;label\n" + "".join(f"{a};{b};{y}\n".replace(".", ",") for a, b, y in rows),
        "comma.csv": "a,b,label,\n" + "".join(f"{a},{b},{y},\n" for a, b, y in rows),
        "pandas.csv": ",a,b,label\n" + "".join(f"{7 * n},{a},{b},{y}\n" for n, (a, b, y) in enumerate(rows)),
    }
    notes = {"comma.csv": "empty: column 3, which has no name.", "pandas.csv": "numbers the rows: column 1, which has"}
    for name, content in written.items():
        data = load(write(tmp_path, {name: content}) / name)
        both = np.concatenate([data.x_train, data.x_test])
        assert sorted(both.tolist()) == sorted(plain) and data.encoding.labels == ("x", "y")
        assert notes.get(name, "") in " ".join(data.notes)
    (tmp_path / "texts.csv").write_text(",text,label\n" + "".join(f"{n},some {n},{n % 2}\n" for n in range(8)))
    assert load(tmp_path / "texts.csv").vocabulary


def test_a_million_rows_are_read(tmp_path):
    path = tmp_path / "many.csv"
    path.write_text("a,b,label\n" + "1.5,2,x\n2.5,1,y\n" * 500_000)
    assert load(path).shape == datasets.DataShape((2,), 2, 800_000, 200_000, labels=("x", "y"))


def test_parquet(tmp_path):
    path = parquet_of(tmp_path, a=[1.5, 2.5, 3.5, 4.5], big=[True, False, True, False], label=["x", "y", "x", "y"])
    data = load(path)
    assert (data.encoding.labels, data.shape.input_shape) == (("x", "y"), (2,))
    both = np.concatenate([data.x_train, data.x_test])
    assert sorted(both.tolist()) == [[1.5, 1], [2.5, 0], [3.5, 1], [4.5, 0]]


def test_a_folder_of_images(tmp_path):
    red, blue = image_bytes(), image_bytes(colour=(0, 0, 255))
    files = {
        f"{part}/{name}/{n}.png": content
        for part in ("train", "test")
        for n in range(3)
        for name, content in (("red", red), ("blue", blue))
    }
    write(tmp_path, {**files, "train/red/notes.md": "mine", "train/.hidden/x.png": red, "train/__MACOSX/x": "mine"})
    data = load(tmp_path)
    assert data.shape == datasets.DataShape((6, 4, 3), 2, 6, 6, labels=("blue", "red"))
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


def test_texts_in_folders(tmp_path):
    write(tmp_path, {f"{name}/{n}.txt": f"{name} film {n}" for name in ("good", "bad") for n in range(5)})
    data = load(tmp_path)
    assert (data.shape.train, data.shape.test, data.encoding.labels) == (8, 2, ("bad", "good"))
    assert all(text.startswith(label) for text, label in zip(texts(data, "train"), named(data, "train"), strict=True))


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
