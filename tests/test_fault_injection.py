"""A run whose worker is killed again and again comes to what it would have come to, to the last bit.

`RESKERAS_KILLS=100 pytest -s tests/test_fault_injection.py` kills a hundred times and prints its figures; without it a
few times. What a kill hits differs from one time to the next: the seed is printed where something is lost.
"""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from comparing import check_same
from workbench import DEADLINE

pytest_plugins = ["workbench"]

KILLS = int(os.environ.get("RESKERAS_KILLS", "0"))
"""How many workers are killed in all; 0 for a few."""

CASES = {
    "stack, batch norm": ("residual_mlp", {"options": {"depth": 6}, "steps": 150}),
    "drop path": ("vit", {"options": {"depth": 2, "drop_path": 0.3}, "steps": 60, "validation_split": 0}),
    "dropout": ("densenet", {"options": {"dropout": 0.2}, "steps": 60, "batch_size": 64, "optimizer": "sgd"}),
    "probes": ("resnet", {"options": {"depth": 14, "drop_path": 0.3}, "steps": 100, "telemetry": "probes"}),
}
"""What is trained: architecture and options."""

SHORT = {
    "torch": {"stack, batch norm": 2, "drop path": 1, "dropout": 1},
    "jax": {"stack, batch norm": 2, "drop path": 1},
    "tensorflow": {"stack, batch norm": 1},
}
"""Kills in the short form: fewer where starting takes long. PyTorch alone has random numbers outside of variables."""


@pytest.mark.parametrize("name", CASES)
def test_a_killed_run_comes_to_the_same(name, bench, backend):
    architecture, asked = CASES[name]
    kills = -(-KILLS // len(CASES)) if KILLS else SHORT[backend].get(name, 0)
    if not kills:
        pytest.skip("RESKERAS_KILLS asks for the whole form")
    asked = {**asked, "checkpoint_steps": 3, "keep": 2}
    whole = bench.train(architecture, **asked)
    seed = random.randrange(10**6)
    generator, tried, writing, resumed, runs = random.Random(seed), 0, 0, 0, 0
    while tried < kills:
        run, runs = bench.prepare(architecture, **asked), runs + 1
        worker = bench.start(run)
        while tried < kills and (hit := killed(worker, generator)):
            tried, writing, resumed = tried + 1, writing + (hit == "writing"), resumed + 1
            worker = bench.start(run)
        assert worker.wait() == 0, (seed, run.log_path.read_text())
        check_same(run, whole)
    print(f"\n{name}: {tried} kills, {writing} of them while a checkpoint was written; {resumed} resumed; {runs} runs ")
    print(f"compared with one that nothing interrupted, 0 losses (seed {seed})")


def killed(worker, generator) -> str | None:
    """Kill a worker at a random point, and return what it was at; None where it ended before."""
    run, steps = worker.run, worker.run.settings.training.steps
    at_writing = generator.random() < 0.5
    target, until = generator.randrange(1, steps), time.monotonic() + DEADLINE
    while run.is_live() and time.monotonic() < until:
        writes = any(run.checkpoints_path.glob(".*.draft"))
        done = run.curve()["step"]
        if (writes and at_writing and generator.random() < 0.3) or (
            not at_writing and len(done) and done[-1] >= target
        ):
            worker.send(signal.SIGKILL)
            worker.wait()
            return "writing" if writes else "training"
        time.sleep(0.001)
    assert time.monotonic() < until, "the worker does not get on"
    return None
