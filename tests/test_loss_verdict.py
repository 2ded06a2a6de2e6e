"""The verdict on a loss no better than guessing: on made-up curves, and on real trainings with and without skips."""

import math

import numpy as np
import pytest
from reskeras_tui.demo import unpack

from reskeras import verdicts
from reskeras.runs.series import CURVE
from reskeras.verdicts import guessing

pytestmark = pytest.mark.any_backend


def curve(losses, every: int = 10) -> np.ndarray:
    """Return a training curve with a point every so many steps."""
    found = np.zeros(len(losses), CURVE)
    found["step"], found["loss"] = every * np.arange(1, len(losses) + 1), losses
    return found


def test_a_loss_near_that_of_an_even_guess_is_told():
    guess = math.log(10)
    found = guessing(curve([guess] * 20), 10)
    assert (found.kind, found.severity) == ("guessing", "warning")
    assert found.numbers == {"loss": pytest.approx(guess), "guess": guess, "steps": 200}
    assert found.text.startswith("After 200 steps the loss is 2.3, and an even guess among 10 classes has 2.3")
    # Worse than guessing is no better.
    assert guessing(curve([5.0] * 20), 10)


def test_nothing_is_told_of_a_loss_that_has_fallen_or_of_a_beginning():
    guess = math.log(10)
    assert guessing(curve([]), 10) is None
    assert guessing(curve([guess] * 19), 10) is None
    assert guessing(curve([guess] * 20 + [0.9 * guess] * 10), 10) is None
    assert guessing(curve([guess] * 20), 20) is None
    assert guessing(curve([np.nan] * 20), 10) is None


def test_of_two_trainings_of_56_layers_that_without_skips_has_learnt_nothing(tmp_path):
    plain, residual = unpack(tmp_path)
    assert "guessing" in [each.kind for each in verdicts.of(plain)]
    assert [each.kind for each in verdicts.of(residual)] == ["healthy"]
