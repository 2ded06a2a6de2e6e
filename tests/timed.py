"""Requests and measurements for tests of `--backend auto`, and an empty folder to keep them in.

A test module says `pytest_plugins = ["timed"]` to have the fixtures. It imports the helpers too, before pytest could
rewrite this file's assertions: PYTEST_DONT_REWRITE keeps it from warning of that.
"""

from __future__ import annotations

import pytest

from reskeras import installed, speeds
from reskeras.request import check_request
from reskeras.speeds import LONG_STEPS, Measurement, Workload

ALL = ["jax", "tensorflow", "torch"]


def asked(architecture="plain", *, training=None, **options):
    """Return a request for a network of 8 layers of 64 units, or what is given instead."""
    chosen = {"depth": 8, "width": 64, **options} if architecture == "plain" else options
    return check_request(architecture, chosen, {"steps": LONG_STEPS, **(training or {})})


def measured(backend, step=0.01, first_step=1.0, request=None, **changes):
    """Return a measurement of a request in this place."""
    request = request or asked()
    workload = Workload.of(request.settings, request.plan)
    facts = {"place": speeds.place(backend), "workload": workload, "first_step": first_step, "step": step}
    return Measurement(backend=backend, **{**facts, **changes})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return speeds.folder()


@pytest.fixture
def all_installed(cache, backend, monkeypatch):
    """Every backend as if it were installed, and none preferred by the environment."""
    monkeypatch.setattr(installed, "installed_backends", lambda: list(ALL))
    monkeypatch.delenv("KERAS_BACKEND")
