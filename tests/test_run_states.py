"""Whether a run lives, what it is told, and how its worker starts: with real processes, for each holds a lock."""

import os
import subprocess
import sys
import time

import pytest

from reskeras import runs
from reskeras.runs import RunSettings, TrainingOptions, control, launch, liveness
from reskeras.runs.events import EventWriter

pytestmark = pytest.mark.any_backend


@pytest.fixture
def run(tmp_path):
    asked = RunSettings(
        architecture="resnet", options={}, training=TrainingOptions(), input_shape=(8, 8, 1), classes=10
    )
    return runs.create(asked, tmp_path / "runs", "mine")


def write_events(run, *events):
    writer = EventWriter(run.events_path)
    for event, facts in events:
        writer.write(event, **facts)
    writer.close()


@pytest.fixture
def holder(run):
    """A real process that holds the run's lock, as a worker does."""
    program = "import sys; from pathlib import Path; from reskeras.runs import liveness\n"
    program += "lock = liveness.hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(run.lock_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout.readline() == b"held\n"
        yield child
        child.kill()


def test_states_follow_the_lock_and_the_events(run, holder):
    assert run.is_live()
    assert run.state() == "starting"
    write_events(run, ("training", {}))
    assert run.state() == "running"
    identifier = control.send(run.commands_path, "stop")
    assert run.state() == "stopping"
    control.take(run.commands_path, identifier)
    assert run.state() == "running"
    write_events(run, ("stopping", {}))
    assert run.state() == "stopping"
    holder.kill()
    holder.wait()
    assert not run.is_live()
    assert run.state() == "crashed"
    for status in ("finished", "stopped", "failed"):
        write_events(run, ("end", {"status": status}))
        assert run.state() == status
    write_events(run, ("end", {"status": "exploded"}))
    assert run.state() == "crashed"


def test_a_held_run_cannot_be_held_again_until_its_holder_dies(run, holder):
    with pytest.raises(liveness.AlreadyRunning, match=r"Another process is training in .*mine"):
        liveness.hold(run.lock_path)
    with pytest.raises(liveness.AlreadyRunning):
        launch.start(run)
    holder.kill()
    holder.wait()
    os.close(liveness.hold(run.lock_path))


def test_whoever_asks_for_the_state_is_taken_for_no_worker(run):
    """Asking takes the lock for a moment; screens ask several times a second, and two may be open."""
    program = "import sys; from pathlib import Path; from reskeras.runs import liveness\nprint(1, flush=True)\n"
    program += "while True: liveness.is_held(Path(sys.argv[1]))"
    run.lock_path.touch()
    with subprocess.Popen([sys.executable, "-c", program, str(run.lock_path)], stdout=subprocess.PIPE) as asker:
        asker.stdout.readline()
        try:
            end = time.monotonic() + 1
            while time.monotonic() < end:
                assert not run.is_live()
                os.close(liveness.hold(run.lock_path))
        finally:
            asker.kill()


def test_commands_wait_in_order_until_they_are_taken(run):
    assert control.waiting(run.commands_path) == []
    sent = [control.send(run.commands_path, "stop") for _ in range(20)]
    (run.commands_path / "0.json").write_text("{")
    (run.commands_path / "1.json").write_text('{"command": "dance"}')
    (run.commands_path / "2.draft").write_text('{"command": "stop"}')
    assert control.waiting(run.commands_path) == [(identifier, "stop", None) for identifier in sent]
    for _ in range(2):
        control.take(run.commands_path, sent[0])
    assert control.waiting(run.commands_path) == [(identifier, "stop", None) for identifier in sent[1:]]
    with pytest.raises(ValueError, match=r"no command 'dance' \(commands: stop"):
        control.send(run.commands_path, "dance")


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """A file that every Python process started from here waits for before it does anything else."""
    gate = tmp_path / "gate"
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(
        f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), *sys.path]))
    yield gate
    gate.touch()


def test_a_started_worker_holds_the_run_from_the_first_moment(run, gate):
    process = launch.start(run)
    assert run.state() == "starting"
    with pytest.raises(liveness.AlreadyRunning):
        launch.start(run)
    process.kill()
    process.wait(60)
    assert not run.is_live()
    assert run.state() == "crashed"


def test_a_worker_whose_settings_are_broken_ends_and_says_why(run, gate):
    run.settings_path.write_text("{")
    process = launch.start(run)
    assert os.getsid(process.pid) == process.pid
    assert run.is_live()
    gate.touch()
    assert process.wait(60) != 0
    assert not run.is_live()
    assert run.state() in ("failed", "crashed")
    assert "settings.json is not JSON" in run.log_path.read_text()
