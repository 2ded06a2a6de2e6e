"""What becomes of a run whose disk, folder, settings or numbers fail: it is told, and nothing looks finished."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from workbench import ENDLESS, ended, events, left_over, message, reskeras, start_reskeras, steps_of, wait_for

from reskeras.runs import Run, checkpoints

pytest_plugins = ["workbench"]


def reason_of(run):
    """Return why a run failed: one paragraph."""
    [end] = events(run, "end")
    assert "\n" not in end["reason"]
    assert "Traceback" not in end["reason"]
    return end["reason"]


def check_unfinished(run):
    """Check that a run that broke off leaves nothing behind that looks finished, and can be read."""
    assert run.state() in ("failed", "crashed", "resumable")
    assert not run.model_path.exists()
    assert left_over(run) == []
    done = reskeras("runs", "--json", "--runs", run.folder.parent, cwd=run.folder.parent)
    [shown] = [each for each in json.loads(done.stdout) if each["run"] == run.name]
    assert shown["state"] == run.state()


@pytest.mark.any_backend
def test_a_run_whose_end_finds_no_room_does_not_pass_for_a_success(bench):
    """The disk is full within the last line of the log, whose place is known from a run with more room."""
    roomy = bench.train(steps=5)
    size, room = roomy.events_path.stat().st_size, 200_000
    half_a_line = len(json.dumps(events(roomy, "end")[0])) // 2
    run = bench.prepare(steps=5)
    filler = room - size + half_a_line
    run.events_path.write_text(" " * (filler - 1) + "\n")
    worker = bench.start(run, file_size=room)
    assert worker.wait() == 1
    assert events(run, "exported") and not events(run, "end")
    assert run.state() == "resumable"


FULL = [
    pytest.param(30, 200, (), id="at the first event"),
    pytest.param(150, 200, ("starting",), id="at the second event"),
    pytest.param(1100, 200, ("training",), id="at the table of weights"),
    # Rows are written by a thread of their own, ten times a second: epochs may be over before that is heard of, but
    # not the training, which has more steps than fit into that time.
    pytest.param(2000, 5000, ("training", "epoch"), id="at the first rows"),
    # The best epoch so far is written when all ends, if it fits.
    pytest.param(100_000, 5000, ("epoch", "checkpoint", "warning"), id="at later rows"),
    pytest.param(10_000, 10, ("tested",), id="at the network"),
    pytest.param(25_000, 10, ("tested",), id="in the middle of the network"),
]  # fmt: skip
"""How many bytes a file may have, and what then happened last in a tiny run of so many steps."""


@pytest.mark.parametrize(("file_size", "steps", "last"), FULL)
def test_a_full_disk_ends_the_run_with_a_sentence(file_size, steps, last, bench):
    worker = bench.start(bench.prepare(steps=steps), file_size=file_size)
    assert worker.wait() == 1
    run = worker.run
    happened = [event["event"] for event in run.events() if event["event"] not in ("memory", "end")]
    assert happened[-1] in last if last else not happened
    assert all(each["text"].startswith("No checkpoint of step ") for each in events(run, "warning"))
    if events(run, "end"):
        told = r"File too large \(.*\)\. The run is kept as far as it got"
        known = checkpoints.listed(run.checkpoints_path)
        go_on = rf": reskeras resume .* goes on after step {checkpoints.step_of(known[0])} once " if known else r"\.$"
        assert re.match(told + go_on, reason_of(run))
        assert str(run.folder) in reason_of(run)
    steps = steps_of(run)
    assert steps == list(range(1, len(steps) + 1))
    check_unfinished(run)


@pytest.mark.any_backend
def test_a_full_disk_is_told_on_the_command_line(tmp_path):
    """With room for all that is measured, and none for the network."""
    done = reskeras(
        "train", "plain", "--depth", "2", "--width", "8", "--steps", "30", "--json", "--name", "full", cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    told = re.sub(r"\s+", " ", done.stderr)
    assert "Error: failed: File too large (saved_models/full). The run is kept as far as it got. Log: " in told
    assert json.loads(done.stdout)["state"] == "failed"
    check_unfinished(Run(tmp_path / "saved_models/full"))


@pytest.mark.any_backend
def test_no_run_is_made_where_its_settings_find_no_room(tmp_path):
    done = reskeras(
        "train", "plain", cwd=tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    )
    assert done.returncode == 2
    assert re.search(r"No run can be made in .*saved_models: File too large\. .* --runs", message(done))
    assert list((tmp_path / "saved_models").iterdir()) == []


DAMAGED = {
    "not JSON": ("{", "is not JSON"),
    "newer": ('{"format": 9}', "has format 9; this version reads format 2"),
    "lacking": (
        '{"format": 2}',
        "is damaged, or of a version before reskeras .* that it does not name: model: Field required",
    ),
    "gone": (None, "cannot be read: No such file or directory"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.any_backend
def test_settings_that_cannot_be_read_end_the_worker_with_the_reason(name, bench):
    content, told = DAMAGED[name]
    run = bench.prepare()
    run.settings_path.unlink() if content is None else run.settings_path.write_text(content)
    worker = bench.start(run)
    assert worker.wait() == 2
    [end] = events(run, "end")
    assert end["status"] == run.state() == "failed"
    assert re.search(rf"settings\.json {told}", end["reason"])
    assert end["reason"] in run.log_path.read_text()
    assert not run.model_path.exists()


@pytest.mark.any_backend
def test_settings_that_ask_for_what_there_is_not_end_the_worker_with_the_reason(bench, tmp_path):
    path = tmp_path / "soon-gone.npz"
    labels = np.arange(40) % 2
    np.savez(path, x_train=np.ones((40, 3)), y_train=labels, x_test=np.ones((40, 3)), y_test=labels)
    run = bench.prepare(data=str(path))
    path.unlink()
    worker = bench.start(run)
    assert worker.wait() == 2
    assert reason_of(run) == f"There is no file {path}."
    check_unfinished(run)


@pytest.mark.any_backend
def test_samples_that_are_not_numbers_end_the_worker_with_the_reason(bench, tmp_path):
    labels = np.arange(40) % 2
    values = np.ones((40, 3))
    values[5, 1] = np.nan
    np.savez(tmp_path / "holes.npz", x_train=values, y_train=labels, x_test=np.ones((40, 3)), y_test=labels)
    worker = bench.start(bench.prepare(data=str(tmp_path / "holes.npz")))
    assert worker.wait() == 2
    assert "x_train holds values that are not finite (NaN or infinity)." in reason_of(worker.run)
    check_unfinished(worker.run)


@pytest.mark.any_backend
def test_a_worker_without_a_folder_says_so(tmp_path):
    command = [sys.executable, "-m", "reskeras.training.worker", tmp_path / "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path / 'nowhere'} cannot be written: No such file or directory.\n"


@pytest.mark.any_backend
def test_a_folder_that_vanishes_ends_the_training_with_a_message(tmp_path):
    """The interruption comes when there is no folder any more to leave the command to stop in."""
    process = start_reskeras(
        "train", "plain", "--depth", "2", "--width", "8", "--steps", ENDLESS, "--name", "lost", cwd=tmp_path
    )
    run = Run(tmp_path / "saved_models/lost")
    wait_for(lambda: len(run.curve()) or process.poll() is not None, "the first point of the curve")
    shutil.rmtree(run.folder)
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert done.returncode == 1
    assert re.search(r"Error: The folder saved_models/lost vanished while its run was trained", done.stderr)
    assert "Traceback" not in done.stderr
    assert not run.folder.exists()


def test_a_signal_before_the_training_begins_ends_the_worker_and_says_so(tmp_path):
    """While Keras and the backend are imported, which takes seconds, there is nothing yet to stop gently."""
    done = reskeras("train", "plain", "--name", "early", "--detach", "--json", "--runs", "odd[/b]", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["state"] == "starting"
    assert "Follow it with: reskeras-tui --runs odd[/b]" in done.stderr
    run = Run(tmp_path / "odd[/b]/early")
    [starting] = wait_for(lambda: events(run, "starting"), "the worker")
    os.kill(starting["pid"], signal.SIGTERM)
    wait_for(lambda: not run.is_live(), "the end of the worker")
    assert run.state() == "stopped"
    assert reason_of(run) == "Ended before the training began; there is no network to save."
    assert not run.model_path.exists()


def test_a_training_that_diverges_ends_and_names_the_layer(bench):
    """Not-a-number is a result like another: NaN in curve and gradients, null in events, and a reason that helps."""
    # Additions without a norm, so that nothing holds the numbers back.
    diverging = {"options": {"depth": 16, "skip": "add"}, "optimizer": "sgd", "learning_rate": 100}
    worker = bench.start(bench.prepare("highway", **diverging, epochs=100_000, checkpoint_steps=1))
    assert worker.wait() == 2
    run = worker.run
    assert run.state() == "failed" and not run.model_path.exists()
    assert np.isnan(run.curve()["loss"][-1])
    assert np.isfinite(run.curve()["accuracy"]).all()
    norms = run.series("gradient_norm", "weight").median
    assert np.isfinite(norms[0]).all() and np.isnan(norms[-1]).any()
    assert events(run, "epoch")[-1]["loss"] is None
    reason = reason_of(run)
    assert re.match(r"The loss was not a finite number any more by step \d+\. From step", reason)
    assert any(weight.layer in reason for weight in run.weights())
    # What is kept is from before: every number is finite.
    kept, wrong = checkpoints.newest(run.checkpoints_path)
    assert not wrong and f"Its checkpoint of step {kept.step} is from before" in reason
    assert all(np.isfinite(each).all() for each in kept.arrays.values() if each.dtype.kind == "f")
    done = reskeras("runs", "--json", "--runs", run.folder.parent, cwd=run.folder.parent)
    [shown] = [each for each in json.loads(done.stdout, parse_constant=pytest.fail) if each["run"] == run.name]
    assert shown["loss"] is None
