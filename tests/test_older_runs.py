"""Runs that an older version began under the same format go on as they were begun."""

from __future__ import annotations

import json

import numpy as np
import pytest
from comparing import check_same
from workbench import events

import reskeras
from reskeras.runs import Run, RunError, checkpoints, control

pytest_plugins = ["workbench"]
pytestmark = pytest.mark.any_backend


def as_written(run, change):
    """Change the training options in a run's file of settings, and return the run as it is read then."""
    content = json.loads(run.settings_path.read_text())
    change(content["training"])
    run.settings_path.write_text(json.dumps(content))
    return Run(run.folder)


def goes_on(bench, run, whole):
    """Stop a run after its first epoch, go on with it, and compare it with one that nothing interrupted."""
    control.send(run.commands_path, "stop")
    assert bench.start(run).wait() == 0 and run.state() == "stopped", run.log_path.read_text()
    assert 0 < checkpoints.step_of(checkpoints.listed(run.checkpoints_path)[0]) < whole.summary()["step"]
    assert bench.start(run).wait() == 0, run.log_path.read_text()
    assert len(events(run, "resumed")) == 1
    check_same(run, whole)


def test_a_tagger_whose_settings_say_nothing_of_characters_reads_none(bench):
    reading = {"data": "python_tags", "length": 8, "vocabulary_size": 50, "characters": 0}
    asked = {"options": {"vocabulary": 54}, **reading, "steps": 200, "batch_size": 64}
    whole = bench.train("lstm_tagger", **asked)
    run = as_written(bench.prepare("lstm_tagger", **asked), lambda training: training.pop("characters"))
    assert run.settings.training.characters == 0
    goes_on(bench, run, whole)


def test_an_option_is_read_under_the_name_that_it_had(bench):
    run = bench.prepare(square_momentum=0.97, final_weights="best")
    wanted = run.settings

    def as_before(training):
        training["beta_2"], training["weights"] = training.pop("square_momentum"), training.pop("final_weights")

    run = as_written(run, as_before)
    assert "square_momentum" not in run.settings_path.read_text()
    assert run.settings == wanted and wanted.training.square_momentum == 0.97


DATA = {
    "another shape": (
        lambda arrays: {**arrays, "x_train": arrays["x_train"][:, 1:], "x_test": arrays["x_test"][:, 1:]},
        "and have (4,)",
    ),
    "one sample more": (
        lambda arrays: {
            **arrays,
            "x_train": np.r_[arrays["x_train"], arrays["x_test"]],
            "y_train": np.r_[arrays["y_train"], arrays["y_test"]],
        },
        "steps",
    ),
    "one label another": (
        lambda arrays: {**arrays, "y_train": np.r_[1 - arrays["y_train"][:1], arrays["y_train"][1:]]},
        "CRC-32",
    ),
    "a class more": (
        lambda arrays: {**arrays, "y_train": np.r_[[2], arrays["y_train"][1:]]},
        "there were 2 classes and are 3",
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_a_run_does_not_go_on_with_other_samples(bench, tmp_path, case):
    change, told = DATA[case]
    generator, path = np.random.default_rng(0), tmp_path / "own.npz"
    arrays = {"x_train": generator.normal(size=(96, 5)), "y_train": np.arange(96) % 2}
    arrays |= {"x_test": generator.normal(size=(16, 5)), "y_test": np.arange(16) % 2}
    np.savez(path, **arrays)
    asked = {"data": str(path), "batch_size": 16, "epochs": 9, "validation_split": 0}
    run = bench.prepare("residual_mlp", **asked)
    control.send(run.commands_path, "stop")
    assert bench.start(run).wait() == 0 and run.state() == "stopped", run.log_path.read_text()
    kept = {each: each.read_bytes() for each in run.folder.rglob("*") if each.suffix in (".rows", ".checkpoint")}
    np.savez(path, **change(arrays))
    assert bench.start(run).wait() == 2
    reason = events(run, "end")[-1]["reason"]
    assert reason.startswith(f"{path} is not what it was when {run.name} began") and told in reason, reason
    assert kept == {each: each.read_bytes() for each in kept} and len(kept) > 1
    np.savez(path, **arrays)
    assert bench.start(run).wait() == 0
    check_same(run, bench.train("residual_mlp", **asked))


def test_an_option_that_changes_nothing_does_not_keep_a_run_from_going_on(bench):
    asked = {"steps": 100, "batch_size": 64, "validation_split": 0.2}
    whole = bench.train(**asked)
    run = as_written(bench.prepare(**asked), lambda training: training.update(length=30, label="x"))
    goes_on(bench, run, whole)


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("9.9", f"is of reskeras 9.9, and cannot be read by reskeras {reskeras.__version__}: training.speed: "),
        (reskeras.__version__, "is damaged: training.speed: "),
        (None, f"is damaged, or of a version before reskeras {reskeras.__version__} that it does not name: training"),
    ],
)
def test_settings_with_an_unknown_option_are_refused_with_the_version_that_wrote_them(bench, version, told):
    run = bench.prepare()
    content = json.loads(run.settings_path.read_text())
    assert content["version"] == reskeras.__version__
    content["training"]["speed"] = "\x1b[31mhigh"
    run.settings_path.write_text(json.dumps({**content, "version": version}))
    with pytest.raises(RunError) as caught:
        _ = Run(run.folder).settings
    assert str(caught.value).startswith(f"{run.settings_path} {told}") and "\x1b" not in str(caught.value)
