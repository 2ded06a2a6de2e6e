"""Runs as CSV files and as TensorBoard's event files, read back by readers that are not ours."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from script_runs import ScriptRun

from reskeras import cli
from reskeras.installed import ExtraMissing
from reskeras.runs import RunError, write_csv, write_tensorboard

pytestmark = pytest.mark.any_backend

SPIKE = 5000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of more steps than there are windows of one step, with a spike in a longer one."""
    script = ScriptRun(tmp_path_factory.mktemp("runs") / "mine", layers=2, steps=6000, epochs=2)
    numbers = np.random.default_rng(0)
    norms = numbers.random((6000, 2)) + 1
    norms[SPIKE - 1, 1] = 1234.5
    script.grow_many(norms)
    script.epoch(1, loss=0.5, mae=0.25, validation_loss=0.75).epoch(2, loss=0.125, mae=float("inf"))
    return script.finish().run


def table_of(path) -> tuple[list[str], np.ndarray]:
    with open(path, newline="") as file:
        head, *rows = csv.reader(file)
    return head, np.array(rows, float)


def test_csv_has_every_window_to_the_last_bit(run, tmp_path):
    shares = []
    files = write_csv(run, tmp_path / "deep/csv", progress=shares.append)
    assert sorted(files) == sorted((tmp_path / "deep/csv").iterdir())
    # What was not measured has no file.
    assert [path.name for path in files] == [
        "gradient_norm.layer.csv", "gradient_norm.run.csv", "curve.csv", "epochs.csv",
    ]  # fmt: skip
    assert shares == [0.5, 1.0]
    series = run.series("gradient_norm", "layer")
    head, rows = table_of(files[0])
    names = [f"{name} {kind}" for name in series.names for kind in ("least", "median", "largest")]
    assert head == ["first", "last", *names] and len(rows) == len(series.last) == 4096 + 952
    np.testing.assert_array_equal(rows[:, 0], series.first)
    np.testing.assert_array_equal(rows[:, 1], series.last)
    for place, values in enumerate((series.least, series.median, series.largest)):
        np.testing.assert_array_equal(rows[:, 2 + place :: 3].astype(np.float32), values)
    window = rows[(rows[:, 0] <= SPIKE) & (rows[:, 1] >= SPIKE)]
    assert window.shape[0] == 1 and window[0, 1] > window[0, 0] and window[0, -1] == 1234.5
    assert table_of(files[2])[1][-1].astype(np.float32).tolist()[:2] == [6000, 1]
    epochs = table_of(files[3])
    assert epochs[0] == ["epoch", "step", "loss", "mae", "validation_loss"]
    np.testing.assert_array_equal(epochs[1], [[1, 6000, 0.5, 0.25, 0.75], [2, 6000, 0.125, np.nan, np.nan]])


def test_columns_may_be_weights_or_blocks(run, tmp_path):
    for by, names in (("weight", ["dense_0/kernel", "dense_1/kernel"]), ("block", ["dense_0", "dense_1"])):
        path, *_ = write_csv(run, tmp_path, by=by)
        assert path.name == f"gradient_norm.{by}.csv" and table_of(path)[0][2::3] == [f"{each} least" for each in names]
    with pytest.raises(RunError, match=r"layer, weight, block; received 'layers'. Did you mean layer\?"):
        write_csv(run, tmp_path, by="layers")


def test_an_interruption_leaves_whole_files_only(run, tmp_path):
    write_csv(run, tmp_path / "whole")

    def interrupt(share):
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_csv(run, tmp_path / "csv", progress=interrupt)
    assert [path.name for path in (tmp_path / "csv").iterdir()] == ["gradient_norm.layer.csv"]
    whole = (tmp_path / "whole/gradient_norm.layer.csv").read_bytes()
    assert (tmp_path / "csv/gradient_norm.layer.csv").read_bytes() == whole


def test_nothing_measured_is_nothing_written(tmp_path):
    empty = ScriptRun(tmp_path / "empty").close().run
    with pytest.raises(RunError, match=r"Nothing has been measured in .*empty yet"):
        write_csv(empty, tmp_path / "csv")
    assert not (tmp_path / "csv").exists()


def exported(*words, folder) -> tuple[int, str]:
    result = CliRunner().invoke(cli.cli, ["export", *map(str, words), "--runs", str(folder)])
    return result.exit_code, result.output


def test_the_command_writes_what_the_function_writes(run, tmp_path):
    code, told = exported("mine", "--csv", tmp_path / "csv", folder=run.folder.parent)
    assert (code, told) == (0, f"4 files in {tmp_path / 'csv'}\n")
    for path in write_csv(run, tmp_path / "again"):
        assert (tmp_path / "csv" / path.name).read_bytes() == path.read_bytes()
    code, told = exported("mine", folder=run.folder.parent)
    assert code == 2 and "Say what to write: --csv FOLDER" in told


def test_a_missing_library_is_named_with_its_extra(run, tmp_path, monkeypatch):
    for name in ("tensorboardX", "tensorboardX.proto", "tensorboardX.proto.event_pb2"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(
        ExtraMissing, match=r'tensorboardX, which is not installed.*pip install "reskeras\[tensorboard\]"'
    ):
        write_tensorboard(run, tmp_path / "logs")
    assert not (tmp_path / "logs").exists()


READER = """
import json, pathlib, sys
import tensorflow as tf
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*tfevents*")):
    events = list(tf.compat.v1.train.summary_iterator(str(path)))
    assert events[0].file_version == "brain.Event:2"
    for event in events[1:]:
        for value in event.summary.value:
            tags = found.setdefault(path.parent.name, {})
            tags.setdefault(value.tag, []).append([event.step, event.wall_time, value.simple_value])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def shown(run, tmp_path_factory):
    """What TensorFlow reads in the files: folder -> tag -> step, time, value; and the files."""
    pytest.importorskip("tensorboardX", reason="pip install 'reskeras[tensorboard]'")
    pytest.importorskip("tensorflow")
    logs = tmp_path_factory.mktemp("logs")
    files = [write_tensorboard(run, logs) for _ in range(2)][-1]
    done = subprocess.run([sys.executable, "-c", READER, str(logs)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(files) == sorted(path for path in logs.rglob("*") if path.is_file()), "a second export replaces"
    return json.loads(done.stdout)


def test_tensorflow_reads_the_event_files(run, shown):
    assert set(shown) == {"least", "median", "largest", "train", "validation"}
    series = run.series("gradient_norm", "layer")
    for kind in ("least", "median", "largest"):
        assert set(shown[kind]) == {"gradient_norm/dense_0", "gradient_norm/dense_1", "gradient_norm/all"}
        for place, name in enumerate(series.names):
            steps, _, values = np.array(shown[kind][f"gradient_norm/{name}"]).T
            np.testing.assert_array_equal(steps, series.last)
            np.testing.assert_array_equal(values.astype(np.float32), getattr(series, kind)[:, place])
    assert max(value for _, _, value in shown["largest"]["gradient_norm/dense_1"]) == 1234.5


def test_metrics_are_beside_those_of_kerass_own_callback(run, shown):
    assert set(shown["train"]) == {"loss", "epoch_loss", "epoch_mae"}
    assert [(step, value) for step, _, value in shown["train"]["epoch_loss"]] == [(6000, 0.5), (6000, 0.125)]
    assert [(step, value) for step, _, value in shown["validation"]["epoch_loss"]] == [(6000, 0.75)]
    began, *_, ended = (event["time"] for event in run.events() if event["event"] in ("training", "end"))
    times = [time for _, time, _ in shown["train"]["loss"]]
    assert times == sorted(times) and began <= times[0] <= times[-1] <= ended


def test_events_that_are_none_are_passed_over(tmp_path):
    script = ScriptRun(tmp_path / "mine").grow([1, 2, 3, 4])
    with open(script.run.events_path, "a") as file:
        for event in ({}, {"epoch": 1}, {"epoch": [], "step": "x"}, {"epoch": 1, "step": 1, "time": 1.0, "loss": "x"}):
            file.write(json.dumps({"event": "epoch", **event}) + "\n")
        file.write(json.dumps({"event": "training", "steps": "many"}) + "\n")
    script.finish()
    result = CliRunner().invoke(cli.cli, ["watch", str(script.run.folder), "--plain"], standalone_mode=False)
    assert result.exception is None
    assert [line.split("  ")[0] for line in result.stdout.splitlines()] == ["epoch 1", "finished"]
    assert len(write_csv(script.run, tmp_path / "csv")) == 4
