"""A run's folder: made once, written by one process, read at any time, and honest about what became of it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reskeras import runs
from reskeras.runs import RunError, RunSettings, TrainingOptions
from reskeras.runs.events import EventWriter, read_events
from reskeras.runs.folder import Run
from reskeras.runs.series import CURVE, RowWriter, read_rows

pytestmark = pytest.mark.any_backend


def run_settings(**changes):
    facts = {
        "architecture": "resnet",
        "options": {"depth": 20, "skip": "add"},
        "training": TrainingOptions(epochs=3, steps=None, learning_rate=0.01),
        "input_shape": (8, 8, 1),
        "classes": 10,
    }
    return RunSettings(**{**facts, **changes})


@pytest.fixture
def run(tmp_path):
    return runs.create(run_settings(), tmp_path / "runs", "mine")


def write_events(run, *events):
    writer = EventWriter(run.events_path)
    for event, facts in events:
        writer.write(event, **facts)
    writer.close()


def write_rows(path, rows):
    writer = RowWriter(path, rows.dtype)
    writer.write(rows)
    writer.flush()
    writer.close()


def test_runs_are_numbered_where_nobody_names_them(tmp_path):
    made = [runs.create(run_settings(), tmp_path / "deep/runs") for _ in range(3)]
    assert [run.name for run in made] == [f"resnet-20-add-digits-{number}" for number in (1, 2, 3)]
    made[1].settings_path.unlink()
    assert runs.create(run_settings(), tmp_path / "deep/runs").name == "resnet-20-add-digits-4"


@pytest.mark.parametrize(
    ("data", "ending"),
    [
        ("digits", "digits"),
        ("/somewhere/my cats & dogs.npz", "my-cats---dogs"),
        ("C:\\data\\x.npz", "x"),
        ("../..", "data"),
        ("x" * 300 + ".npz", "x" * 60),
    ],
)
def test_a_run_is_called_after_its_data(tmp_path, data, ending):
    made = runs.create(run_settings(training=TrainingOptions(data=data)), tmp_path)
    assert made.folder == tmp_path / f"resnet-20-add-{ending}-1"


def test_settings_come_back_as_they_were(run):
    assert Run(run.folder).settings == run_settings()
    assert [path.name for path in run.folder.iterdir()] == ["settings.json"]


def test_a_name_that_is_taken_is_refused(run):
    before = run.settings_path.read_text()
    with pytest.raises(RunError) as caught:
        runs.create(run_settings(classes=2), run.folder.parent, "mine")
    assert str(caught.value) == (
        f"There is a run 'mine' in {run.folder.parent} already. Choose another name, or leave it out."
    )
    assert run.settings_path.read_text() == before


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "/etc", "a\\b", "a\0b"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path, name):
    with pytest.raises(RunError) as caught:
        runs.create(run_settings(), tmp_path / "runs", name)
    assert str(caught.value) == f"A run cannot be called {name!r}: its name is a folder's name, without slashes."
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", [None, "mine"])
@pytest.mark.parametrize(("below", "reason"), [("file", "it is not a folder"), ("file/runs", "Not a directory")])
def test_a_parent_that_takes_no_runs_is_named(tmp_path, below, reason, name):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError) as caught:
        runs.create(run_settings(), tmp_path / below, name)
    place = tmp_path / below
    assert str(caught.value) == f"No run can be made in {place}: {reason}. Name another folder with --runs."


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_parent_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match=f"No run can be made in {tmp_path}: Permission denied"):
        runs.create(run_settings(), tmp_path)


def test_a_disk_that_takes_no_settings_leaves_no_folder_behind(tmp_path):
    """A limit on the size of files is the nearest thing to a full disk that any user can make."""
    program = (
        "import resource, sys; from pathlib import Path; from reskeras import runs\n"
        "settings = runs.RunSettings.model_validate_json(sys.argv[2])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try: runs.create(settings, Path(sys.argv[1]))\n"
        "except runs.RunError as error: print(error)"
    )
    command = [sys.executable, "-c", program, str(tmp_path), run_settings().model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"No run can be made in {tmp_path}: File too large. Name another folder with --runs.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format": 2}', b'{"format": 2, "x": 2}'],
    ids=["empty", "torn", "list", "null", "no-text", "deep", "bare", "other"],
)
def test_broken_settings_are_refused_with_their_file(run, content):
    run.settings_path.write_bytes(content)
    with pytest.raises(RunError, match=r"settings\.json (is not JSON|is damaged|has format)"):
        _ = Run(run.folder).settings


@pytest.mark.parametrize("changed", [{"classes": "many"}, {"training": {"epochs": 0}}, {"options": 3}, {"other": 1}])
def test_settings_that_do_not_hold_are_refused(run, changed):
    content = {**json.loads(run.settings_path.read_text()), **changed}
    run.settings_path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=r"settings\.json is damaged"):
        _ = Run(run.folder).settings


def test_a_newer_format_is_refused_with_both_versions(run):
    content = {**json.loads(run.settings_path.read_text()), "format": 7}
    run.settings_path.write_text(json.dumps(content))
    with pytest.raises(RunError) as caught:
        _ = Run(run.folder).settings
    assert str(caught.value) == f"{run.settings_path} has format 7; this version reads format 2."


def test_missing_settings_are_refused(run):
    run.settings_path.unlink()
    with pytest.raises(RunError, match=r"settings\.json cannot be read: No such file"):
        _ = Run(run.folder).settings


def test_a_run_that_has_measured_nothing_is_empty(run):
    assert run.weights() == []
    assert run.events() == []
    assert len(run.curve()) == 0
    series = run.series("gradient_norm")
    assert (series.names, series.last.shape, series.largest.shape) == ((), (0,), (0, 0))
    assert (run.summary()["step"], run.summary()["loss"], run.summary()["state"]) == (0, None, "crashed")


def test_events_come_back_in_order_with_null_for_what_is_not_finite(run):
    epoch = {"loss": float("nan"), "accuracy": 0.5, "rate": float("-inf")}
    write_events(run, ("training", {"steps": 9}), ("epoch", epoch))
    first, second = run.events()
    assert (first["event"], first["steps"]) == ("training", 9)
    assert (second["loss"], second["accuracy"], second["rate"]) == (None, 0.5, None)
    assert abs(second["time"] - time.time()) < 60


def test_lines_that_are_no_events_are_left_out(tmp_path):
    path = tmp_path / "events.jsonl"
    good = b'{"event": "end", "status": "finished"}\n'
    bad = [b"", b"{", b"[1]", b"null", b'{"event": 3}', b'{"time": 1}', b"\xff\xff", b"[" * 100_000]
    path.write_bytes(b"\n".join(bad) + b"\n" + good + good[:-1])
    assert read_events(path) == [{"event": "end", "status": "finished"}]


@given(cut=st.integers(0, 400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_torn_tail_hides_no_whole_event(tmp_path, cut):
    path = tmp_path / "events.jsonl"
    path.unlink(missing_ok=True)
    writer = EventWriter(path)
    for number in range(5):
        writer.write("epoch", number=number, note="ü" * number)
    writer.close()
    whole = path.read_bytes()[:cut]
    path.write_bytes(whole)
    assert [event["number"] for event in read_events(path)] == list(range(whole.count(b"\n")))


@pytest.mark.parametrize("torn", [0, 1, CURVE.itemsize - 1])
def test_a_torn_last_row_is_left_out(run, torn):
    rows = np.zeros(4, CURVE)
    rows["step"], rows["loss"] = [1, 2, 3, 4], [3.5, np.nan, np.inf, 0]
    write_rows(run.curve_path, rows)
    with run.curve_path.open("ab") as file:
        file.write(b"\1" * torn)
    assert run.curve().tobytes() == rows.tobytes()


def test_rows_of_a_missing_or_empty_file_are_none(tmp_path):
    (tmp_path / "empty").touch()
    assert len(read_rows(tmp_path / "missing", CURVE)) == len(read_rows(tmp_path / "empty", CURVE)) == 0


def test_runs_are_listed_newest_first_and_other_folders_left_out(tmp_path):
    made = [runs.create(run_settings(), tmp_path) for _ in range(3)]
    for age, run in enumerate(made):
        os.utime(run.settings_path, (1000 + age, 1000 + age))
    (tmp_path / "notes").mkdir()
    (tmp_path / "trap/settings.json").mkdir(parents=True)
    (tmp_path / "loop").symlink_to("loop")
    assert [run.name for run in runs.list_runs(tmp_path)] == [run.name for run in reversed(made)]
    assert runs.list_runs(tmp_path / "missing") == runs.list_runs(made[0].settings_path) == []


def test_a_run_is_found_by_name_and_by_folder(run):
    assert runs.find("mine", run.folder.parent).folder == run.folder
    assert runs.find(str(run.folder), Path("elsewhere")).settings == run_settings()


@pytest.mark.parametrize("name", ["mind", "", "x" * 5000, "a\0b"])
def test_a_run_that_is_not_there_is_answered_with_the_names_that_are(run, name):
    with pytest.raises(RunError) as caught:
        runs.find(name, run.folder.parent)
    meant = " Did you mean mine?" if name == "mind" else ""
    assert str(caught.value) == f"There is no run {name!r} in {run.folder.parent} (runs: mine).{meant}"


def test_a_folder_without_runs_says_so(tmp_path):
    with pytest.raises(RunError, match=r"\(runs: none yet\)"):
        runs.find("mine", tmp_path)
