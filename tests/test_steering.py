"""A run is paused, resumed, saved and set from outside while it trains, and each command has its answer."""

from __future__ import annotations

import json
import signal
import time

import numpy as np
import pytest
from workbench import DEADLINE, ENDLESS, events, message, reskeras, wait_for

from reskeras.runs import checkpoints, control

pytest_plugins = ["workbench"]


@pytest.fixture
def worker(bench):
    """A worker that trains without end."""
    worker = bench.start(bench.prepare(steps=ENDLESS, checkpoint_seconds=0))
    worker.train_a_while()
    yield worker
    if worker.run.is_live():
        worker.send(signal.SIGKILL)
        worker.wait()


def answer_to(run, command, value=None):
    """Send a command and return its answer."""
    identifier = control.send(run.commands_path, command, value)
    found = wait_for(lambda: [e for e in events(run, "answer") if e["command"] == identifier], f"answer to {command}")
    assert len(found) == 1 and found[0]["asked"] == command
    assert identifier not in [each.identifier for each in control.waiting(run.commands_path)] or found
    return found[0]


def processor_seconds(pid):
    """Return the processor time that a process has used."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_paused_run_sleeps_and_still_takes_commands(worker):
    run = worker.run
    assert answer_to(run, "pause")["done"]
    wait_for(lambda: run.state() == "paused", "the pause")
    [paused] = events(run, "paused")
    # Nothing is lost whatever becomes of a sleeping worker.
    wait_for(lambda: events(run, "checkpoint"), "the checkpoint of the pause")
    assert checkpoints.newest(run.checkpoints_path)[0].step == paused["step"]
    points, used, began = len(run.curve()), processor_seconds(worker.pid), time.monotonic()
    refused = answer_to(run, "pause")
    assert not refused["done"] and refused["refusal"] == "The run is paused already."
    assert answer_to(run, "checkpoint")["file"] == f"step-{paused['step']:012d}.checkpoint"
    assert answer_to(run, "learning_rate", 0.25)["before"] == pytest.approx(1e-3)
    assert len(run.curve()) == points and run.state() == "paused"
    assert processor_seconds(worker.pid) - used < 0.5 * max(time.monotonic() - began, 1)
    assert answer_to(run, "resume")["done"]
    wait_for(lambda: len(run.curve()) > points + 3, "points of the curve after the pause")
    assert run.state() == "running"
    # The pause is none of the training's time, and the new rate holds from the next step on.
    seconds = run.curve()["seconds"]
    assert (np.diff(seconds) > 0).all()
    rate = run.series("learning_rate", "run")
    assert rate.median[rate.last > paused["step"]].min() == rate.median[rate.last > paused["step"]].max() == 0.25
    assert rate.median[rate.last <= paused["step"]].max() == pytest.approx(1e-3)


@pytest.mark.any_backend
def test_a_signal_ends_a_paused_run_with_a_checkpoint(worker):
    run = worker.run
    answer_to(run, "pause")
    wait_for(lambda: run.state() == "paused", "the pause")
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0 and run.state() == "stopped"
    assert checkpoints.newest(run.checkpoints_path)[0].step == run.summary()["step"] == events(run, "epoch")[-1]["step"]


@pytest.mark.any_backend
def test_what_a_run_cannot_do_is_refused_with_the_reason(worker):
    run = worker.run
    refused = answer_to(run, "resume")
    assert not refused["done"] and refused["refusal"] == "The run is not paused."
    refused = answer_to(run, "telemetry", "deep")
    assert not refused["done"] and "built without probes" in refused["refusal"]
    (run.commands_path / "1-by-hand.json").write_text('{"command": "learning_rate", "value": "fast"}')
    refused = wait_for(lambda: [e for e in events(run, "answer") if e["command"] == "1-by-hand"], "the refusal")[0]
    assert not refused["done"] and "A learning rate is a number above 0" in refused["refusal"]
    assert run.state() == "running"


def test_the_level_of_telemetry_is_set(worker):
    run = worker.run
    told = answer_to(run, "telemetry", "off")
    assert told["done"] and (told["before"], told["value"]) == ("norms", "off")
    wait_for(lambda: events(run, "telemetry"), "the new level")
    count = len(run.series("gradient_norm").last)
    points = len(run.curve())
    wait_for(lambda: len(run.curve()) > points + 5, "steps that are not measured")
    assert len(run.series("gradient_norm").last) <= count + 1024
    assert answer_to(run, "checkpoint")["done"]
    assert checkpoints.newest(run.checkpoints_path)[0].facts["telemetry"] == "off"


@pytest.mark.any_backend
def test_the_shell_steers_a_run(worker, tmp_path):
    run = worker.run

    def asked(*arguments):
        done = reskeras(arguments[0], run.folder, "--json", "--wait", DEADLINE, *arguments[1:], cwd=tmp_path)
        return done, json.loads(done.stdout)

    done, answer = asked("pause")
    assert done.returncode == 0 and answer["done"] and answer["run"] == run.name
    wait_for(lambda: run.state() == "paused", "the pause")
    assert asked("set", "--learning-rate", "0.5")[1]["value"] == 0.5
    done = reskeras("resume", run.folder, "--epochs", 3, cwd=tmp_path)
    assert done.returncode == 2 and "is paused: --epochs and --learning-rate are for a run that is over" in message(
        done
    )
    assert asked("resume")[1]["done"]
    assert asked("stop")[1]["done"]
    assert worker.wait() == 0
    done = reskeras("pause", run.folder, cwd=tmp_path)
    assert (
        done.returncode == 2
        and "is stopped: no worker is at it that could take 'pause'. Go on with it: " in message(done)
    )


@pytest.mark.any_backend
def test_a_worker_that_does_not_answer_is_told_of(worker, tmp_path):
    """It is stopped by the system, as one inside a long step looks from outside."""
    run = worker.run
    worker.send(signal.SIGSTOP)
    done = reskeras("pause", run.folder, "--wait", 0.5, cwd=tmp_path)
    assert done.returncode == 1 and "No answer within 0.5 seconds" in message(done)
    assert run.state() == "pausing"
    worker.send(signal.SIGCONT)
    wait_for(lambda: run.state() == "paused", "the pause, late")


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("command", "value", "told"),
    [
        ("dance", None, r"no command 'dance' \(commands: stop, pause"),
        ("learning_rate", 0.0, "above 0 and up to 100; received 0.0"),
        ("learning_rate", float("nan"), "received nan"),
        ("learning_rate", True, "received True"),
        ("learning_rate", 10**400, "received 1000"),
        ("telemetry", ["norms"], "There is no level"),
        ("telemetry", "norm", "Did you mean norms"),
        ("pause", 3, "pause takes no value"),
    ],
)
def test_a_wrong_command_is_never_sent(command, value, told, tmp_path):
    with pytest.raises(ValueError, match=told):
        control.send(tmp_path / "commands", command, value)
    assert not (tmp_path / "commands").exists()


@pytest.mark.any_backend
def test_commands_keep_their_order_when_the_clock_goes_back(tmp_path, monkeypatch):
    first = control.send(tmp_path, "pause")
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    second = control.send(tmp_path, "resume")
    assert [(each.identifier, each.name) for each in control.waiting(tmp_path)] == [
        (first, "pause"),
        (second, "resume"),
    ]
