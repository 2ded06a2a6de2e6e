"""Order among runs: lists with filters, names, tags, notes, the trash, and what the disk is used for."""

import json
import os
import re
import shutil
import threading
from pathlib import Path

import pytest
from command import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from script_runs import ScriptRun

from reskeras import runs
from reskeras.runs import RunError, RunSettings, TrainingOptions, keeping, labels, listing, summaries
from reskeras.runs.events import EventWriter

pytestmark = pytest.mark.any_backend


def make(parent, name, architecture="resnet", made=1000, **facts):
    """Make a run that has ended, with these facts in its events."""
    asked = RunSettings(
        architecture=architecture, options={"depth": 20, "skip": "add"}, training=TrainingOptions(backend="jax"),
        input_shape=(8, 8, 1), classes=10,
    )  # fmt: skip
    run = runs.create(asked, parent, name)
    writer = EventWriter(run.events_path)
    writer.write("training", steps=100)
    if "loss" in facts:
        writer.write("epoch", epoch=1, step=100, loss=facts["loss"])
    if "test_accuracy" in facts:
        writer.write("tested", test_accuracy=facts["test_accuracy"], test_loss=1.0)
    if status := facts.get("status", "finished"):
        writer.write("end", status=status, code=0)
    writer.close()
    os.utime(run.settings_path, (made, made))
    return run


@pytest.fixture
def home(tmp_path):
    """A folder of five runs: one crashed, one whose settings are of another version."""
    home = tmp_path / "runs"
    make(home, "baseline", made=1, loss=0.5, test_accuracy=0.8)
    make(home, "Deeper-56", made=2, loss=0.3, test_accuracy=0.9)
    make(home, "plain-56", "plain", made=3, loss=float("nan"))
    make(home, "lost", made=4, status=None)
    old = make(home, "old", made=5)
    content = json.loads(old.settings_path.read_text())
    old.settings_path.write_text(json.dumps({**content, "format": 1}))
    os.utime(old.settings_path, (5, 5))
    labels.tag(runs.find("baseline", home), "paper", "best")
    labels.tag(runs.find("plain-56", home), "paper")
    return home


def listed(home, *words):
    done = command("runs", "--runs", home, "--json", *words)
    assert done.code == 0, done.err
    return [each["run"] for each in json.loads(done.out)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("", "old lost plain-56 Deeper-56 baseline"),
        ("--reverse", "baseline Deeper-56 plain-56 lost old"),
        ("--limit 2", "old lost"),
        ("--limit 0", "old lost plain-56 Deeper-56 baseline"),
        ("--state finished", "plain-56 Deeper-56 baseline"),
        ("--state crashed --state unreadable", "old lost"),
        ("--architecture plain", "plain-56"),
        ("--tag paper", "plain-56 baseline"),
        ("--tag paper --tag best", "baseline"),
        ("--name 56", "plain-56 Deeper-56"),
        ("--name deeper", "Deeper-56"),
        ("--sort run", "Deeper-56 baseline lost old plain-56"),
        ("--sort loss", "Deeper-56 baseline old lost plain-56"),
        ("--sort loss --reverse", "baseline Deeper-56 old lost plain-56"),
        ("--sort test_accuracy --limit 1", "Deeper-56"),
        ("--sort test_accuracy --reverse --limit 1", "baseline"),
        ("--state finished --name x", ""),
    ],
)
def test_runs_are_filtered_and_sorted(home, words, names):
    for _ in range(2):
        # The second time from what was kept of each.
        assert listed(home, *words.split()) == names.split()


def test_a_run_of_an_older_format_is_listed_with_the_version_that_it_has(home):
    done = command("runs", "--runs", home)
    assert re.search(r"^old +\? unreadable", done.out, re.MULTILINE)
    told = f"old cannot be read: {home}/old/settings.json has format 1; this version reads format 2."
    assert told in done.err
    content = {"format": 1, "tags": ["x"], "note": ""}
    (home / "lost/labels.json").write_text(json.dumps(content))
    told = re.sub(r"\s+", " ", command("tag", "lost", "y", "--runs", home).err)
    assert "labels.json has format 1; this version reads format 2" in told
    assert json.loads((home / "lost/labels.json").read_text()) == content


def test_an_empty_choice_says_so_with_the_nearest_name(home):
    done = command("runs", "--runs", home, "--architecture", "resnt")
    assert done.out == f"None of the 5 runs in {home} is such a run. Did you mean resnet?\n"
    done = command("runs", "--runs", home, "--tag", "papr")
    assert done.out == f"None of the 5 runs in {home} is such a run. Did you mean paper?\n"


def test_the_table_has_a_line_for_each_run_and_says_what_it_leaves_out(home):
    done = command("runs", "--runs", home, "--limit", "3", "--sort", "run")
    heading, *lines = done.out.splitlines()
    assert heading.split() == ["run", "state", "backend", "parameters", "step", "loss", "validation", "test", "tags"]
    assert lines[1].split() == [
        "baseline", "✔", "finished", "jax", "-", "100/100", "0.5", "-", "80.00%", "best", "paper",
    ]  # fmt: skip
    assert len(lines) == 3
    assert done.err == "2 more of 5; --limit 0 shows all.\n"


FACTS = st.fixed_dictionaries(
    {
        "loss": st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=5)),
        "accuracy": st.one_of(st.floats(0, 1), st.lists(st.integers(), max_size=2)),
    }
)


@given(epochs=st.lists(FACTS, max_size=4), status=st.sampled_from(["finished", "failed", "stopped", None, 3]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_what_is_kept_of_an_ended_run_is_what_its_files_say(tmp_path, epochs, status):
    run = make(tmp_path, None, status=None)
    with run.events_path.open("a") as log:
        for number, facts in enumerate(epochs, 1):
            log.write(json.dumps({"event": "epoch", "epoch": number, "step": number, "time": 1, **facts}) + "\n")
        log.write(json.dumps({"event": "end", "status": status, "time": 2}) + "\n")
    read = run.summary()
    assert not run.summary_path.exists()
    for _ in range(2):
        assert repr(listing.record(str(run.folder))) == repr(read)
    assert summaries.kept(str(run.folder)) is not None


def mark_what_was_kept(folder):
    """Make what a list reads of a run tell from where it was read."""
    listing.record(str(folder))
    content = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps({**content, "parameters": 77}))
    assert listing.record(str(folder))["parameters"] == 77, "it is from there that a list reads"


def test_what_was_kept_holds_only_while_its_settings_are_what_they_were(home):
    mark_what_was_kept(folder := home / "baseline")
    words = (folder / "settings.json").read_text()
    (folder / "settings.json").write_text(words.replace("digits", "digitz"))
    os.utime(folder / "settings.json", (77, 77))
    assert listing.record(str(folder))["parameters"] is None


@pytest.mark.parametrize("name", ["events.jsonl", "curve.rows"])
def test_what_was_kept_holds_only_while_nothing_was_written_behind(home, name):
    mark_what_was_kept(folder := home / "baseline")
    with (folder / name).open("a") as file:
        file.write("\n")
    assert listing.record(str(folder))["parameters"] is None


def test_what_was_kept_holds_for_a_copy_with_other_times(home):
    mark_what_was_kept(home / "baseline")
    shutil.copytree(home / "baseline", home / "copied", copy_function=shutil.copyfile)
    for name in summaries.SOURCES:
        if (home / "copied" / name).exists():
            os.utime(home / "copied" / name, (77, 77))
    assert listing.record(str(home / "copied"))["parameters"] == 77


def test_a_live_run_is_read_afresh_whatever_was_kept(tmp_path):
    script = ScriptRun(tmp_path / "mine").grow([1, 2, 3, 4]).epoch(1, loss=0.5).finish()
    assert listing.record(str(script.run.folder))["state"] == "finished"
    lock = runs.liveness.hold(script.run.lock_path)
    assert listing.record(str(script.run.folder))["state"] == "running"
    os.close(lock)
    assert listing.record(str(script.run.folder))["state"] == "finished"


def test_a_folder_that_cannot_be_written_is_listed_all_the_same(home, monkeypatch):
    monkeypatch.setattr(summaries, "write_whole", lambda *_: (_ for _ in ()).throw(OSError(30, "Read-only")))
    assert listed(home, "--sort", "loss")[:2] == ["Deeper-56", "baseline"]
    assert not (home / "baseline/summary.json").exists()


def test_a_run_is_renamed_with_all_it_has(home):
    before = runs.find("baseline", home).summary()
    done = command("rename", "baseline", "first", "--runs", home)
    assert (done.code, done.out) == (0, f"renamed: {home}/first\n")
    after = runs.find("first", home).summary()
    assert after == {**before, "run": "first", "folder": str(home / "first")}
    assert "baseline" not in listed(home)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lost", "There is a run or a file 'lost' in"),
        ("a/b", "cannot be called 'a/b': its name is a folder's name, without slashes"),
        (".hidden", "cannot be called '.hidden'"),
        ("", "cannot be called ''"),
        ("a\x1b[31m", r"cannot be called 'a\x1b[31m'"),
        ("\u202egnp", r"cannot be called '\u202egnp'"),
        ("x" * 201, "its name has at most 200 bytes"),
    ],
)
def test_a_name_that_does_not_do_changes_nothing(home, name, told):
    done = command("rename", "baseline", name, "--runs", home)
    assert done.code == 2
    assert told in re.sub(r"\s+", " ", done.err)
    assert sorted(listed(home)) == sorted(["baseline", "Deeper-56", "plain-56", "lost", "old"])


@pytest.mark.parametrize("words", [("rename", "live", "other"), ("delete", "live")])
def test_a_live_run_stays_where_it_is(tmp_path, words):
    script = ScriptRun(tmp_path / "live").grow([1, 2, 3, 4])
    done = command(*words, "--runs", tmp_path)
    assert done.code == 2
    told = re.sub(r"\s+", " ", done.err)
    assert f"live is being trained and cannot be {words[0]}d meanwhile. Stop it first" in told
    assert script.run.state() == "running"
    script.close()
    assert command(*words, "--runs", tmp_path).code == 0
    assert not script.run.folder.exists()


def test_tags_and_notes_are_kept_and_shown(home):
    assert command("tag", "lost", "b", "ä", "--runs", home).out == "lost: b, ä\n"
    assert command("tag", "lost", "b", "--runs", home).out == "lost: b, ä\n"
    assert command("untag", "lost", "ä", "--runs", home).out == "lost: b\n"
    assert command("note", "lost", "--runs", home).out == "lost has no note.\n"
    assert command("note", "lost", "warm-up\ntoo short\x1b[2J", "--runs", home).out == "warm-up\ntoo short\n"
    assert runs.find("lost", home).summary()["note"] == "warm-up\ntoo short"
    facts = {"run": "lost", "note": "warm-up\ntoo short", "tags": ["b"]}
    assert json.loads(command("note", "lost", "--json", "--runs", home).out) == facts
    assert command("note", "lost", "", "--runs", home).out == "lost has no note.\n"


@pytest.mark.parametrize("text", ["", "a b", "a,b", "x" * 61, "a\x1b[1m", "\u202eabc"])
def test_a_tag_that_could_not_be_asked_for_is_refused(home, text):
    done = command("tag", "lost", "fine", text, "--runs", home)
    assert (done.code, done.out) == (2, "")
    assert "cannot have the tag" in re.sub(r"\s+", " ", done.err)
    assert labels.read(home / "lost").tags == ()


def test_a_tag_that_is_not_there_is_not_taken_away(home):
    done = command("untag", "baseline", "best", "papr", "--runs", home)
    assert re.sub(r"\s+", " ", done.err) == "Error: baseline has no tag 'papr' (tags: best, paper). "
    assert labels.read(home / "baseline").tags == ("best", "paper")


def test_tags_given_at_the_same_time_are_all_kept(home):
    run, tags = runs.find("lost", home), [f"tag{number}" for number in range(24)]
    threads = [threading.Thread(target=labels.tag, args=(run, tag)) for tag in tags]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert labels.read(run.folder).tags == tuple(sorted(tags))


def test_a_deleted_run_comes_back_as_it_was(home):
    before = {path.name: path.read_bytes() for path in (home / "baseline").iterdir()}
    done = command("delete", "baseline", "lost", "--runs", home)
    assert done.code == 0
    assert done.out.splitlines()[0] == f"deleted: baseline (reskeras restore baseline --runs {home} brings it back)"
    assert sorted(listed(home)) == ["Deeper-56", "old", "plain-56"]
    assert [each["run"] for each in json.loads(command("runs", "--trash", "--json", "--runs", home).out)] == [
        "lost", "baseline",
    ]  # fmt: skip
    assert re.search(r"^baseline  \d{4}-", command("runs", "--trash", "--runs", home).out, re.MULTILINE)
    assert command("restore", "baseline", "--runs", home).out == f"restored: {home}/baseline\n"
    after = {path.name: path.read_bytes() for path in (home / "baseline").iterdir()}
    assert after == {**before, "alive.lock": b""}
    assert [each.name for each in keeping.deleted(home)] == ["lost"]


def test_of_several_deleted_runs_of_one_name_the_last_comes_back(home):
    for number in (1, 2):
        run = make(home, "again")
        labels.note(run, f"number {number}")
        keeping.delete(run)
    make(home, "again")
    done = command("restore", "again", "--runs", home)
    assert (done.code, "Restore it with --as NAME" in re.sub(r"\s+", " ", done.err)) == (2, True)
    assert len(keeping.deleted(home)) == 2
    command("restore", "again", "--as", "second", "--runs", home)
    assert labels.read(home / "second").note == "number 2"
    command("restore", "again", "--as", "first", "--runs", home)
    assert labels.read(home / "first").note == "number 1"
    with pytest.raises(RunError, match=r"There is no run 'again' in .*/\.trash \(it holds nothing\)"):
        keeping.restore("again", home)


def test_nothing_is_deleted_where_one_of_several_names_is_wrong(home):
    done = command("delete", "baseline", "lots", "--runs", home)
    assert done.code == 2
    assert "Did you mean lost?" in re.sub(r"\s+", " ", done.err)
    assert len(listed(home)) == 5


def test_the_trash_is_emptied_only_when_somebody_says_so(home):
    assert command("empty-trash", "--runs", home).out == f"Nothing was deleted from {home}.\n"
    command("delete", "baseline", "--runs", home)
    refused = command("empty-trash", "--runs", home)
    assert refused.code == 2
    told = re.sub(r"\s+", " ", refused.err)
    assert "1 deleted run in" in told and "Say --yes" in told
    assert len(keeping.deleted(home)) == 1
    done = command("empty-trash", "--yes", "--runs", home)
    assert done.out == f"removed: 1 deleted run in {home}/.trash\n"
    assert list((home / ".trash").iterdir()) == []


def test_what_links_lead_to_is_never_removed(home, tmp_path):
    outside = tmp_path / "outside"
    make(outside, "kept")
    (home / "link").symlink_to(outside / "kept")
    (home / "lost/more").symlink_to(outside)
    command("delete", "link", "lost", "--runs", home)
    assert command("empty-trash", "--yes", "--runs", home).code == 0
    assert runs.find("kept", outside).state() == "finished"
    (home / ".trash").rmdir()
    (home / ".trash").symlink_to(outside)
    (outside / "123").mkdir()
    for words in (("delete", "baseline"), ("empty-trash", "--yes"), ("runs", "--trash"), ("restore", "kept")):
        done = command(*words, "--runs", home)
        assert done.code == 2
        assert "is a link, and leads away from the runs" in re.sub(r"\s+", " ", done.err)
    assert sorted(path.name for path in outside.iterdir()) == ["123", "kept"]


def test_the_disk_is_told_by_what_uses_it(tmp_path):
    script = ScriptRun(tmp_path / "mine").grow([1, 2, 3, 4]).finish()
    sizes = {"log.txt": 1500, "model.keras": 2_500_000, "checkpoints/1/weights": 70, "extra/deep/file": 5}
    for name, size in sizes.items():
        path = script.run.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    (script.run.folder / "link").symlink_to(script.run.folder / "model.keras")
    there = {path: path.lstat().st_size for path in script.run.folder.rglob("*") if path.is_file()}
    there.pop(script.run.folder / "link")
    found = keeping.usage(script.run.folder)
    tables = sum(size for path, size in there.items() if path.name in ("weights.json", "weights.rows", "curve.rows"))
    expected = {"log": 1500, "model": 2_500_000, "checkpoints": 70, "tables": tables}
    assert found == {**expected, "other": sum(there.values()) - sum(expected.values())}
    [record] = json.loads(command("runs", "--usage", "--json", "--runs", tmp_path).out)
    assert record["bytes"]["model"] == 2_500_000
    heading, line, total = command("runs", "--usage", "--runs", tmp_path).out.splitlines()
    assert heading.split() == ["run", "state", "log", "model", "tables", "checkpoints", "other", "total"]
    assert "1.5 kB" in line and "2.5 MB" in line and "70 B" in line
    assert total.startswith("all 1") and "2.5 MB" in total


def test_a_run_is_found_by_where_it_is(home, monkeypatch):
    monkeypatch.chdir(home / "lost")
    assert command("rename", ".", "found").out == f"renamed: {home}/found\n"
    assert Path(home / "found").is_dir()
