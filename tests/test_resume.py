"""A run that is over goes on where it was: stopped, finished, with a damaged checkpoint, or with none."""

from __future__ import annotations

import json
import shutil
import signal

import keras
import pytest
from comparing import check_curve, check_same
from workbench import ENDLESS, events, message, reskeras, steps_of, wait_for

from reskeras.runs import Run, RunError, checkpoints, control, resuming
from reskeras.training import preparation

pytest_plugins = ["workbench"]

BACKEND = keras.backend.backend()
ASKED = {"steps": 100, "batch_size": 64, "validation_split": 0.2}
"""Of a run of 17 steps an epoch, so that it ends inside the sixth."""


@pytest.fixture(scope="module")
def whole(bench):
    """A run that nothing interrupts; none may change it."""
    return bench.train(**ASKED)


def go_on(bench, run):
    worker = bench.start(run)
    assert worker.wait() == 0, run.log_path.read_text()
    return run


def test_a_stopped_run_goes_on(bench, whole):
    run = bench.prepare(**ASKED)
    control.send(run.commands_path, "stop")
    worker = bench.start(run)
    assert worker.wait() == 0 and run.state() == "stopped"
    stopped = events(run, "epoch")[-1]["step"]
    assert run.summary()["checkpoint"] == stopped < 100
    go_on(bench, run)
    [resumed] = events(run, "resumed")
    assert (resumed["step"], resumed["epoch"], resumed["damaged"]) == (stopped, stopped // 17 + 1, [])
    assert run.state() == "finished" and run.summary()["step"] == 100
    check_same(run, whole)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="elsewhere a deep network's step is compiled as any other")
def test_a_deep_network_s_run_goes_on_to_the_last_bit_where_xla_compiles_its_step(bench, tmp_path, monkeypatch):
    deep = {"options": {"depth": 102, "width": 8}, "steps": 12, "checkpoint_steps": 5, "batch_size": 64}
    run = bench.train(**deep)
    whole = Run(shutil.copytree(run.folder, tmp_path / "whole"))
    # Other tests in this process want no operations that are repeatable.
    monkeypatch.setattr(preparation.backend, "make_repeatable", lambda seed: None)
    assert preparation.prepare(whole.settings).model.jit_compile
    as_if_killed(run, 12)
    checkpoints.listed(run.checkpoints_path)[0].unlink()
    go_on(bench, run)
    # The second checkpoint is of a later step, or left out, where the first is still being written.
    assert 5 <= events(run, "resumed")[0]["step"] < 12
    check_same(run, whole)


def test_a_finished_run_goes_on_only_for_more_epochs(bench):
    """Two epochs and then three are five, to the last bit."""
    run, whole = bench.train(epochs=2, batch_size=64), bench.train(epochs=5, batch_size=64)
    with pytest.raises(RunError, match=r"is finished: all of its steps are done\. .* --epochs 5"):
        resuming.checked(run)
    before = run.events()
    assert bench.start(run).wait() == 2
    assert "is finished" in run.log_path.read_text() and run.events() == before
    resuming.extend(run, 3)
    go_on(bench, run)
    assert run.summary()["steps"] == 5 * 20 and run.summary()["reason"] is None
    check_same(run, whole)


def as_if_killed(run, step=100):
    """Make of a finished run what it is when its worker dies as soon as the last checkpoint is written."""
    lines = run.events_path.read_text().splitlines(keepends=True)
    cut = next(place for place, line in enumerate(lines) if f'"step": {step}' in line and '"epoch"' in line)
    run.events_path.write_text("".join(lines[:cut]))
    run.model_path.unlink()
    assert run.state() == "resumable"


@pytest.mark.any_backend
def test_a_damaged_checkpoint_is_told_and_the_one_before_taken(bench, whole):
    run = bench.train(**ASKED, checkpoint_steps=30)
    as_if_killed(run)
    damaged, good, *_ = checkpoints.listed(run.checkpoints_path)
    damaged.write_bytes(damaged.read_bytes()[:-40])
    go_on(bench, run)
    [resumed] = events(run, "resumed")
    assert resumed["step"] == checkpoints.step_of(good) < 100
    assert f"{damaged} is damaged" in resumed["damaged"][0]
    check_same(run, whole)


@pytest.mark.any_backend
def test_without_a_whole_checkpoint_nothing_is_touched(bench):
    run = bench.train(**ASKED)
    as_if_killed(run)
    before = {path: path.read_bytes() for path in run.folder.glob("*.rows")}
    for path in checkpoints.listed(run.checkpoints_path):
        path.write_bytes(b"")
    worker = bench.start(run)
    assert worker.wait() == 2 and run.state() == "failed"
    assert "There is no whole checkpoint" in events(run, "end")[-1]["reason"]
    assert before == {path: path.read_bytes() for path in run.folder.glob("*.rows")}


def test_a_run_killed_before_its_first_checkpoint_begins_anew(bench, whole):
    run = bench.prepare(**ASKED)
    worker = bench.start(run)
    wait_for(lambda: len(steps_of(run)) or not run.is_live(), "a row of the table")
    worker.send(signal.SIGKILL)
    worker.wait()
    if run.state() == "crashed":
        go_on(bench, run)
        assert events(run, "resumed")[0]["step"] == 0
    check_curve(run)


def test_a_run_killed_at_its_end_is_tested_and_exported(bench, whole):
    """Its last checkpoint is written before validation, test and export."""
    run = bench.train(**ASKED)
    as_if_killed(run)
    go_on(bench, run)
    check_same(run, whole)


@pytest.mark.any_backend
def test_the_command_line_goes_on_with_a_run(bench, whole):
    run = bench.prepare(**ASKED, name="from-the-shell")
    home = run.folder.parent
    control.send(run.commands_path, "stop")
    bench.start(run).wait()
    done = reskeras("resume", "from-the-shell", "--runs", home, "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "finished"
    stopped = events(run, "resumed")[0]["step"]
    assert f"goes on after step {stopped:,}" in done.stderr and f"step {stopped:,} " not in done.stderr
    check_same(run, whole)
    done = reskeras("resume", "from-the-shell", "--runs", home, cwd=home)
    assert done.returncode == 2 and "is finished: all of its steps are done" in message(done)


@pytest.mark.any_backend
def test_what_cannot_go_on_says_why(bench, tmp_path):
    run = bench.prepare(steps=ENDLESS)
    worker = bench.start(run)
    worker.train_a_while()
    done = reskeras("resume", run.folder, cwd=tmp_path)
    assert done.returncode == 2 and f"{run.name} is running; there is nothing to resume." in message(done)
    worker.send(signal.SIGKILL)
    worker.wait()
