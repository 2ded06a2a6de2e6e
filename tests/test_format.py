"""FORMAT.md says what is written: its statistics, its five lines of numpy, its sizes and its fields."""

from __future__ import annotations

import json
import re

import keras
import numpy as np
import pytest
from norms import weights_header
from readme import FORMAT, README, rendered, tables

import reskeras
from reskeras.runs import settings
from reskeras.runs.series import CURVE
from reskeras.telemetry.layout import weight_layout

TEXT = FORMAT.read_text()
[FIVE_LINES] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder in which a script has trained for three epochs."""
    home = tmp_path_factory.mktemp("home")
    x = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    watched = reskeras.watch(model)
    monitor = reskeras.GradientMonitor(home / "runs/my-run", level="probes")
    watched.fit(x, x.sum(1, keepdims=True), batch_size=8, epochs=3, verbose=0, callbacks=[monitor])
    return home


@pytest.mark.any_backend
def test_the_statistics_are_those_that_are_declared():
    assert rendered(TEXT) == TEXT, "run: python tests/readme.py"
    marks = re.findall(r"<!-- table (\w+) -->", README.read_text() + TEXT)
    assert sorted(marks) == sorted(tables())


def test_five_lines_of_numpy_read_what_a_training_has_written(home, monkeypatch):
    monkeypatch.chdir(home)
    assert len(list(filter(None, FIVE_LINES.splitlines()))) == 5 and FIVE_LINES in README.read_text()
    names: dict = {}
    exec(FIVE_LINES, names)
    series = reskeras.runs.open("runs/my-run").series("gradient_norm", "layer")
    assert names["norms"].shape == (15, 2) and (names["norms"] > 0).all()
    np.testing.assert_array_equal(names["norms"], series.median)
    assert names["head"]["groups"]["layer"] == list(series.names)


@pytest.mark.any_backend
def test_the_examples_of_size_are_right():
    """Both networks as real variables, through the layout that a training uses."""

    def variables(blocks, layers):
        for block in range(blocks):
            for layer in range(layers):
                for kind, shape in (("kernel", (2, 2)), ("bias", (2,))):
                    variable = keras.Variable(np.zeros(shape, "float32"), name=kind)
                    variable._path = f"block{block}/dense{layer}/{kind}" if layers > 1 else f"block{block}/{kind}"
                    yield variable

    for blocks, layers in ((5, 2), (1000, 1)):
        header = weight_layout(list(variables(blocks, layers))).header
        rows = header.rows_after(1_000_000)
        facts = (len(header.statistics), header.width, header.row.itemsize, header.window_rows)
        cells = " | ".join(f"{each:,}" for each in (*facts, rows, rows * header.row.itemsize))
        assert f"| {cells} |" in TEXT


@pytest.mark.any_backend
@pytest.mark.parametrize("steps", [1, 4095, 4096, 4097, 12288, 12289, 999_999])
def test_the_formula_of_size_is_that_of_the_writer(steps):
    header = weights_header([("a/kernel", "a"), ("b/kernel", "b")])
    width, kinds = header.window_rows, int(np.floor(np.log2(steps / header.window_rows + 1)))
    rows = width * kinds + int(np.ceil((steps - width * (2**kinds - 1)) / 2**kinds))
    assert rows == header.rows_after(steps)


def test_every_file_field_and_event_is_documented(home):
    folder = home / "runs/my-run"
    for path in folder.iterdir():
        assert f"`{path.name}`" in TEXT, path
    for table in ("weights", "blocks", "run"):
        head = json.loads((folder / f"{table}.json").read_text())
        assert head["format"] == 2
        for field in (*head, *head["groups"], *head["facts"], *(head["facts"].get("weights") or [{}])[0]):
            assert f"`{field}`" in TEXT, field
    for event in reskeras.runs.open(folder).events():
        row = re.search(rf"^\| `{event.pop('event')}` \|.*", TEXT, re.MULTILINE)
        for fact in event:
            assert f"`{fact}`" in row[0] or fact == "time", (row[0], fact)
    for kind in (settings.RunSettings, settings.ScriptSettings):
        assert all(f"`{field}`" in TEXT for field in kind.model_fields)
    assert f"Points of {CURVE.itemsize} bytes" in TEXT
    assert f"format {settings.FORMAT}" in TEXT.splitlines()[0]
