"""Steps of a script's run are those of the optimizer, whatever was trained before, and however many at once."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import reskeras
from reskeras.backend import state
from reskeras.telemetry import monitor as monitor_module
from reskeras.telemetry import ring


def compiled(**options):
    x = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, **options.pop("optimizer", {})), "mse", **options)
    return model, x, x.sum(1, keepdims=True)


def told(run) -> tuple[list[int], list[int], int]:
    """Return the steps at the ends of epochs, the last ones of the curve and of the table, and how many are to come."""
    ends = [event["step"] for event in run.events() if event["event"] == "epoch"]
    return ends, [int(run.curve()["step"][-1]), int(run.series("gradient_norm").last[-1])], run.summary()["steps"]


def test_a_model_that_was_trained_before_goes_on_counting(tmp_path):
    model, x, y = compiled()
    model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    monitor = reskeras.GradientMonitor(tmp_path / "run")
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[monitor])
    assert told(monitor.run) == ([15, 20], [20, 20], 20)
    assert monitor.run.series("gradient_norm").first[0] == 11
    model.fit(x, y, batch_size=8, epochs=1, verbose=0, callbacks=[monitor])
    assert told(monitor.run) == ([15, 20, 25], [25, 25], 25)
    seconds = monitor.run.curve()["seconds"]
    assert (np.diff(seconds) > 0).all()
    assert [event["event"] for event in monitor.run.events()][:3] == ["starting", "built", "training"]


def test_a_fit_that_begins_at_a_later_epoch_has_fewer_steps(tmp_path):
    model, x, y = compiled()
    monitor = reskeras.GradientMonitor(tmp_path / "run")
    model.fit(x, y, batch_size=8, initial_epoch=8, epochs=10, verbose=0, callbacks=[monitor])
    assert told(monitor.run) == ([5, 10], [10, 10], 10)
    assert monitor.run.curve()["epoch"].tolist()[-1] == 10


def test_several_steps_at_once_are_counted_one_by_one(tmp_path, backend):
    if backend == "torch":
        pytest.skip("Keras has no steps_per_execution on PyTorch")
    model, x, y = compiled(steps_per_execution=3)
    monitor = reskeras.GradientMonitor(tmp_path / "run")
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[monitor])
    assert told(monitor.run) == ([5, 10], [10, 10], 10)
    assert monitor.run.series("gradient_norm").last.tolist() == list(range(1, 11))


def test_updates_are_counted_where_gradients_are_accumulated(tmp_path):
    model, x, y = compiled(optimizer={"gradient_accumulation_steps": 2})
    model.fit(x, y, batch_size=5, epochs=1, verbose=0)
    monitor = reskeras.GradientMonitor(tmp_path / "run")
    model.fit(x, y, batch_size=5, epochs=1, verbose=0, callbacks=[monitor])
    assert told(monitor.run) == ([16], [16, 8], 16)
    assert monitor.run.series("gradient_norm").last.tolist() == [5, 6, 7, 8]


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_large_ring_is_read_in_parts_with_every_step(tmp_path, monkeypatch, accumulated):
    """Read after each step, over the end of the ring and on from its beginning, as read whole at the end."""

    def fit(name):
        keras.utils.set_random_seed(0)
        model, x, y = compiled(optimizer={"gradient_accumulation_steps": accumulated if accumulated > 1 else None})
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        monitor = reskeras.GradientMonitor(tmp_path / name)
        model.fit(x, y, batch_size=1, verbose=0, shuffle=False, callbacks=[monitor])
        return monitor.run.series("gradient_norm", "weight")

    whole = fit("whole")
    monkeypatch.setattr(state, "LARGE", 0)
    monkeypatch.setattr(ring, "LEAST_ROWS", 12)
    monkeypatch.setattr(ring, "MOST_ROWS", 12)
    monkeypatch.setattr(monitor_module, "PERIOD", 0)
    in_parts = fit("parts")
    begun = 10 // accumulated
    assert in_parts.last.tolist() == list(range(begun + 1, begun + 40 // accumulated + 1))
    assert np.array_equal(in_parts.median, whole.median) and np.ptp(whole.median, axis=0).all()
