"""Runs of tiny networks on the made-up data sets, trained in the test's own process."""

import sys
from pathlib import Path

import pytest
from task_sets import ALL

from reskeras import datasets
from reskeras.catalogue import ARCHITECTURES
from reskeras.request import check_request
from reskeras.runs import Run, create
from reskeras.runs.events import EventWriter


@pytest.fixture(autouse=True)
def sets(monkeypatch):
    """The made-up data sets by name, beside those of the package."""
    for name, each in ALL.items():
        monkeypatch.setitem(datasets.EMBEDDED, f"made-up-{name}", each)
    yield
    if "tensorflow" in sys.modules:
        # A run has its operations repeatable, for which TensorFlow refuses some to whatever comes after in the process.
        from tensorflow.python.framework import config

        config.disable_op_determinism()


def tiny(name: str) -> dict:
    """Return options of a tiny network; how many words there are is the data's."""
    return {key: value for key, value in ARCHITECTURES[name].tiny.items() if key != "vocabulary"}


def trained(name: str, data: str, folder: Path, **training) -> Run:
    """Return the run of a tiny network that was trained."""
    from reskeras.training.session import Session

    wanted = {"data": data, "epochs": 4, "learning_rate": 0.01, "checkpoint_seconds": 0, **training}
    run = create(check_request(name, tiny(name), wanted).settings, folder)
    events = EventWriter(run.events_path)
    try:
        assert Session(run, events).execute() == "finished"
    finally:
        events.close()
    return run
