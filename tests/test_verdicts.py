"""Each rule on series whose diagnosis is known by how they were made, and the command that tells verdicts."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from norms import weights_header, write_norms
from workbench import reskeras

from reskeras import runs, verdicts
from reskeras.runs.tables import Series, TableWriter
from reskeras.verdicts.verdict import SEVERITIES, SYMBOLS

pytestmark = pytest.mark.any_backend
pytest_plugins = ["workbench"]

STEPS = 200


def series(values, steps=STEPS, first=1) -> Series:
    """Return a series of one window a step: (T, N), or (N,) that stays the same."""
    values = np.asarray(values, np.float32)
    values = np.tile(values, (steps, 1)) if values.ndim == 1 else values
    names = tuple(f"block{place + 1}" for place in range(values.shape[1]))
    each = np.arange(first, first + len(values))
    return Series(names, each, each, values, values, values)


def nothing() -> Series:
    empty, none = np.empty((0, 0), np.float32), np.empty(0, int)
    return Series((), none, none, empty, empty, empty)


def test_the_slope_over_depth_is_that_of_a_straight_line():
    slope = verdicts.slope_over_depth(10.0 ** (0.25 * np.arange(9) - 4))
    assert slope.per_block == pytest.approx(0.25)
    assert slope.decades == pytest.approx(2.0)
    gaps = verdicts.slope_over_depth(np.array([1e-3, 0, np.nan, 1.0, np.inf]))
    assert (gaps.per_block, gaps.decades) == pytest.approx((1.0, 3.0))
    assert np.isnan(verdicts.slope_over_depth(np.array([1.0, 0.0]))).all()


def test_the_identity_share_is_the_last_gradient_over_each():
    norms = np.array([[4.0, 0.0, 2.0], [1.0, 8.0, 2.0]])
    np.testing.assert_array_equal(verdicts.identity_share(norms), [[0.5, np.nan, 1.0], [2.0, 0.25, 1.0]])


def test_vanishing_names_the_blocks_below_a_millionth_and_for_how_long():
    norms = np.tile(10.0 ** (np.arange(10) - 9.3), (STEPS, 1))
    norms[:50] = 1.0
    found = verdicts.vanishing(series(norms))
    assert (found.kind, found.severity) == ("vanishing", "severe")
    assert found.where == ("block1", "block2", "block3")
    assert found.numbers["steps"] == 150
    assert found.numbers["least"] == pytest.approx(1e-9, rel=1e-3)
    assert found.numbers["slope"] == pytest.approx(1.0, rel=1e-3)
    assert found.text == (
        "block1 to block3 (3): dE/dx below 1e-06 of block10 for 150 steps, 1e-09 of it at the least; over all depth, "
        "its log10 rises by 1 from one to the next."
    )


@pytest.mark.parametrize(
    "norms, severity, where",
    [
        ([1e-4, 2e-4, 1.0, 1.0], "warning", ("block1", "block2")),
        ([0.0, 0.0, 1.0], "severe", ("block1", "block2")),
        ([2e-3, 1e-2, 0.1, 1.0], None, ()),
        ([1.0, 1e-9, 1.0, 1.0], None, ()),  # A branch in the middle, past which the gradient comes.
        ([0.0, 0.0, 0.0], None, ()),
        ([np.nan, 1e-7, 1.0], "severe", ("block2",)),
        ([np.nan, np.nan, 1.0], None, ()),
        ([1e-9], None, ()),
    ],
)
def test_vanishing_is_of_the_shallowest_blocks_in_a_row(norms, severity, where):
    found = verdicts.vanishing(series(norms))
    assert found is None if severity is None else (found.severity, found.where) == (severity, where)


def test_gradients_of_weights_are_held_against_deep_ones_but_for_the_classifier():
    decades = np.array([-9, -8, -4, -2, -1, -0.5, 0, 5.0])
    found = verdicts.vanishing_weights(series(10.0**decades))
    assert (found.severity, found.where) == ("severe", ("block1", "block2"))
    assert "of block7" in found.text
    assert verdicts.vanishing_weights(series([1.0, 0.5, 2.0, 1.0, 1.0, 1e5])) is None
    assert verdicts.vanishing_weights(series([1e-9, 1e-9, 1.0])) is None


def test_exploding_asks_for_a_trend_and_not_for_one_odd_block():
    growing = 10.0 ** np.linspace(0, 8, 30)
    found = verdicts.exploding_forward(series(growing))
    assert (found.kind, found.severity) == ("exploding", "severe")
    assert found.numbers["decades"] == pytest.approx(8, rel=1e-3)
    assert found.text == "Forward RMS grows from 1 at block1 to 1e+08 at block30: 1e+08-fold over 30 of them."
    assert verdicts.exploding_backward(series(growing)) is None
    backward = verdicts.exploding_backward(series(growing[::-1] ** 0.5))
    assert backward.severity == "warning"
    assert backward.numbers["decades"] == pytest.approx(4, rel=1e-3)
    assert "dE/dx grows from 1 at block30 to 10000 at block1" in backward.text
    assert verdicts.exploding_forward(series([1e-4] + [1.0] * 9)) is None
    assert verdicts.exploding_backward(series([1e4] + [1.0] * 9)) is None
    moderate = growing ** (2.2 / 8)
    assert verdicts.exploding_forward(series(moderate)) is None
    assert verdicts.exploding_backward(series(moderate[::-1])).severity == "warning"
    assert verdicts.exploding_weights(series([*moderate[::-1], 1e-3])) is None
    assert verdicts.exploding_forward(series(np.sqrt(np.arange(1, 1001)))) is None
    assert verdicts.exploding_weights(series([*growing[::-1], 1e-3])).severity == "severe"


def test_gradients_that_grow_in_time_explode():
    steps = np.arange(STEPS)[:, None]
    found = verdicts.growing(series(10.0 ** (steps / 25)))
    assert (found.kind, found.severity) == ("exploding", "warning")
    assert found.numbers["growth"] == pytest.approx(10 ** ((149.5 - 4.5) / 25), rel=1e-2)
    assert verdicts.growing(series(10.0 ** (-steps / 25))) is None
    spiked = np.ones((STEPS, 1))
    spiked[-10:] = 1e9
    assert verdicts.growing(series(spiked)) is None


def test_dead_units_are_those_that_are_0_in_every_batch():
    share = np.tile([0.1, 0.95, 0.5], (STEPS, 1))
    share[::3] = [0.9, 1.0, 0.6]
    found = verdicts.dead(series(share))
    assert (found.severity, found.where) == ("severe", ("block2", "block3"))
    assert found.text.startswith(
        "block2, block3: 50 to 95 % of the channels were 0 for every sample in each of the last 100"
    )
    assert verdicts.dead(series([0.1, 0.39])) is None
    share[-1] = 0.0
    assert verdicts.dead(series(share)) is None


def test_a_gradient_of_exactly_0_is_no_learning_unless_there_is_none_at_all():
    norms = np.tile([1.0, 0.0, 2.0, 3.0], (STEPS, 1))
    total = series(np.ones((STEPS, 1)))
    found = verdicts.without_gradient(series(norms), total)
    assert (found.kind, found.severity, found.where) == ("dead", "warning", ("block2",))
    assert verdicts.without_gradient(series(np.zeros((STEPS, 4))), series(np.zeros((STEPS, 1)))) is None
    norms[-1] = 1e-9
    assert verdicts.without_gradient(series(norms), total) is None


def test_saturated_outputs_are_those_pressed_against_a_bound():
    share, rms = [0.95, 0.6, 0.2], [0.98, 0.9, 0.5]
    found = verdicts.saturated(series(share), series(rms))
    assert (found.severity, found.where) == ("warning", ("block1", "block2"))
    assert verdicts.saturated(series([0.95, 0.95, 0.2]), series(rms)).severity == "severe"
    assert verdicts.saturated(series(share), series([5.0, 2.0, 0.5])) is None
    # No bell of an RMS of at most 1 has half of its outputs above 0.97.
    for bell in (np.random.default_rng(0).normal(size=10**5), np.random.default_rng(0).laplace(size=10**5)):
        outputs = bell / np.sqrt(np.square(bell).mean())
        assert np.mean(np.abs(outputs) > 0.97) < 0.4


def lost(step, columns, width=4, until=STEPS, steps=STEPS):
    counts = np.zeros((steps, width))
    counts[step - 1 : until, columns] = 7
    return series(counts, steps)


def test_numbers_are_lost_where_the_evidence_says():
    clean = series(np.zeros(4))
    gradients = verdicts.not_a_number(lost(12, [0, 1, 2]), clean)
    assert (gradients.kind, gradients.severity, gradients.where) == ("not a number", "severe", ("block3",))
    assert gradients.numbers == {"step": 12, "layers": 3, "nan": 21, "inf": 0}
    assert gradients.text.startswith("From step 12 on, to step 200: gradients of 3 of 4 layers were not finite (21 not")
    norms = np.ones((STEPS, 4))
    norms[12:] = np.nan
    assert verdicts.not_a_number(lost(12, [0, 1, 2]), clean, series(norms)).where == ("block3",)
    norms[11, 1] = np.inf
    assert verdicts.not_a_number(lost(12, [0, 1, 2]), clean, series(norms)).where == ("block2",)
    forward = np.ones((STEPS, 5))
    forward[11:, 3:] = np.nan
    assert verdicts.not_a_number(lost(12, [0, 1, 2]), clean, None, series(forward)).where == ("block4",)
    assert verdicts.not_a_number(clean, clean) is None


def test_infinite_gradients_that_are_over_are_the_search_for_a_loss_scale():
    clean, infinite = series(np.zeros(4)), lost(3, [1], until=4)
    over = verdicts.not_a_number(clean, infinite)
    assert (over.severity, over.numbers["inf"]) == ("warning", 7)
    assert "in 2 steps, over since" in over.text
    assert verdicts.not_a_number(clean, infinite, loss_scale=series([2.0**15])) is None
    assert verdicts.not_a_number(clean, infinite, loss_scale=series([1.0])).severity == "warning"
    assert verdicts.not_a_number(clean, lost(3, [1]), loss_scale=series([2.0**15])).severity == "severe"


def test_a_learning_rate_too_high_is_seen_by_how_often_kernels_were_rewritten():
    ratios = np.full((STEPS, 3), 1e-3)
    ratios[:3] = [[0.5, 0.2, 0.01], [0.3, 0.2, 0.01], [0.3, 0.2, 0.01]]
    found = verdicts.too_hot(series(ratios))
    assert (found.kind, found.severity) == ("too hot", "warning")
    assert found.numbers == pytest.approx({"steps": 3, "first": 1, "most": 0.2, "now": 1e-3})
    assert verdicts.too_hot(series(ratios[1:])) is None
    assert verdicts.too_hot(series(np.full((STEPS, 3), 0.2))).severity == "severe"
    # Kernels that start at 0 are rewritten by their first updates, as in LoRA, where they are half of all.
    ratios[0, 0], ratios[1:, 0] = np.nan, 1 / np.arange(1, STEPS)
    ratios[:, 1] = 1e-3
    assert verdicts.too_hot(series(ratios)) is None


def test_a_learning_rate_too_low_is_one_at_which_nothing_ever_moved():
    found = verdicts.too_cold(series([1e-6, 2e-6, 1e-3]))
    assert (found.kind, found.severity) == ("too cold", "warning")
    assert found.numbers["most"] == pytest.approx(2e-6)
    assert verdicts.too_cold(series([1e-9])).severity == "severe"
    converged = 1e-3 * 10.0 ** (-np.arange(STEPS)[:, None] / 20)
    assert converged[-1] < 1e-12 and verdicts.too_cold(series(converged)) is None
    rising = series(np.arange(1, STEPS + 1)[:, None] * 1e-6)
    assert verdicts.too_cold(series([1e-6]), rising) is None
    assert verdicts.too_cold(series([1e-6]), series([1e-6])) is not None


def test_rank_collapses_where_tokens_become_alike_over_depth():
    found = verdicts.rank_collapse(series([np.nan, 0.7, 0.5, 5e-3, 1e-7]))
    assert (found.kind, found.severity, found.where) == ("rank collapse", "severe", ("block4", "block5"))
    assert verdicts.rank_collapse(series([0.7, 0.5, 5e-3])).severity == "warning"
    assert verdicts.rank_collapse(series([0.7, 0.5, 0.02])) is None
    assert verdicts.rank_collapse(series([6e-3, 5e-3, 4e-3])) is None  # Alike from the start.
    assert verdicts.rank_collapse(series([0.7, 0.5, 0.0, 0.0])) is None  # Pooled to a single token.


def test_shattered_gradients_are_a_note_where_gradients_were_alike_at_the_top():
    found = verdicts.shattered(series([0.0, 0.01, 0.1, 0.3, 0.5]))
    assert (found.kind, found.severity, found.where) == ("shattered", "note", ("block1", "block2"))
    assert verdicts.shattered(series([0.0, 0.0, 0.01, 0.02, 0.02])) is None
    assert verdicts.shattered(series([0.2, 0.3, 0.4, 0.45, 0.5])) is None


RULES = {
    name: getattr(verdicts, name)
    for name in verdicts.__all__
    # That on the loss takes no series, and is tested in test_loss_verdict.py.
    if name not in ("SEVERITIES", "Slope", "Verdict", "guessing", "identity_share", "of", "slope_over_depth")
}
SERIES_OF = {"without_gradient": 2, "saturated": 2, "not_a_number": 2}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "given",
    [nothing(), series(np.full((STEPS, 6), np.nan)), series(np.geomspace(1e-12, 1, 6), 9)],
    ids=["nothing", "not measured", "nine steps"],
)
def test_no_rule_says_anything_of_what_was_not_measured(rule, given):
    if rule == "not_a_number":  # One step is enough for it.
        given = given._replace(largest=given.largest * 0)
    assert RULES[rule](*[given] * SERIES_OF.get(rule, 1)) is None


def test_windows_of_many_steps_count_as_many():
    norms = series(10.0 ** (np.arange(10) - 9.3))
    wide = norms._replace(first=1 + 8 * np.arange(STEPS), last=8 + 8 * np.arange(STEPS))
    assert verdicts.vanishing(wide).numbers["steps"] == 8 * STEPS


@pytest.fixture
def recorded(tmp_path):
    """A run of norms alone in which shallow biases get no gradient."""
    run = runs.create_watched(runs.ScriptSettings(model="m", kind="Model", optimizer="Adam"), tmp_path / "told")
    table = weights_header([(f"dense{i}/bias", f"dense{i}") for i in range(8)], (16,))
    writer = TableWriter(run.folder / "weights", table)
    norms = 10.0 ** np.array([-9, -8, -5, -4, -3, -2, -1, 0.0])
    write_norms(writer, np.arange(1, 31), np.tile(norms, (30, 1)))
    writer.close()
    return run


def test_a_run_of_norms_alone_is_judged_by_them(recorded):
    [found] = verdicts.of(recorded)
    assert (found.kind, found.severity, found.symbol) == ("vanishing", "severe", "✘")
    assert found.where == ("dense0/bias", "dense1/bias")


def test_of_a_run_without_numbers_nothing_is_said(tmp_path):
    run = runs.create_watched(runs.ScriptSettings(model="m", kind="Model", optimizer="Adam"), tmp_path / "empty")
    assert verdicts.of(run) == []
    done = reskeras("verdict", "empty", "--runs", tmp_path, cwd=tmp_path)
    assert done.stdout == "Nothing can be said yet: gradients of 10 steps at least are needed.\n"


def test_the_command_tells_verdicts_in_words_and_as_json(recorded, tmp_path):
    [found] = verdicts.of(recorded)
    done = reskeras("verdict", "told", "--runs", tmp_path, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"✘ vanishing: {found.text}\n", "")
    listed = json.loads(reskeras("verdict", tmp_path / "told", "--json", cwd=tmp_path).stdout)
    assert listed == [{**asdict(found), "where": list(found.where), "symbol": "✘"}]
    missing = reskeras("verdict", "tolt", "--runs", tmp_path, cwd=tmp_path)
    told = " ".join(missing.stderr.split())
    assert missing.returncode == 2 and "no run 'tolt'" in told and "Did you mean told?" in told


def test_every_severity_has_a_sign_of_its_own():
    assert set(SYMBOLS) == set(SEVERITIES) and len(set(SYMBOLS.values())) == len(SYMBOLS)
