"""The folder of a run from anywhere: readers end with what they declare, run no code, and steer no terminal.

Short here; `RESKERAS_FUZZ=20000 pytest -s tests/test_hostile_*.py` tries so many inputs on each reader.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import command
from hostile import EVIL, INPUTS, VALUES, check_command, check_shown, counted, fuzz, mutations
from hostile import figures as figures
from hypothesis import given, settings
from hypothesis import strategies as st
from reskeras_tui.follow import RunReader
from reskeras_tui.log_reader import plain_line
from script_runs import ScriptRun

from reskeras import runs, verdicts
from reskeras.printable import cleaned, load_json, printable
from reskeras.runs import Run, RunError, control, labels, listing
from reskeras.runs.tables import Table

pytestmark = pytest.mark.any_backend


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
@given(VALUES, st.booleans())
def test_json_is_cleaned_whatever_its_bytes_look_like(value, escaped):
    for written in (value, {"loss": [value, 1e-3]}):
        content = json.dumps(written, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
        with counted("json"):
            try:
                expected = cleaned(json.loads(content))
            except ValueError:
                continue
            assert load_json(content) == expected


@fuzz
@given(st.text(max_size=60), st.binary(max_size=60))
def test_no_text_steers_a_terminal(text, line):
    with counted("texts"):
        for shown in (printable(text), printable(EVIL + text), plain_line(line), plain_line(EVIL.encode() + line)):
            check_shown(shown)
            assert printable(shown) == shown
    assert printable("ä 漢字 👩‍💻 a\u00a0b") == "ä 漢字 👩‍💻 a\u00a0b"


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
