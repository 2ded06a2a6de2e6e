"""Signals end a training whatever it is doing: also within a call into a library, where Python takes up none."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from workbench import environment, events, left_over, wait_for

from reskeras.runs import Run, control
from reskeras.training.signals import PATIENCE, Signals

pytest_plugins = ["workbench"]
pytestmark = pytest.mark.any_backend

STUCK = """
import ctypes, sys
from pathlib import Path
from types import SimpleNamespace
from reskeras.training import worker

def train(run, events, prepared, signals, account):
    if sys.argv[2] == "training":
        signals.session = SimpleNamespace(recorder=SimpleNamespace(stop_requested=False))
    events.write("training", steps=9)
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    library.pthread_mutex_init(mutex, None)
    library.pthread_mutex_lock(mutex)
    # No signal interrupts waiting for what this thread itself holds.
    library.pthread_mutex_lock(mutex)

worker._train = train
worker.main(sys.argv[1:2])
"""


def stuck(run, when):
    """Start a worker that stays in a C function for ever, before or after its training has begun."""
    process = subprocess.Popen([sys.executable, "-c", STUCK, str(run.folder), when], env=environment())
    wait_for(lambda: events(run, "training"), "the worker's being stuck")
    return process


@pytest.mark.parametrize(
    ("when", "signals", "told"),
    [
        ("training", [signal.SIGTERM, signal.SIGTERM], "Ended by a second signal, before the network was saved."),
        ("training", [signal.SIGINT, signal.SIGTERM], "Ended by a second signal, before the network was saved."),
        ("before", [signal.SIGTERM], "Ended before the training began; there is no network to save."),
    ],
)
def test_a_training_that_is_stuck_in_a_library_is_ended(bench, when, signals, told):
    run = bench.prepare()
    process = stuck(run, when)
    for number in signals:
        assert process.poll() is None
        process.send_signal(number)
        # Two of one kind that wait at once are one.
        time.sleep(0.2)
    assert process.wait(timeout=60) == 1
    assert run.state() == "stopped"
    [end] = events(run, "end")
    assert end["reason"] == told and end["status"] == "stopped"
    assert left_over(run) == []


def test_one_signal_and_a_stop_that_waits_end_it_and_one_signal_alone_does_not(bench):
    run = bench.prepare()
    process = stuck(run, "training")
    process.send_signal(signal.SIGTERM)
    time.sleep(PATIENCE + 1)
    assert process.poll() is None and not events(run, "end")
    control.send(run.commands_path, "stop")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 1 and run.state() == "stopped"


def test_a_signal_while_a_command_waits_is_a_second_request(tmp_path):
    run, recorder, left = Run(tmp_path), SimpleNamespace(stop_requested=False), []
    signals = Signals(run, left.append)
    signals.session = SimpleNamespace(recorder=recorder)
    signals._take()
    assert recorder.stop_requested
    recorder.stop_requested = False
    control.send(run.commands_path, "stop")
    with pytest.raises(KeyboardInterrupt, match="second signal"):
        signals._take()
    assert not left
