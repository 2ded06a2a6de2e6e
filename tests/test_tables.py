"""Tables of statistics: windows lose no spike, files are of the size promised, readers believe nothing."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from norms import weights_header, write_norms

from reskeras.runs import Run, RunError, tables
from reskeras.runs.extremes import extremes
from reskeras.runs.tables import Header, Table, TableError, TableWriter, header

pytestmark = pytest.mark.any_backend

WITH_GAPS = st.floats(width=32, allow_nan=True, allow_infinity=True)


def two_columns(window_rows: int = 4) -> Header:
    return Header(("height", "depth"), {"each": ("a", "b")}, {"each": (1, 0)}, window_rows, {})


@given(values=arrays.arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=WITH_GAPS))
def test_a_window_keeps_least_median_and_largest(values):
    least, median, largest = extremes(values)
    for column in range(values.shape[1]):
        inside = values[:, column]
        numbers = np.sort(inside[~np.isnan(inside)].astype(np.float64))
        expected = np.nan if np.isnan(inside).any() else numbers.max()
        assert np.array_equal(largest[column], np.float32(expected), equal_nan=True)
        assert np.array_equal(least[column], np.float32(numbers.min() if len(numbers) else np.nan), equal_nan=True)
        with np.errstate(invalid="ignore"):
            middle = np.median(numbers) if len(numbers) else np.nan
        np.testing.assert_allclose(median[column], np.float32(middle), rtol=1e-6)


@pytest.mark.parametrize("at_once", [tables.AT_ONCE, 0])
@given(pieces=st.lists(st.integers(1, 30), min_size=1, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_table_does_not_depend_on_how_its_steps_arrive(tmp_path_factory, monkeypatch, at_once, pieces):
    monkeypatch.setattr(tables, "AT_ONCE", at_once)
    path = tmp_path_factory.mktemp("table") / "some"
    steps = np.arange(1, sum(pieces) + 1)
    values = np.random.default_rng(0).normal(size=(len(steps), 2, 2)).astype(np.float32)
    writer, done = TableWriter(path, two_columns()), 0
    for piece in pieces:
        writer.add(steps[done : done + piece], values[done : done + piece])
        done += piece
    writer.close()
    found = Table(path).series("depth", "each")
    assert found.names == ("a", "b")
    # Four windows of one step, four of two, four of four ...
    lengths = [2 ** (row // 4) for row in range(len(found.last))]
    assert found.first.tolist() == [1 + sum(lengths[:row]) for row in range(len(lengths))]
    assert found.last[-1] == done and len(found.last) == two_columns().rows_after(done)
    for row, (first, last) in enumerate(zip(found.first, found.last, strict=True)):
        inside = values[first - 1 : last, 1, ::-1]
        np.testing.assert_array_equal(found.least[row], inside.min(0))
        np.testing.assert_allclose(found.median[row], np.median(inside, 0), rtol=1e-6)
        np.testing.assert_array_equal(found.largest[row], inside.max(0))


def test_a_long_window_is_written_now_and_then_and_whole_when_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "AT_ONCE", 0)
    writer = TableWriter(tmp_path / "some", two_columns(window_rows=1))
    values = np.random.default_rng(0).normal(size=(40, 2, 2)).astype(np.float32)
    written = []
    for step in range(1, 41):
        writer.add(np.array([step]), values[step - 1 : step])
        found = Table(tmp_path / "some").series("height", "each")
        first, last = found.first[-1], found.last[-1]
        written.append(int(last))
        assert step - last < (step - first + 1) / tables.NEW_SHARE
        np.testing.assert_allclose(found.median[-1], np.median(values[first - 1 : last, 0, ::-1], 0), rtol=1e-6)
    # The window of steps 16 to 31.
    assert sorted({each for each in written if each > 15})[:10] == [16, 17, 18, 19, 21, 23, 26, 30, 31, 32]
    assert written[-1] < 40
    writer.flush()
    assert Table(tmp_path / "some").series("height", "each").last[-1] == 40
    writer.close()


def test_a_table_goes_on_where_it_ended(tmp_path):
    for steps in ([1, 2, 3, 4, 5], [6, 7, 8]):
        writer = TableWriter(tmp_path / "some", two_columns())
        writer.add(np.array(steps), np.full((len(steps), 2, 2), steps[0], np.float32))
        writer.close()
    found = Table(tmp_path / "some").series("height", "each")
    assert list(zip(found.first, found.last, strict=True)) == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 7), (8, 8)]


def test_a_table_of_another_kind_is_not_written_over(tmp_path):
    writer = TableWriter(tmp_path / "some", two_columns())
    writer.add(np.array([1]), np.ones((1, 2, 2), np.float32))
    writer.close()
    with pytest.raises(TableError, match="holds other statistics or columns"):
        TableWriter(tmp_path / "some", two_columns(window_rows=5))
    assert Table(tmp_path / "some").count == 1


def test_a_row_that_was_being_written_is_left_out(tmp_path):
    path = tmp_path / "some.rows"
    writer = TableWriter(tmp_path / "some", two_columns())
    writer.add(np.arange(1, 4), np.ones((3, 2, 2), np.float32))
    writer.close()
    whole = path.read_bytes()
    size = len(whole) // 3
    for cut in range(1, size):
        path.write_bytes(whole[:-cut])
        assert Table(tmp_path / "some").series("height", "each").last.tolist() == [1, 2]
    # The last row's content is of one writing, its check of another.
    path.write_bytes(whole[:-4] + bytes(4))
    assert Table(tmp_path / "some").series("height", "each").last.tolist() == [1, 2]


def test_four_hours_of_steps_fill_the_file_that_was_promised(tmp_path):
    """14 steps a second of a network of 60 weights."""
    known = weights_header([(f"block{number // 2}/w{number % 2}", f"block{number // 2}") for number in range(60)])
    writer, total, piece = TableWriter(tmp_path / "weights", known), 200_000, 5000
    values = np.ones((piece, len(known.statistics), known.width), np.float32)
    steps = np.arange(1, piece + 1)
    tracemalloc.start()
    for start in range(0, total, piece):
        writer.add(steps + start, values)
        if start == total // 10:
            early, _ = tracemalloc.get_traced_memory()
    # What is kept is the open window, which is at most eight times as long as it was then.
    late, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert late - early < 8 * 128 * known.row.itemsize
    writer.close()
    size = (tmp_path / "weights.rows").stat().st_size
    assert size == known.rows_after(total) * known.row.itemsize < 2**28
    assert Table(tmp_path / "weights").series("gradient_norm", "block").last[-1] == total


def test_five_lines_of_numpy_read_a_table(tmp_path):
    known = weights_header([("stem/kernel", "stem"), ("head/kernel", "head")])
    writer = TableWriter(tmp_path / "weights", known)
    write_norms(writer, [1, 2], [[3.0, 4.0], [5.0, 12.0]])
    writer.close()
    head = json.loads((tmp_path / "weights.json").read_text())
    shape = (3, len(head["statistics"]), 1 + max(map(max, head["columns"].values())))
    row = [("first", "<u4"), ("last", "<u4"), ("values", "<f4", shape), ("check", "<u4")]
    rows = np.memmap(tmp_path / "weights.rows", row)
    norms = rows["values"][:, 2, head["statistics"].index("gradient_norm"), head["columns"]["run"]]
    assert norms.tolist() == [[5.0], [13.0]]


EMPTY = {"format": 2, "statistics": [], "groups": {}, "columns": {}, "window_rows": 1, "facts": {}}
WRONG = ({"groups": {"a": ["b"]}, "columns": {"a": []}}, {"columns": {"a": [1e99]}}, {"columns": {"a": [-1]}},
         {"statistics": ["x"], "columns": {"a": [99999999]}}, {"window_rows": 0}, {"statistics": 3}, {"facts": 3},
         {"format": 1})  # fmt: skip
BROKEN = ["", "{}", "[]", "[" * 100_000, *(json.dumps({**EMPTY, **each}) for each in WRONG)]


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_header_is_refused_with_its_file(content, tmp_path):
    (tmp_path / "weights.json").write_text(content)
    for read in (lambda run: run.weights(), lambda run: run.series("gradient_norm")):
        with pytest.raises(RunError, match=r"weights\.json (is damaged|is not JSON|has format)"):
            read(Run(tmp_path))


@given(
    content=st.recursive(
        st.none() | st.integers() | st.floats() | st.text(),
        lambda each: (
            st.lists(each)
            | st.dictionaries(
                st.sampled_from(["statistics", "groups", "columns", "window_rows", "facts", "weights"]), each
            )
        ),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_header_is_thrown_back_as_a_traceback(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("run")
    body = {**content, "format": 2} if isinstance(content, dict) else content
    (folder / "weights.json").write_text(json.dumps(body))
    (folder / "weights.rows").write_bytes(bytes(1000))
    try:
        run = Run(folder)
        run.weights()
        run.series("gradient_norm")
    except RunError:
        pass


def test_a_statistic_that_there_is_not_is_answered_with_those_that_are(tmp_path):
    with pytest.raises(RunError, match=r"There is no statistic 'gradient_nrm' .*Did you mean gradient_norm\?"):
        Run(tmp_path).series("gradient_nrm")


def test_wide_tables_have_shorter_rows_of_single_steps():
    narrow = header(["x"], {"a": ("b",)}, {"a": (0,)})
    wide = header(["x"] * 8, {"a": ("b",) * 5000}, {"a": tuple(range(5000))})
    assert narrow.window_rows == 4096 and wide.window_rows == 128
