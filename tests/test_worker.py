"""What a training worker measures is true and comes again with the same seed, and it ends when it is told to."""

import json
import signal
import subprocess
import sys

import numpy as np
import pytest
from workbench import ENDLESS, FIRST_TRAINING, environment, events, left_over, steps_of, trained_weights, wait_for

from reskeras.runs import control, summaries

pytest_plugins = ["workbench"]

FIRST = {
    key.removeprefix("--").replace("-", "_"): int(value)
    for key, value in zip(FIRST_TRAINING[::2], FIRST_TRAINING[1::2], strict=True)
}
"""The options of the `finished` run, as the bench takes them."""

FROZEN = 1e-12
"""A learning rate that leaves every weight where it began."""


def first_training(**changes):
    """Return what the `finished` run was trained with, but for some changes."""
    training = {**FIRST, **changes}
    return {"options": {"depth": training.pop("depth"), "width": training.pop("width")}, **training}


@pytest.mark.any_backend
def test_what_a_run_came_to_is_kept_when_it_ends(bench):
    run = bench.train(steps=5)
    facts, _ = summaries.kept(str(run.folder))
    summary = run.summary()
    assert facts["state"] == "finished" and facts == {name: summary[name] for name in facts}


def test_the_same_seed_gives_the_same_run_twice(bench, finished):
    first, second = finished.run, bench.train(**first_training())
    assert (first.folder / "weights.rows").read_bytes() == (second.folder / "weights.rows").read_bytes()
    assert [weight.path for weight in first.weights()] == [weight.path for weight in second.weights()]
    facts = [{**each, "time": 0} for each in events(first, "epoch") + events(first, "tested")]
    assert facts == [{**each, "time": 0} for each in events(second, "epoch") + events(second, "tested")]
    ours, theirs = trained_weights(first), trained_weights(second)
    assert ours.keys() == theirs.keys()
    for place, values in ours.items():
        np.testing.assert_array_equal(values, theirs[place], place)
    # Points of the curve are read when time has passed; those read at the same step hold the same numbers.
    points = [{point["step"]: point for point in run.curve()} for run in (first, second)]
    ends_of_epochs = {20, 40, 50}
    assert ends_of_epochs <= points[0].keys() & points[1].keys()
    if points[0].keys() == points[1].keys():
        for step, point in points[0].items():
            assert (point["loss"], point["accuracy"]) == (points[1][step]["loss"], points[1][step]["accuracy"])


def test_another_seed_gives_another_run(bench, finished):
    other = bench.train(**first_training(seed=8))
    norms, others = (each.series("gradient_norm", "weight").median for each in (finished.run, other))
    assert (norms != others).mean() > 0.9
    first, second = trained_weights(finished.run), trained_weights(other)
    assert first.keys() == second.keys()
    assert any((first[place] != second[place]).any() for place in first)


def test_the_curve_holds_the_means_of_what_was_trained_on(bench):
    """Nothing is learned here, so that an epoch's loss and the mean of its points are over the very same network."""
    run = bench.train(learning_rate=FROZEN, batch_size=2, steps=1400, optimizer="sgd")
    curve, epochs = run.curve(), events(run, "epoch")
    assert [epoch["step"] for epoch in epochs] == [646, 1292, 1400]
    assert len(curve) > len(epochs), "a point an epoch proves nothing; train longer"
    steps = np.diff(curve["step"].astype(int), prepend=0)
    for epoch in epochs:
        points = curve["epoch"] == epoch["epoch"]
        for name in ("loss", "accuracy"):
            mean = np.average(curve[name][points].astype(float), weights=steps[points])
            assert mean == pytest.approx(epoch[name], abs=1e-4), (epoch["epoch"], name)
        assert curve["step"][points][-1] == epoch["step"]
    norms = run.series("gradient_norm", "weight")
    assert norms.last.tolist() == list(range(1, 1401))
    # The order is drawn anew in each epoch: the same samples in the same order would give the same gradients.
    assert (norms.median[:646] != norms.median[646:1292]).any(axis=1).mean() > 0.9


TRAININGS = {
    "sgd on highway": ("highway", {"steps": 45, "optimizer": "sgd"}),
    "adamw": ("plain", {"steps": 45, "optimizer": "adamw"}),
    "every sample trained on": ("plain", {"epochs": 2, "batch_size": 512, "validation_split": 0}),
    "bfloat16": ("plain", {"steps": 45, "precision": "mixed_bfloat16", "options": {"normalization": "layer"}}),
    "batch larger than the data": ("plain", {"epochs": 3, "batch_size": 65536}),
    "one step": ("plain", {"steps": 1}),
}


@pytest.mark.parametrize("name", TRAININGS)
def test_every_way_of_training_ends_where_it_should(name, bench):
    architecture, training = TRAININGS[name]
    run = bench.train(architecture, **training)
    asked = run.settings.training
    kept = 1437 - round(1437 * asked.validation_split)
    steps = asked.steps or asked.epochs * max(kept // asked.batch_size, 1)
    assert run.state() == "finished"
    assert steps_of(run) == list(range(1, steps + 1))
    assert np.isfinite(run.series("gradient_norm", "weight").largest).all()
    assert run.curve()["step"][-1] == events(run, "epoch")[-1]["step"] == events(run, "training")[0]["steps"] == steps
    assert all(("validation_loss" in epoch) == (asked.validation_split > 0) for epoch in events(run, "epoch"))
    assert run.model_path.is_file()
    assert left_over(run) == []


@pytest.mark.parametrize("kind", ["uint8 images", "vectors"])
def test_samples_of_a_users_own_are_trained_on(kind, bench, tmp_path):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 60)
    if kind == "vectors":
        x = random.normal(size=(60, 7)) + labels[:, None]
    else:
        x = random.integers(0, 200, (60, 6, 5, 3)).astype("uint8") + labels[:, None, None, None].astype("uint8") * 20
    np.savez(tmp_path / "own.npz", x_train=x[:45], y_train=labels[:45], x_test=x[45:], y_test=labels[45:, None])
    run = bench.train(data=str(tmp_path / "own.npz"), epochs=3, batch_size=8, learning_rate=0.01)
    assert run.settings.input_shape == x.shape[1:]
    assert events(run, "training")[0]["steps_per_epoch"] == 5
    assert steps_of(run) == list(range(1, 16))
    epochs = events(run, "epoch")
    assert epochs[-1]["loss"] < epochs[0]["loss"]


def endless(bench, **training):
    """Start a training that does not end by itself, and return its worker once it has trained some steps."""
    worker = bench.start(bench.prepare(steps=ENDLESS, **training))
    worker.train_a_while()
    assert worker.run.state() == "running"
    return worker


def check_stopped(worker):
    """Wait for a worker that was asked to stop, and check that it left a whole run behind."""
    run = worker.run
    assert worker.wait() == 0, run.log_path.read_text()
    assert run.state() == "stopped"
    assert run.model_path.is_file()
    assert left_over(run) == []
    [told] = events(run, "stopping")
    windows, steps = run.series("gradient_norm"), steps_of(run)
    # Each begins where the one before ends: in a long run they hold several steps.
    assert windows.first.tolist() == [1, *(step + 1 for step in steps[:-1])]
    assert steps[-1] == run.curve()["step"][-1] == events(run, "epoch")[-1]["step"] <= told["step"] + 1
    assert events(run, "tested")
    return told


def test_a_command_stops_the_training(bench):
    worker = endless(bench)
    identifier = control.send(worker.run.commands_path, "stop")
    assert check_stopped(worker)["command"] == identifier
    assert control.waiting(worker.run.commands_path) == []


def test_a_signal_stops_the_training(bench):
    worker = endless(bench)
    worker.send(signal.SIGTERM)
    assert "command" not in check_stopped(worker)


@pytest.mark.any_backend
def test_a_command_sent_before_the_training_began_stops_it_at_its_first_steps(bench):
    run = bench.prepare(steps=ENDLESS)
    control.send(run.commands_path, "stop")
    worker = bench.start(run)
    check_stopped(worker)
    assert len(steps_of(run)) < 60


@pytest.mark.any_backend
def test_a_second_signal_ends_the_training_before_the_network_is_saved(bench):
    # So slow a step that the second signal comes while the step at hand is still computed.
    worker = endless(bench, batch_size=1)
    worker.send(signal.SIGTERM)
    worker.send(signal.SIGINT)
    assert worker.wait() in (0, 1)
    assert worker.run.state() == "stopped"
    assert left_over(worker.run) == []


def test_a_killed_worker_leaves_a_crashed_run_that_can_be_read(bench):
    worker = endless(bench)
    # The curve's first point comes before the table's first row.
    wait_for(lambda: len(steps_of(worker.run)), "a row of the table")
    worker.send(signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL
    run = worker.run
    assert run.state() == run.summary()["state"] == "crashed"
    assert not run.model_path.exists()
    assert len(run.curve()) and len(steps_of(run))
    command = [sys.executable, "-m", "reskeras.cli", "runs", "--json", "--runs", run.folder.parent]
    listed = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    [shown] = [each for each in json.loads(listed.stdout) if each["run"] == run.name]
    assert shown["state"] == "crashed"
    assert shown["step"] == run.curve()["step"][-1]


@pytest.mark.any_backend
def test_a_second_worker_on_a_folder_refuses_and_the_first_goes_on(bench):
    worker = endless(bench)
    before = worker.run.events()
    command = [sys.executable, "-m", "reskeras.training.worker", worker.run.folder]
    second = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert second.returncode == 2
    assert second.stderr == f"Another process is training in {worker.run.folder}.\n"
    assert worker.run.events()[: len(before)] == before
    assert len(events(worker.run, "starting")) == 1
    trained = len(worker.run.curve())
    wait_for(lambda: len(worker.run.curve()) > trained, "another point of the first worker's curve")
    control.send(worker.run.commands_path, "stop")
    check_stopped(worker)


@pytest.mark.parametrize(("telemetry", "measured"), [("off", []), ("deep", ["gradient_norm", "backward_norm"])])
def test_a_run_measures_what_it_was_asked_to(telemetry, measured, bench):
    run = bench.train(telemetry=telemetry, steps=6)
    assert run.state() == "finished" and run.model_path.is_file() and left_over(run) == []
    for statistic in ("gradient_norm", "backward_norm"):
        series = run.series(statistic)
        assert series.last.tolist() == (list(range(1, 7)) if statistic in measured else [])
        assert np.isfinite(series.median).all()
