"""`reskeras watch` on runs of scripts: what it prints, when it ends, and what it says of what is not there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from script_runs import ScriptRun
from workbench import DEADLINE, ended, environment, start_reskeras, wait_for

from reskeras import cli
from reskeras.commands import watch
from reskeras.runs import Run, liveness
from reskeras.runs.tables import TableWriter, cut_table

EITHER = pytest.mark.any_backend


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(watch, "PERIOD", 0.02)


def watched(*words) -> tuple[int, str, str]:
    """Return the exit code, and what was printed on the two outputs."""
    result = CliRunner().invoke(cli.cli, ["watch", *map(str, words)], standalone_mode=False)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.return_value, result.stdout, result.stderr


@EITHER
def test_an_ended_run_is_told_and_left(tmp_path):
    run = ScriptRun(tmp_path / "mine", steps=3, epochs=1)
    run.grow([1e-3, 2, 3, 4]).grow([1, 50, 3, 4]).grow([1, 2, 3, 4], loss=0.25, accuracy=0.5)
    run.epoch(1, loss=0.5, my_score=0.125, validation_loss=None).finish()
    code, shown, _ = watched(tmp_path / "mine", "--plain")
    epoch, end = shown.splitlines()
    assert code == 0
    assert epoch == "epoch 1  step 3  loss 0.5  my_score 0.125  validation_loss -"
    # The spike of the second step is told, and the smallest of the first.
    assert end == (
        "finished  step 3/3  loss 0.25  accuracy 50.00%  gradient 5.48  largest dense_1 50  smallest dense_0 0.001"
    )


@EITHER
def test_json_is_strict_and_has_the_numbers(tmp_path):
    run = ScriptRun(tmp_path / "mine").grow([1, 2, 3, 4]).grow([1, np.nan, 3, 4], loss=float("nan"))
    run.epoch(1, loss=float("nan"), steps=7.0).finish()
    code, shown, _ = watched(tmp_path / "mine", "--json")
    epoch, end = (json.loads(line, parse_constant=pytest.fail) for line in shown.splitlines())
    assert code == 0
    assert epoch == {"kind": "epoch", "run": "mine", "epoch": 1, "step": 2, "metrics": {"loss": None, "steps": 7.0}}
    assert end == {
        "kind": "end", "run": "mine", "state": "finished", "step": 2, "steps": None, "epoch": 1,
        "seconds": pytest.approx(0.2), "loss": None, "accuracy": None, "gradient_norm": None, "reason": None,
        "largest": {"layer": "dense_1", "gradient_norm": None}, "smallest": {"layer": "dense_0", "gradient_norm": 1.0},
    }  # fmt: skip


@EITHER
def test_a_growing_run_is_told_line_by_line_until_it_ends(tmp_path, monkeypatch):
    run, lines = ScriptRun(tmp_path / "mine", epochs=2), []
    story = [
        lambda: None,
        lambda: run.grow([1, 2, 3, 90]).grow([1, 2, 3, 4]),
        lambda: None,
        lambda: run.grow([1, 2, 0.5, 4]).epoch(1, loss=1.0),
        run.finish,
    ]
    monkeypatch.setattr(watch.time, "sleep", lambda _: story.pop(0)())
    for fact in watch.readings(run.run):
        lines.append((fact["kind"], fact.get("state"), fact["step"], (fact.get("largest") or {}).get("layer")))
    assert lines == [
        ("reading", "running", 0, None),
        ("reading", "running", 2, "dense_3"),
        ("epoch", None, 3, None),
        ("reading", "running", 3, "dense_3"),
        ("end", "finished", 3, "dense_3"),
    ]


@EITHER
def test_a_spike_is_told_once(tmp_path, monkeypatch):
    run = ScriptRun(tmp_path / "mine").grow([1, 2, 3, 4]).grow([90, 2, 3, 4])
    story = [lambda: run.grow([1, 2, 3, 4]), run.finish]
    monkeypatch.setattr(watch.time, "sleep", lambda _: story.pop(0)())
    largest = [fact["largest"] for fact in watch.readings(run.run)]
    assert largest[0] == {"layer": "dense_0", "gradient_norm": 90.0}
    assert largest[1] == {"layer": "dense_3", "gradient_norm": 4.0}


@EITHER
def test_a_folder_made_a_moment_ago_is_no_crash(tmp_path, monkeypatch):
    """Whoever makes a run's folder holds its lock and writes an event after that."""
    run = ScriptRun(tmp_path / "mine").close()
    log, lock = run.run.events_path.read_bytes(), []
    run.run.events_path.unlink()

    def begin(_):
        if not lock:
            lock.append(liveness.hold(run.run.lock_path))
            run.run.events_path.write_bytes(log)
        else:
            os.close(lock[0])

    monkeypatch.setattr(watch.time, "sleep", begin)
    assert [fact["state"] for fact in watch.readings(run.run)] == ["running", "crashed"]


@EITHER
def test_a_run_that_broke_off_is_an_error_of_its_own(tmp_path):
    ScriptRun(tmp_path / "mine").grow([1, 2, 3, 4]).close()
    code, shown, _ = watched(tmp_path / "mine")
    assert code == 1 and shown.startswith("crashed   step 1  loss 1")


@EITHER
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("runs/my-rum", "There is no run 'my-rum' in runs (runs: my-run). Did you mean my-run?"),
        ("nothing", "There is no run 'nothing' in saved_models (runs: none yet)."),
        ("runs", "There is no run 'runs' in saved_models (runs: none yet)."),
        ("runs/broken", "runs/broken/settings.json is not JSON."),
    ],
)
def test_what_is_no_run_is_told_in_a_sentence(asked, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ScriptRun(Path("runs/my-run")).close()
    if asked == "runs/broken":
        Path(asked).mkdir()
        Path(asked, "settings.json").write_text("{")
    monkeypatch.setattr(sys, "argv", ["reskeras", "watch", asked])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and out == "" and " ".join(err.split()) == f"Error: {told}"


@EITHER
def test_a_run_that_goes_on_from_before_is_read_anew(tmp_path, monkeypatch):
    """What comes after the checkpoint that it goes on from is told once more, and what was before is not."""
    script, told = ScriptRun(tmp_path / "mine", epochs=4), []
    script.grow([90, 2, 3, 4]).grow([1, 2, 3, 4]).epoch(1, loss=1.0).grow([1, 50, 3, 4]).epoch(2, loss=0.5)

    def go_on(step, rows):
        script.weights.close()
        cut_table(script.run.folder / "weights", rows, np.empty(0, np.uint8))
        script.weights = TableWriter(script.run.folder / "weights", script.weights.header)
        script.events.write("starting", backend="torch", pid=1)
        script.events.write("training", epochs=4)
        script.events.write("resumed", step=step, epoch=2, damaged=[])
        script.step = step
        script.grow([1, 2, 60, 4]).epoch(2, loss=0.25).grow([1, 2, 3, 4])

    story = [lambda: go_on(2, 2), lambda: script.epoch(3, loss=0.125).finish()]
    monkeypatch.setattr(watch.time, "sleep", lambda _: story.pop(0)())
    for fact in watch.readings(script.run):
        told.append((fact["step"], fact["metrics"]["loss"] if "metrics" in fact else fact["largest"]))
    assert told == [
        (2, 1.0), (3, 0.5), (3, {"layer": "dense_0", "gradient_norm": 90.0}),
        (3, 0.25), (4, {"layer": "dense_2", "gradient_norm": 60.0}),
        (4, 0.125), (4, {"layer": "dense_3", "gradient_norm": 4.0}),
    ]  # fmt: skip


@EITHER
def test_a_vanished_folder_ends_the_watching(tmp_path, monkeypatch, capsys):
    run = ScriptRun(tmp_path / "mine")
    monkeypatch.setattr(watch.time, "sleep", lambda _: run.run.folder.rename(tmp_path / "gone"))
    with pytest.raises(SystemExit) as caught:
        list(watch.readings(run.run))
    assert caught.value.code == 1 and "vanished while its run was watched" in " ".join(capsys.readouterr().err.split())
    run.close()


@EITHER
def test_a_later_run_of_the_same_script_is_pointed_to(tmp_path):
    ScriptRun(tmp_path / "mine").grow([1, 2, 3, 4]).finish()
    later = ScriptRun(tmp_path / "mine")
    assert later.run.name == "mine-2"
    _, shown, told = watched(tmp_path / "mine", "--plain")
    assert shown.startswith("finished")
    assert told == f"mine is over, and mine-2 is being trained: reskeras watch {tmp_path / 'mine-2'}\n"
    later.close()


@EITHER
def test_a_terminal_gets_the_terminal_ui(tmp_path, monkeypatch):
    run, opened = ScriptRun(tmp_path / "mine").finish().run, []
    monkeypatch.setattr(watch, "_on_terminal", lambda: True)
    monkeypatch.setattr("reskeras_tui.app.ReskerasApp.run", lambda app: opened.append((app.runs, app._opened.folder)))
    assert watched("mine", "--runs", tmp_path)[:2] == (0, "")
    assert opened == [(tmp_path, run.folder)]
    assert watched("mine", "--runs", tmp_path, "--plain")[1].startswith("finished")
    assert len(opened) == 1


@EITHER
def test_ctrl_c_ends_the_watching_and_not_the_run(tmp_path):
    run = ScriptRun(tmp_path / "mine").grow([1, 2, 3, 4])
    process = start_reskeras("watch", "mine", "--runs", tmp_path, cwd=tmp_path)
    assert process.stdout.readline().startswith("running   step 1")
    os.kill(process.pid, signal.SIGINT)
    done = ended(process)
    assert done.returncode == 130 and done.stderr.strip() == "No longer watching; mine goes on."
    assert run.run.state() == "running"
    run.close()


SCRIPT = """
import keras, numpy as np, reskeras

x = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
y = x.sum(1, keepdims=True)
model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)])
mean_error = keras.metrics.MeanMetricWrapper(lambda y, p: keras.ops.mean(p - y, -1), name="steps")
model.compile("adam", "mse", metrics=["mae", mean_error])
model.fit(
    x, y, batch_size=8, epochs=2, verbose=0, validation_split=0.5,
    callbacks=[
        reskeras.GradientMonitor("runs/mine"),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: __import__("time").sleep(1.5)),
    ],
)
"""


TWO_FITS = (
    SCRIPT.partition("model.fit(")[0]
    + """
import pathlib, time

monitor = reskeras.GradientMonitor("runs/mine")
for number in (1, 2):
    model.fit(x, y, batch_size=8, epochs=1, verbose=0, callbacks=[monitor])
    while not pathlib.Path(f"go-{number}").exists():
        time.sleep(0.01)
    if number == 2:
        del monitor
while not pathlib.Path("end").exists():
    time.sleep(0.01)
"""
)


@EITHER
def test_a_script_that_may_fit_again_is_followed_until_it_cannot(tmp_path):
    """Between two fits its run is finished; the script itself goes on after the last one, without the monitor."""
    script = subprocess.Popen(
        [sys.executable, "-c", TWO_FITS], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: (tmp_path / "runs/mine/settings.json").exists() or script.poll() is not None, "the run")
    watching = start_reskeras("watch", "runs/mine", "--plain", cwd=tmp_path)
    told = []
    for number in (1, 2):
        while not (told and told[-1].startswith("finished") and f"step {8 * number}/" in told[-1]):
            line = watching.stdout.readline()
            assert line, (told, ended(watching).stderr)
            told.append(line)
        assert told[-1].endswith("its script may train on\n") and Run(tmp_path / "runs/mine").state() == "finished"
        (tmp_path / f"go-{number}").touch()
    done = ended(watching)
    assert done.returncode == 0 and script.poll() is None
    (tmp_path / "end").touch()
    told_by_script = script.communicate(timeout=DEADLINE)[1]
    assert script.returncode == 0, told_by_script
    assert done.stdout.startswith("finished  step 16/16") and "may train on" not in done.stdout
    assert sum(line.startswith("epoch 1 ") for line in told) == 2


@EITHER
def test_a_script_is_followed_from_another_process(tmp_path):
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: (tmp_path / "runs/mine/settings.json").exists() or script.poll() is not None, "the run")
    watching = ended(start_reskeras("watch", "runs/mine", "--json", cwd=tmp_path))
    told = script.communicate(timeout=DEADLINE)[1]
    assert script.returncode == 0, told
    assert watching.returncode == 0 and watching.stderr == "", watching.stderr
    facts = [json.loads(line) for line in watching.stdout.splitlines()]
    run = Run(tmp_path / "runs/mine")
    kinds = [fact["kind"] for fact in facts]
    assert kinds.count("epoch") == 2 and kinds[-1] == "end" and "reading" in kinds
    first, second = (fact for fact in facts if fact["kind"] == "epoch")
    assert (first["step"], second["step"]) == (4, 8)
    assert set(first["metrics"]) == {"loss", "mae", "steps", "validation_loss", "validation_mae", "validation_steps"}
    end = facts[-1]
    assert (end["state"], end["step"], end["steps"], end["accuracy"]) == ("finished", 8, 8, None)
    norms = run.series("gradient_norm")
    assert norms.last.tolist() == list(range(1, 9)) and len(norms.names) == 2
    assert end["gradient_norm"] == pytest.approx(float(np.sqrt(np.square(norms.median[-1]).sum())))
    assert {end["largest"]["layer"], end["smallest"]["layer"]} <= set(norms.names)
