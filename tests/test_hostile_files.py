"""Files from anywhere: whatever is in them, readers end with what they declare, run no code, and steer no terminal.

Short here; `RESKERAS_FUZZ=20000 pytest tests/test_hostile_files.py -s` tries so many inputs on each reader.
"""

import json
import os
import shutil
import unicodedata
import zipfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from command import command
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from reskeras_tui.follow import RunReader, plain_line
from script_runs import ScriptRun

from reskeras import datasets, runs, verdicts
from reskeras.printable import printable
from reskeras.runs import Run, RunError, control, labels, listing
from reskeras.runs.tables import Table

pytestmark = pytest.mark.any_backend

INPUTS = int(os.environ.get("RESKERAS_FUZZ", 100))

FUZZED: Counter[str] = Counter()
FAULTS: Counter[str] = Counter()
"""How many inputs each reader has had, and how many brought it down."""


@contextmanager
def counted(name: str):
    """Count an input, and whether anything but what is declared comes of it."""
    FUZZED[name] += 1
    try:
        yield
    except BaseException:
        FAULTS[name] += 1
        raise


class Content(bytes):
    """Bytes that are told briefly where a test fails."""

    def __repr__(self) -> str:
        return f"{bytes(self[:60])!r} of {len(self):,} bytes"


fuzz = settings(
    max_examples=INPUTS,
    deadline=None,
    # Here the same each time, for a fault that is found by chance in a change that did not make it helps nobody.
    derandomize="RESKERAS_FUZZ" not in os.environ,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)

BLOCKED = ("\x1b", "\x07", "\x9b", "\x85", "\u202e", "\u2066", "\u200f", "\u2028")
"""Signs that steer a terminal or turn the direction of writing."""

EVIL = "\x1b[2J\x1b]0;title\x07red\u202egnp.exe\x9b31m\u2028[/bold][link=x]"
"""A text that does both, with what looks like markup."""


@pytest.fixture(scope="module", autouse=True)
def figures():
    yield
    told = ", ".join(f"{name} {count:,}" for name, count in sorted(FUZZED.items()))
    print(f"\ninputs fuzzed: {told}; {FUZZED.total():,} in all, faults: {FAULTS.total():,}")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The folder of a run with all kinds of files."""
    folder = tmp_path_factory.mktemp("real") / "mine"
    script = ScriptRun(folder, steps=40)
    script.grow_many(np.abs(np.random.default_rng(0).normal(size=(40, 4))))
    script.epoch(1, loss=0.5, validation_loss=0.25, accuracy=0.5, mae=0.125).finish()
    script.run.log_path.write_text("begun\n\x1b[31mred\x1b[0m\n")
    labels.tag(script.run, "tag")
    control.send(script.run.commands_path, "stop")
    listing.record(str(folder))
    return folder


FILES = (
    "settings.json", "events.jsonl", "weights.json", "weights.rows", "curve.rows", "labels.json", "summary.json",
    "log.txt",
)  # fmt: skip

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([10**400, -1, 0, 2**31, 2**63, 2**64]),
    st.floats(),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from([EVIL, "../../x", "nan"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
MADE_UP = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b"\xff\xfe", b'"\\ud800"', b"NaN"]),
    VALUES.map(lambda value: json.dumps(value).encode()),
)


@st.composite
def mutations(draw, content: bytes):
    """Return bytes that were a real file's: some changed, some gone, some doubled; or a value of its JSON."""
    kind = draw(st.sampled_from(["bytes", "cut", "double", "values", "values", "made up"]))
    if kind == "made up":
        return Content(draw(MADE_UP))
    if kind == "values":
        return Content(b"".join(draw(changed_line(line)) for line in content.splitlines(keepends=True)))
    place = draw(st.integers(0, len(content)))
    if kind == "cut":
        return Content(content[:place])
    if kind == "double":
        return Content(content[:place] + content[draw(st.integers(0, place)) :])
    changed = bytearray(content)
    for at in draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=4)):
        changed[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
    return Content(changed)


@st.composite
def changed_line(draw, line: bytes):
    """Return a line of JSON with another value somewhere in it; any other line as it is."""
    try:
        content = json.loads(line)
    except ValueError:
        return line
    if draw(st.booleans()):
        content = draw(changed_value(content))
    return json.dumps(content).encode() + b"\n"


def changed_value(value):
    inner = []
    if isinstance(value, dict):
        inner = [
            changed_value(each).map(lambda new, name=name: {**value, name: new}) for name, each in list(value.items())
        ]
        inner += [st.just({other: each for other, each in value.items() if other != name}) for name in value]
        inner += [st.just({**value, EVIL: EVIL})]
    if isinstance(value, list) and value:
        inner = [
            changed_value(value[place]).map(lambda new, place=place: [*value[:place], new, *value[place + 1 :]])
            for place in {0, len(value) - 1}
        ]
    return st.one_of(VALUES, *inner)


def check_shown(text: str) -> None:
    """Check that a text can be written to a terminal and steers nothing."""
    text.encode()
    assert not any(sign in text for sign in BLOCKED), repr(text)
    assert all(unicodedata.category(sign) not in ("Cc", "Cs") or sign == "\n" for sign in text), repr(text)


def check_command(*words: object) -> str:
    """Check that a command ends by itself, with nothing on the screen that steers it."""
    done = command(*words)
    assert done.code in (0, 1, 2)
    check_shown(done.out)
    check_shown(done.err)
    return done.out


def with_file(real: Path, tmp_path: Path, name: str, content: bytes) -> Run:
    """Return a run like the real one, but for one file."""
    folder = tmp_path / "runs" / "mine"
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(real, folder)
    (folder / name).write_bytes(content)
    return Run(folder)


def read_all(run: Run) -> None:
    """Read a run in every way; only the declared error may come."""
    for read in (
        lambda: run.settings,
        run.events,
        run.curve,
        run.weights,
        run.state,
        run.summary,
        lambda: run.series("gradient_norm"),
        lambda: run.series("update_ratio", "weight", start=3, stop=9),
        lambda: verdicts.of(run),
        lambda: labels.read(run.folder),
        lambda: runs.write_csv(run, run.folder.parent / "csv"),
    ):
        try:
            read()
        except RunError as error:
            check_shown(str(error))
    control.waiting(run.commands_path)
    record = listing.record(str(run.folder))
    assert record["state"] in ("finished", "stopped", "failed", "crashed", "unreadable")
    json.dumps(record)
    for name in ("run", "architecture", "reason", "data", "backend"):
        check_shown(str(record.get(name)))
    snapshot = RunReader(run).read()
    for line in snapshot.log:
        check_shown(line)
    _ = snapshot.facts, snapshot.speed, snapshot.seconds_left, snapshot.by_script, snapshot.has_accuracy


@pytest.mark.parametrize("name", FILES)
def test_no_file_of_a_run_brings_a_reader_down(real, tmp_path, name):
    content = (real / name).read_bytes()

    @fuzz
    @given(mutations(content))
    def tried(changed):
        with counted(name):
            read_all(with_file(real, tmp_path, name, changed))

    tried()


@pytest.mark.parametrize("name", FILES)
def test_no_file_of_a_run_brings_a_command_down(real, tmp_path, name):
    content = (real / name).read_bytes()

    @settings(fuzz, max_examples=max(INPUTS // 10, 5))
    @given(mutations(content))
    def tried(changed):
        run = with_file(real, tmp_path, name, changed)
        home = run.folder.parent
        for words in (
            ("runs",), ("runs", "--json"), ("watch", "mine", "--plain"), ("verdict", "mine"),
            ("export", "mine", "--csv", tmp_path / "csv"), ("note", "mine"), ("runs", "--usage"),
        ):  # fmt: skip
            with counted("commands"):
                check_command(*words, "--runs", home)
        assert {path.name for path in tmp_path.iterdir()} <= {"runs", "csv"}, "something was written elsewhere"

    tried()


@fuzz
@given(st.text(max_size=60), st.binary(max_size=60))
def test_no_text_steers_a_terminal(text, line):
    with counted("texts"):
        for shown in (printable(text), printable(EVIL + text), plain_line(line), plain_line(EVIL.encode() + line)):
            check_shown(shown)
            assert printable(shown) == shown
    assert printable("ä 漢字 👩‍💻 a\u00a0b") == "ä 漢字 👩‍💻 a\u00a0b"


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


def test_samples_larger_than_the_memory_are_refused(samples, tmp_path, monkeypatch):
    (tmp_path / "samples.npz").write_bytes(samples)
    monkeypatch.setattr(datasets.archive, "available_memory", lambda: 100)
    with pytest.raises(datasets.DataError, match=r"GiB of samples, and this machine has 0.0 GiB of memory left"):
        datasets.load(str(tmp_path / "samples.npz"))


ODD = {
    "pipe": lambda path, _: os.mkfifo(path),
    "folder": lambda path, _: path.mkdir(),
    "link": lambda path, content: path.symlink_to(content),
    "loop": lambda path, _: path.symlink_to(path.name),
    "huge": lambda path, _: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 2**42),
    "device": lambda path, _: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", [*FILES, "alive.lock", "commands"])
def test_what_is_no_plain_file_is_neither_waited_for_nor_followed(real, tmp_path, kind, name):
    """A reader that waited would end with the test's time limit, and one that read all with the memory."""
    run = with_file(real, tmp_path, "extra", b"")
    path, outside = run.folder / name, tmp_path / "outside"
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    outside.write_bytes((real / name).read_bytes() if (real / name).is_file() else b"")
    ODD[kind](path, outside)
    before = outside.read_bytes()
    home = run.folder.parent
    with counted("odd files"):
        read_all(run)
        for words in (("runs",), ("watch", "mine", "--plain"), ("verdict", "mine")):
            check_command(*words, "--runs", home)
    assert outside.read_bytes() == before


def test_names_that_steer_a_terminal_are_shown_harmless_and_still_found(real, tmp_path):
    home = tmp_path / "runs"
    for name in (EVIL.replace("/", ""), os.fsdecode(b"\xff\xfe"), "a\nb"):
        shutil.copytree(real, home / name)
    shown = [each["run"] for each in json.loads(command("runs", "--json", "--runs", home).out)]
    for words in (("runs",), ("runs", "--usage"), ("verdict", "nowhere"), ("delete", "nowhere")):
        check_command(*words, "--runs", home)
    for name in shown:
        check_shown(name)
        check_command("verdict", name, "--runs", home)
        check_command("delete", name, "--runs", home)
        check_command("runs", "--trash", "--runs", home)
    assert command("runs", "--runs", home).out == f"No runs in {home} yet. Start one with: reskeras train resnet\n"


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


def test_a_statistic_is_no_way_out_of_the_folder(real, tmp_path):
    run = with_file(real, tmp_path, "extra", b"")
    head = json.loads((real / "weights.json").read_text())
    head["statistics"][0] = "../../escaped"
    (run.folder / "weights.json").write_text(json.dumps(head))
    with pytest.raises(RunError, match=r"weights\.json is damaged"):
        runs.write_csv(run, tmp_path / "csv")
    assert not list(tmp_path.rglob("escaped*"))


def test_a_file_that_shrinks_while_it_is_read_is_only_shorter(real, tmp_path):
    run = with_file(real, tmp_path, "extra", b"")
    table, before = Table(run.folder / "weights"), run.series("gradient_norm")
    assert table.count == len(before.last) == 40
    os.truncate(run.folder / "weights.rows", table.header.row.itemsize * 7)
    after = table.series("gradient_norm", "layer")
    assert np.array_equal(after.median, before.median[:7])
