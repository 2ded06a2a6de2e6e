"""The queue and sweeps: what waits, what is started, what survives, and the table of results.

Workers here are stand-ins that begin at once and end when a gate opens; one of them fails.
"""

import csv
import json
import os
import re
import signal
import sys
from statistics import mean, stdev

import pytest
from command import command
from test_housekeeping import make
from workbench import start_reskeras, wait_for

from reskeras import memory, runs
from reskeras.request import check_request
from reskeras.runs import RunError, launch, listing, queue

pytestmark = pytest.mark.any_backend

STAND_IN = """
import os, sys, time
if "reskeras.training.worker" in sys.orig_argv:
    import json
    from pathlib import Path
    folder = Path(sys.orig_argv[sys.orig_argv.index("reskeras.training.worker") + 1])
    seed = json.loads((folder / "settings.json").read_text())["training"]["seed"]
    def tell(**event):
        with (folder / "events.jsonl").open("a") as log:
            log.write(json.dumps({"time": time.time(), **event}) + chr(10))
    tell(event="training", steps=10)
    while not Path(%r).exists():
        time.sleep(0.02)
    if seed != 1:
        tell(event="tested", test_accuracy=seed / 10, test_loss=1.0)
    tell(event="end", status="failed" if seed == 1 else "finished", code=0, reason="seed 1" if seed == 1 else None)
    os._exit(0)
"""

TINY = ("--depth", "2", "--width", "8", "--backend", os.environ.get("KERAS_BACKEND", "torch"))


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A file that stand-ins for workers wait for before they end."""
    gate = tmp_path / "gate"
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(STAND_IN % str(gate))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), *sys.path]))
    yield gate
    gate.touch()
    home = tmp_path / "runs"
    for run in queue.waiting(home):
        queue.take_back(run)
    wait_for(lambda: not queue.is_attended(home), "the end of the scheduler")
    wait_for(lambda: not list(listing.live_folders(listing.folders(home))), "the end of the workers")


def states(home):
    return sorted(run.state() for run in runs.list_runs(home))


def wait_for_states(home, *wanted):
    wait_for(lambda: states(home) == sorted(wanted), f"the states {wanted}, not {states(home)}")


def test_a_sweep_goes_on_without_its_terminal_and_after_its_scheduler_is_killed(tmp_path, gate):
    home = tmp_path / "runs"
    done = command("sweep", "plain", *TINY, "--seeds", 4, "--at-once", 2, "--detach", "--runs", home, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["tag"] == "sweep-1"
    wait_for_states(home, "running", "running", "queued", "queued")
    scheduler = int((home / ".queue/scheduler.lock").read_text())
    os.kill(scheduler, signal.SIGKILL)
    wait_for(lambda: not queue.is_attended(home), "the end of the scheduler")
    gate.touch()
    wait_for_states(home, "finished", "failed", "queued", "queued")
    shown = command("queue", "--runs", home)
    assert [line.split()[1][-2:] for line in shown.out.splitlines()[:2]] == [
        "-3",
        "-4",
    ]
    assert "2 waiting, 0 being trained\nNobody works through the queue." in shown.out
    assert command("queue", "--start", "--runs", home).code == 0
    wait_for_states(home, "finished", "failed", "finished", "finished")
    wait_for(lambda: not queue.is_attended(home), "the end of the scheduler, for nothing waits")
    [cell] = json.loads(command("runs", "--tag", "sweep-1", "--cells", "--json", "--runs", home).out)
    assert (cell["runs"], cell["finished"], cell["choices"]) == (4, 3, {})
    assert cell["means"]["test_accuracy"] == pytest.approx(mean([0, 0.2, 0.3]))
    assert cell["deviations"]["test_accuracy"] == pytest.approx(stdev([0, 0.2, 0.3]))


def test_an_interruption_ends_the_watching_and_not_the_sweep(tmp_path, gate):
    home = tmp_path / "runs"
    words = ("sweep", "plain", *TINY, "--seeds", 2, "--at-once", 1, "--runs", home)
    process = start_reskeras(*words, cwd=tmp_path)
    wait_for(lambda: home.is_dir() and states(home) == ["queued", "running"], "the first run")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "The sweep goes on by itself: reskeras queue --runs" in out and "Traceback" not in err
    assert states(home) == ["queued", "running"]
    gate.touch()
    wait_for_states(home, "failed", "finished")


def test_a_run_is_queued_by_train_and_cleared_by_queue(tmp_path, gate, monkeypatch):
    home = tmp_path / "runs"
    monkeypatch.setattr(queue, "ensure", lambda *_: None)
    asked = command("train", "plain", *TINY, "--queue", "--name", "zeroth", "--runs", home, "--json")
    assert json.loads(asked.out)["state"] == "queued"
    assert command("delete", "zeroth", "--runs", home).code == 0
    for name in ("first", "second"):
        done = command("train", "plain", *TINY, "--queue", "--name", name, "--runs", home)
        assert re.fullmatch(rf"queued: {home}/{name} \(about \d+ MB of memory\); reskeras queue shows .*\n", done.out)
    assert [run.name for run in queue.waiting(home)] == ["first", "second"]
    assert json.loads(command("runs", "--state", "queued", "--json", "--runs", home).out)[0]["state"] == "queued"
    shown = json.loads(command("queue", "--json", "--runs", home).out)
    assert [each["run"] for each in shown["waiting"]] == ["first", "second"]
    assert (shown["live"], shown["attended"]) == ([], False)
    assert "2 waiting runs were moved to the trash" in command("queue", "--clear", "--runs", home).out
    assert queue.waiting(home) == [] and listing.folders(home) == []


@pytest.fixture
def started(monkeypatch):
    """The names of the runs that a scheduler starts, which are live from then on."""
    started = []
    monkeypatch.setattr(launch, "start", lambda run: started.append(run.name))
    monkeypatch.setattr(listing, "live_folders", lambda _: iter(started))
    monkeypatch.setattr(queue.liveness, "is_held", lambda path: any(f"/{name}/" in str(path) for name in started))
    return started


def line_up(home, *needed):
    for number, memory_needed in enumerate(needed):
        run = make(home, f"run{number}", status=None)
        run.events_path.unlink()
        queue.put(run, memory_needed)


@pytest.mark.parametrize(
    ("needed", "free", "slots", "expected"),
    [
        ((1, 1, 1), 100, 8, 3),
        ((1, 1, 1), 100, 2, 2),
        ((40, 40, 40), 100, 8, 2),
        ((40, 90, 1), 100, 8, 1),
        ((400, 1), 100, 8, 1),
        ((400, 400), None, 8, 2),
    ],
)
def test_as_many_are_started_as_the_machine_bears(tmp_path, monkeypatch, started, needed, free, slots, expected):
    """The first is always tried; nobody overtakes one that does not fit yet; GiB here."""
    monkeypatch.setattr(queue, "available_memory", lambda: None if free is None else free * 2**30)
    line_up(tmp_path, *(each * 2**30 for each in needed))
    queue.Scheduler(tmp_path, slots).start_some(queue.waiting(tmp_path))
    assert started == [f"run{number}" for number in range(expected)]
    assert [run.name for run in queue.waiting(tmp_path)] == [f"run{n}" for n in range(expected, len(needed))]


def test_one_that_cannot_be_started_has_failed_and_the_others_go_on(tmp_path, monkeypatch, started):
    def start(run):
        if run.name == "run0":
            raise OSError(12, "Cannot allocate memory")
        started.append(run.name)

    monkeypatch.setattr(launch, "start", start)
    line_up(tmp_path, 1, 1)
    queue.Scheduler(tmp_path, 8).start_some(queue.waiting(tmp_path))
    assert started == ["run1"]
    summary = runs.find("run0", tmp_path).summary()
    assert (summary["state"], summary["reason"]) == ("failed", "The worker cannot be started: Cannot allocate memory.")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"since": "x", "memory": -5}', "[" * 100_000])
def test_a_marker_that_says_nothing_still_means_that_a_run_waits(tmp_path, content):
    line_up(tmp_path, 1)
    (tmp_path / "run0/queued").write_text(content)
    [run] = queue.waiting(tmp_path)
    assert (run.state(), queue.memory_of(run)) == ("queued", 0)


def test_the_estimate_counts_weights_optimizer_activations_and_the_process():
    """682 parameters and, of the plan, 46 activations a sample; adam keeps two numbers a weight, sgd one."""
    tiny = {"depth": 2, "width": 8}
    adam = memory.estimate(check_request("plain", tiny, {"backend": "auto", "batch_size": 10}))
    sgd = memory.estimate(check_request("plain", tiny, {"backend": "auto", "batch_size": 20, "optimizer": "sgd"}))
    assert (adam.weights, sgd.weights) == (682 * 4 * 4, 682 * 4 * 3)
    assert sgd.activations == 2 * adam.activations > 0
    assert adam.total == adam.process + adam.weights + adam.activations


def test_a_dry_run_tells_the_total_and_makes_nothing(tmp_path):
    words = ("sweep", "resnet", "--depth", "20,56,110", "--skip", "add,none", "--seeds", 3, "--runs", tmp_path / "runs")
    done = command(*words, "--dry-run")
    assert (done.code, done.out.splitlines()[0][:54]) == (0, "3 of depth × 2 of skip × 3 of seed = 18 runs. The larg")
    planned = json.loads(command(*words, "--dry-run", "--json").out)
    chosen = {(p["settings"]["options"]["depth"], p["settings"]["options"]["skip"]) for p in planned}
    assert chosen == {(depth, skip) for depth in (20, 56, 110) for skip in ("add", "none")}
    assert sorted({p["settings"]["training"]["seed"] for p in planned}) == [0, 1, 2]
    assert len(planned) == 18 and not (tmp_path / "runs").exists()


def test_two_files_of_texts_and_translations_are_one_value(tmp_path):
    for name in ("a.en", "a.de", "b.en", "b.de"):
        (tmp_path / name).write_text("one two\n" * 40)
    (tmp_path / "c.tsv").write_text("one two\tuno due\n" * 40)
    files = [f"{tmp_path}/{name}" for name in ("a.en", "a.de", "b.en", "b.de", "c.tsv")]
    words = ("sweep", "translator", "--dry-run", "--json", "--data", ",".join(["copy", *files]), "--seeds", 2)
    planned = json.loads(command(*words).out)
    wanted = ["copy", ",".join(files[:2]), ",".join(files[2:4]), files[4]]
    assert [each["settings"]["training"]["data"] for each in planned[::2]] == wanted
    # Two columns of texts are classes to other networks.
    assert [each["settings"]["training"]["task"] for each in planned[::2]] == ["auto"] * 3 + ["translation"]
    words = ("sweep", "translator", "--dry-run", "--data", f"copy,{files[0]},{tmp_path}/a.da")
    assert f"There is no file {tmp_path}/a.da. Did you mean a.de?" in " ".join(command(*words).err.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("resnet --depth 20,57", "depth 57: ResNet has no depth 57"),
        ("resnet --depth 20,20", "--depth takes different values with commas between them; received 20,20"),
        ("resnet --depth 20,", "--depth takes different values"),
        ("resnet --seed 1,2 --seeds 3", "--seeds N, or several values of --seed, but not both"),
        ("resnet --seed x --seeds 3", "--seed is a whole number from 0; received 'x'"),
        ("plain --seeds 10001", "That would be 10,001 runs; a sweep has at most 10,000"),
        ("plain --width 8,x", "width x: width must be a whole number"),
    ],
)
def test_a_sweep_with_a_slip_in_it_makes_nothing(tmp_path, words, told):
    done = command("sweep", *words.split(), "--runs", tmp_path / "runs")
    assert done.code == 2
    assert told in re.sub(r"\s+", " ", done.err)
    assert not (tmp_path / "runs").exists()


def test_a_sweep_that_finds_no_room_leaves_nothing_behind(tmp_path, monkeypatch):
    def put(*_):
        raise RunError("no room")

    monkeypatch.setattr(queue, "put", put)
    assert command("sweep", "plain", *TINY, "--seeds", 3, "--runs", tmp_path / "runs").code == 2
    assert listing.folders(tmp_path / "runs") == []


def test_cells_are_written_as_csv(tmp_path):
    accuracies = {"resnet": [0.5, 0.7], "plain": [0.25]}
    for architecture, values in accuracies.items():
        for number, value in enumerate(values):
            make(tmp_path / "runs", f"{architecture}{number}", architecture, made=number, test_accuracy=value)
    make(tmp_path / "runs", "plain1", "plain", made=9, status="failed")
    path = tmp_path / "cells.csv"
    assert command("runs", "--cells", "--csv", path, "--runs", tmp_path / "runs").code == 0
    with path.open() as file:
        rows = {row["architecture"]: row for row in csv.DictReader(file)}
    assert (rows["resnet"]["runs"], rows["resnet"]["finished"]) == ("2", "2")
    assert float(rows["resnet"]["test_accuracy_mean"]) == pytest.approx(mean([0.5, 0.7]))
    assert float(rows["resnet"]["test_accuracy_std"]) == pytest.approx(stdev([0.5, 0.7]))
    assert (rows["plain"]["runs"], rows["plain"]["finished"], rows["plain"]["test_accuracy_std"]) == ("2", "1", "")
    table = command("runs", "--cells", "--runs", tmp_path / "runs").out
    assert re.search(r"resnet +2/2 +60.00% ± 14.14%", table) and re.search(r"plain +1/2 +25.00% ", table)
