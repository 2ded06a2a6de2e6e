"""What the design screen gives beside a run: the command, the program, the twin, and what it is expected to cost."""

import math

import numpy as np
import pytest
from reskeras_tui.screens.code import CodeScreen
from reskeras_tui.screens.compare import CompareScreen
from reskeras_tui.snippet import python_snippet
from reskeras_tui.twin import twin_of
from textual.widgets import Button
from tiny_runs import sets as sets
from tiny_runs import tiny
from watching import text_of, until, words_of

from reskeras import speeds
from reskeras.catalogue import ARCHITECTURES
from reskeras.installed import installed_backends
from reskeras.options import OptionError
from reskeras.request import check_request
from reskeras.runs import Run, launch, liveness
from reskeras.speeds import Measurement, Workload, on_backend, place

pytestmark = pytest.mark.any_backend


def test_the_program_trains_and_is_watched(tmp_path, backend):
    options = {"depth": 3, "width": 8}
    training = {"epochs": 1, "batch_size": 256, "telemetry": "probes", "optimizer": "sgd"}
    request = check_request("plain", options, training)
    program = python_snippet(request.settings, request.shape, backend, tmp_path)
    exec(compile(program, "program.py", "exec"), {"__name__": "__main__"})
    run = Run(tmp_path / f"{request.settings.title}-script")
    assert run.state() == "finished" and len(run.series("backward_norm").last) == 6
    assert sum(math.prod(weight.shape) for weight in run.weights()) == request.plan.parameters()


@pytest.mark.parametrize(
    ("name", "data", "asked", "said"),
    [
        ("plain", "vector", {"class_weight": "1=3"}, "weights = np.array([1.0, 3.0])"),
        ("lstm_tagger", "tags", {"class_weight": "balanced", "schedule": "cosine"}, "does not: schedule cosine."),
        (
            "translator",
            "translation",
            {"optimizer": "adamw", "clip_norm": 1.0},
            "weight_decay=0.01, global_clipnorm=1)",
        ),
        ("alphago_zero", "game", {"weight_decay": 0.1, "optimizer": "sgd"}, "does not: weight_decay 0.1."),
    ],
)
def test_the_program_of_each_task_trains_its_data(name, data, asked, said, tmp_path, backend, sets):
    request = check_request(name, tiny(name), {"data": f"made-up-{data}", "epochs": 1, "telemetry": "off", **asked})
    program = python_snippet(request.settings, request.shape, backend, tmp_path)
    assert said in program
    found = {}
    exec(compile(program, "program.py", "exec"), found)
    assert all(math.isfinite(each) for each in found["model"].history.history["loss"])
    if data == "tags":
        from reskeras.training.objectives import weights_of_classes

        weights = weights_of_classes(found["data"], np.arange(len(found["x_train"])), "balanced")
        labels = found["data"].y_train
        np.testing.assert_allclose(found["counted"], np.where(labels < 0, 0, weights[labels]), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, entry in ARCHITECTURES.items() if not entry.extra])
def test_every_family_has_a_program(name, tmp_path):
    request = check_request(name, {}, {"precision": "mixed_bfloat16", "remat": "yes", "stacked": False})
    program = python_snippet(request.settings, request.shape, "jax", tmp_path)
    compile(program, "program.py", "exec")
    assert f"'{name}'" in program and "remat=True" in program and "stacked=False" in program


def test_the_twin_differs_in_the_skip_alone():
    request = check_request("resnet", {"depth": 56}, {"seed": 7, "learning_rate": 0.01})
    twin = twin_of(request)
    assert twin.settings.options == {**request.settings.options, "skip": "none"}
    assert twin.settings.training == request.settings.training
    assert twin_of(twin).settings == request.settings
    ours = [name for name, entry in ARCHITECTURES.items() if not entry.extra]
    lacking = [name for name in ours if "skip" not in check_request(name, {}, {}).settings.options]
    for name in lacking:
        with pytest.raises(OptionError, match=f"{name} has no twin"):
            twin_of(check_request(name, {}, {}))


def test_a_key_starts_both_twins_and_compares_them(bench, tmp_path, monkeypatch):
    held = []
    monkeypatch.setattr(launch, "start", lambda run, warm: held.append(liveness.hold(run.lock_path)))

    async def story(app, pilot):
        await until(pilot, lambda: not app.screen.query_one("#start", Button).disabled)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen), "the comparison")
        runs = {run.settings.options["skip"]: run for run in map(Run, tmp_path.iterdir())}
        assert set(runs) == {"add", "none"}
        assert [run.folder for run in app.screen.runs] == [runs[skip].folder for skip in ("add", "none")]
        one, other = (runs[skip].settings.training for skip in ("add", "none"))
        assert one == other and one.backend != "auto"
        await until(pilot, lambda: "starting" in text_of(app), "both as they stand")

    bench(story)
    assert len(held) == 2


def test_command_and_program_are_shown_copied_and_written(bench, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    async def story(app, pilot):
        copied = []
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        await until(pilot, lambda: not app.screen.query_one("#start", Button).disabled)
        await pilot.press("f6")
        await until(pilot, lambda: isinstance(app.screen, CodeScreen) and "reskeras train resnet" in text_of(app))
        await pilot.press("c", "y", "w", "w")
        assert copied[0].startswith("reskeras train resnet") and "reskeras.build(" in copied[1]
        names = sorted(path.name for path in (tmp_path / "here").iterdir())
        assert len(names) == 4 and sum(name.endswith(".py") for name in names) == 2
        assert (tmp_path / "here" / names[1]).read_text().strip() in [copied[0], copied[1].strip()]
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.query("#form"))

    bench(story, size=(80, 24))


def test_what_a_run_costs_stands_beside_its_plan(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(speeds, "folder", lambda: tmp_path / "speeds")
    (tmp_path / "speeds").mkdir()
    backend = installed_backends()[0]

    async def story(app, pilot):
        await until(pilot, lambda: "multiply-adds a sample" in words_of(app, "#plan-costs"), "the costs")
        assert "not measured" in words_of(app, "#plan-costs") and "about " in words_of(app, "#plan-costs")
        request = on_backend(app.screen.check_now(), backend)
        workload = Workload.of(request.settings, request.plan)
        for name in installed_backends():
            speeds.keep(Measurement(backend=name, place=place(name), workload=workload, first_step=2.0, step=0.5))
        app.screen.check_now()
        steps = request.steps // request.settings.training.epochs
        await until(pilot, lambda: f"an epoch {steps // 2} s" in words_of(app, "#plan-costs"), "the time")
        await until(pilot, lambda: "an epoch" in text_of(app))

    bench(story, size=(160, 48), runs=tmp_path / "runs")
