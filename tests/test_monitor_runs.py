"""The run that a monitor makes of a script's own training: its folder, its events and how it ends."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from watched_network import SAMPLES, cross_entropy, network, samples

import reskeras
from reskeras import runs
from reskeras.runs import RunError
from reskeras.runs.statistics import OF_RUN, OF_WEIGHTS


def test_a_run_of_a_script_tells_what_happens(tmp_path, monkeypatch):
    monkeypatch.setattr("reskeras.telemetry.monitor.PERIOD", 0.0)
    monkeypatch.setattr("reskeras.telemetry.monitor.TELL_SECONDS", 0.0)
    model, (x, y) = network(), samples(5 * SAMPLES)
    model.compile("adam", cross_entropy(), metrics=["accuracy"])
    monitor = reskeras.GradientMonitor(tmp_path / "runs/mine")
    states = []
    probe = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: states.append(monitor.run.state()))
    history = model.fit(x, y, batch_size=SAMPLES, epochs=2, verbose=0, validation_split=0.2, callbacks=[monitor, probe])
    run = runs.open(tmp_path / "runs/mine")
    assert states == ["running", "running"] and run.state() == "finished"
    kinds = [event["event"] for event in run.events()]
    assert [each for each in kinds if each != "telemetry"] == ["starting", "built", "training", "epoch", "epoch", "end"]
    assert kinds[3] == kinds[-2] == "telemetry"
    epochs = [event for event in run.events() if event["event"] == "epoch"]
    for number, epoch in enumerate(epochs):
        for ours, theirs in (("loss", "loss"), ("accuracy", "accuracy"), ("validation_loss", "val_loss")):
            assert epoch[ours] == pytest.approx(history.history[theirs][number], rel=1e-6)
    assert [epoch["step"] for epoch in epochs] == [4, 8]
    curve = run.curve()
    points = curve[curve["epoch"] == 2]
    mean = np.average(points["loss"], weights=np.diff(points["step"], prepend=4))
    assert curve["step"][-1] == 8 and mean == pytest.approx(epochs[-1]["loss"], rel=1e-4)
    costs = [event for event in run.events() if event["event"] == "telemetry"]
    assert costs[0]["steps"] == 2 and costs[-1]["steps"] == 8
    for cost in costs:
        assert 0 < cost["callback_seconds"] < cost["seconds"] < 600 and 0 <= cost["reader_seconds"] < 60
    assert costs[-1]["reader_seconds"] > 0
    summary = run.summary()
    assert (summary["architecture"], summary["step"], summary["state"]) == (model.name, 8, "finished")
    assert run.settings.optimizer == "Adam"
    assert [each.name for each in runs.list_runs(tmp_path / "runs")] == ["mine"]


def test_a_second_training_gets_a_folder_of_its_own_and_the_same_monitor_goes_on(tmp_path):
    x, y = samples()
    monitors = [reskeras.GradientMonitor(tmp_path / "mine") for _ in range(2)]
    for monitor in monitors:
        model = network()
        model.compile("sgd", cross_entropy())
        for _ in range(2):
            model.fit(x, y, verbose=0, callbacks=[monitor])
    assert [monitor.run.name for monitor in monitors] == ["mine", "mine-2"]
    for monitor in monitors:
        assert monitor.run.series("gradient_norm").last.tolist() == [1, 2]
        assert [each["event"] for each in monitor.run.events()].count("end") == 2


def test_a_training_that_breaks_off_does_not_look_finished(tmp_path):
    model, (x, y) = network(), samples(4 * SAMPLES)
    model.compile("adam", cross_entropy())
    plain = type(model.optimizer)
    monitor = reskeras.GradientMonitor(tmp_path / "mine")

    def break_off(batch, logs=None):
        if batch == 2:
            raise RuntimeError("broken")

    breaking = keras.callbacks.LambdaCallback(on_train_batch_begin=break_off)
    with pytest.raises(RuntimeError, match="broken"):
        model.fit(x, y, batch_size=SAMPLES, verbose=0, callbacks=[monitor, breaking])
    monitor.close()
    assert monitor.run.state() == "crashed"
    assert type(model.optimizer) is plain
    assert [event["event"] for event in monitor.run.events()] == ["starting", "built", "training"]
    model.fit(x, y, batch_size=SAMPLES, verbose=0)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    model, (x, y) = network(), samples()
    model.compile("sgd", cross_entropy())
    with pytest.raises(RunError, match=r"No run can be made in .*file/mine: "):
        model.fit(x, y, verbose=0, callbacks=[reskeras.GradientMonitor(tmp_path / "file/mine")])


def test_every_statistic_is_explained():
    for each in (*OF_WEIGHTS, *OF_RUN):
        assert each.meaning.endswith(".") and each.title
