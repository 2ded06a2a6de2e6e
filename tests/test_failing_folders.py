"""A run whose folder fails while it trains: nothing is lost, and it goes on once that is mended."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys

import pytest
from comparing import check_same
from tiny_runs import trained
from workbench import ENDLESS, events, left_over, wait_for

from reskeras.runs import Run, RunError, checkpoints, control

pytest_plugins = ["workbench"]

WRITES_INTO_NO_FOLDER = """
from reskeras.runs import Run
from reskeras.training import worker

def train(run, *rest):
    run.folder.rename(run.folder.with_name(f"{run.name}-unplugged"))
    run.model_path.write_bytes(b"")

worker._train = train
raise SystemExit(worker.main())
"""

ASKED = {"steps": 100, "batch_size": 64, "validation_split": 0.2, "checkpoint_steps": 10}
"""Of a run of 17 steps an epoch."""


@pytest.fixture(scope="module")
def whole(bench):
    """A run that nothing disturbs; none may change it."""
    return bench.train(**ASKED)


@pytest.fixture
def paused(bench):
    """Gives a worker that has taken a checkpoint of some step, and sleeps."""

    def start(**options):
        run = bench.prepare(**ASKED)
        control.send(run.commands_path, "pause")
        worker = bench.start(run, **options)
        wait_for(lambda: run.state() == "paused" or not run.is_live(), "the pause")
        assert run.is_live(), run.log_path.read_text()
        wait_for(lambda: events(run, "checkpoint"), "the checkpoint of the pause")
        return worker

    return start


def ask(run, command):
    """Send a command and return its answer."""
    identifier = control.send(run.commands_path, command)
    [answer] = wait_for(
        lambda: [e for e in events(run, "answer") if e["command"] == identifier], f"answer to {command}"
    )
    return answer


def check_kept(run, before):
    """Check that every checkpoint of before is what it was, the newest can be read, and that no half one is there."""
    assert before and all(path.read_bytes() == content for path, content in before.items())
    assert sorted(run.checkpoints_path.iterdir()) == sorted(before)
    assert checkpoints.newest(run.checkpoints_path)[0].path == max(before)
    assert left_over(run) == [] and not run.model_path.exists()


def kept(run):
    """Return what is in each checkpoint."""
    return {path: path.read_bytes() for path in checkpoints.listed(run.checkpoints_path)}


def check_goes_on(bench, run, whole):
    """Check that a run whose trouble is over comes to what one came to that had none."""
    assert bench.start(run).wait() == 0, run.log_path.read_text()
    assert run.state() == "finished"
    check_same(run, whole)


def test_a_folder_made_read_only_costs_no_checkpoint_that_there_was(bench, whole, paused):
    worker = paused(restricted=True)
    run, before = worker.run, kept(worker.run)
    for folder in (run.folder, run.checkpoints_path):
        folder.chmod(0o555)
    answer = ask(run, "checkpoint")
    assert not answer["done"] and answer["refusal"] == (
        "The checkpoint could not be written: the warning before this says why."
    )
    [warning] = events(run, "warning")
    assert "could be written (Permission denied): the training goes on" in warning["text"]
    assert f"Make room for it in {run.checkpoints_path}, and see that this user may write there." in warning["text"]
    check_kept(run, before)
    assert run.state() == "paused"
    assert ask(run, "resume")["done"]
    assert worker.wait() == 1
    [end] = events(run, "end")
    assert end["status"] == run.state() == "failed" and "Permission denied" in end["reason"]
    assert f"The run is kept as far as it got: reskeras resume {run.folder}" in end["reason"]
    assert len(events(run, "warning")) > 1
    check_kept(run, before)
    for folder in (run.folder, run.checkpoints_path):
        folder.chmod(0o755)
    check_goes_on(bench, run, whole)


@pytest.mark.any_backend
def test_commands_that_cannot_be_removed_are_followed_once(bench):
    run = bench.prepare(steps=ENDLESS, checkpoint_seconds=0)
    identifier = control.send(run.commands_path, "checkpoint")
    run.commands_path.chmod(0o555)
    worker = bench.start(run, restricted=True)
    wait_for(lambda: run.curve()["step"].size > 5 or not run.is_live(), "some looks at the commands")
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0, run.log_path.read_text()
    assert [event["command"] for event in events(run, "answer")] == [identifier]
    run.commands_path.chmod(0o755)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_a_disk_that_is_full_within_a_checkpoint_costs_none_before(bench, whole, paused):
    """No file may grow beyond half a checkpoint, and so none of those that are being written but a checkpoint."""
    worker = paused()
    run, before = worker.run, kept(worker.run)
    room = max(map(len, before.values())) // 2
    assert all(path.stat().st_size < room // 2 for path in run.folder.iterdir() if path.is_file())
    unlimited = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    assert not ask(run, "checkpoint")["done"]
    [warning] = events(run, "warning")
    assert "could be written (File too large): the training goes on" in warning["text"]
    check_kept(run, before)
    # There is room again, and full once more at the death of the worker.
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, unlimited)
    assert ask(run, "checkpoint")["done"]
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    assert not ask(run, "checkpoint")["done"]
    worker.send(signal.SIGKILL)
    worker.wait()
    assert run.state() == "resumable"
    check_kept(run, kept(run))
    check_goes_on(bench, run, whole)


def check_unplugged(run, worker, gone):
    """Check that a worker ends whose folder is gone, and says so in the folder."""
    assert worker.wait() == 2
    assert not run.folder.exists()
    gone.rename(run.folder)
    [end] = events(run, "end")
    assert end["status"] == run.state() == "failed"
    assert f"The folder {run.folder} vanished while its run was trained" in end["reason"]
    assert f"Put it back, and the run can go on from its last checkpoint: reskeras resume {run.folder}" in end["reason"]


def test_a_folder_that_is_gone_for_a_while_loses_nothing(bench, whole, paused):
    worker = paused()
    run, before = worker.run, kept(worker.run)
    gone = run.folder.rename(run.folder.with_name(f"{run.name}-unplugged"))
    check_unplugged(run, worker, gone)
    check_kept(run, before)
    check_goes_on(bench, run, whole)


@pytest.mark.any_backend
def test_a_folder_that_goes_while_steps_are_done_and_checkpoints_written(bench):
    run = bench.prepare(steps=ENDLESS, checkpoint_steps=1)
    worker = bench.start(run)
    wait_for(lambda: len(events(run, "checkpoint")) > 3 or not run.is_live(), "some checkpoints")
    gone = run.folder.rename(run.folder.with_name(f"{run.name}-unplugged"))
    check_unplugged(run, worker, gone)
    found, wrong = checkpoints.newest(run.checkpoints_path)
    assert not wrong and found.step >= events(run, "checkpoint")[-1]["step"]
    assert left_over(run) == [] and not run.model_path.exists()


@pytest.mark.any_backend
def test_a_folder_that_goes_when_a_checkpoint_was_just_written(tmp_path, monkeypatch):
    write = checkpoints.write

    def write_and_unplug(path, *rest):
        written = write(path, *rest)
        path.parent.rename(tmp_path / "unplugged")
        return written

    monkeypatch.setattr(checkpoints, "write", write_and_unplug)
    with pytest.raises(RunError, match="vanished while its run was trained"):
        trained("plain", "digits", tmp_path / "runs", epochs=10_000, checkpoint_steps=1)
    kept, wrong = checkpoints.newest(Run(tmp_path / "unplugged").checkpoints_path)
    assert kept.step > 0 and not wrong


@pytest.mark.any_backend
def test_a_folder_that_is_gone_when_something_is_written_into_it(bench):
    run = bench.prepare()
    done = subprocess.run([sys.executable, "-c", WRITES_INTO_NO_FOLDER, run.folder], capture_output=True, text=True)
    gone = run.folder.with_name(f"{run.name}-unplugged")
    gone.rename(run.folder)
    [end] = events(run, "end")
    assert done.returncode == end["code"] == 2
    assert end["reason"].startswith(f"The folder {run.folder} vanished while its run was trained")
