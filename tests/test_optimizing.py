"""Learning rates from step to step against their formulas, and what clips, smooths and warms up in a training."""

import math

import numpy as np
import pytest
from tiny_runs import sets as sets
from tiny_runs import trained

from reskeras.runs import TrainingOptions


def rates(steps: int, **options) -> list[float]:
    """Return the learning rate of each step."""
    from reskeras import backend
    from reskeras.training.optimizing import Course

    course = Course(**{"kind": "constant", "rate": 0.5, "steps": steps, "warmup": 0, **options})
    assert Course.from_config(course.get_config()).get_config() == course.get_config()
    return [float(backend.as_numpy(course(step))) for step in range(steps)]


def test_rates_are_those_of_the_formulas():
    np.testing.assert_allclose(rates(8, warmup=4), [0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(rates(8, kind="step"), [0.5] * 4 + [0.05] * 2 + [0.005] * 2, rtol=1e-6)
    cosine = [0.25 * (1 + math.cos(math.pi * step / 10)) for step in range(10)]
    np.testing.assert_allclose(rates(10, kind="cosine"), cosine, rtol=1e-5)
    warmed = rates(12, kind="cosine", warmup=2)
    np.testing.assert_allclose(warmed, [0.25, *cosine[:1], *cosine], rtol=1e-5)


def test_the_run_trains_as_it_was_asked_to(tmp_path):
    options = {"schedule": "cosine", "warmup": 5, "clip_norm": 0.05, "label_smoothing": 0.2, "optimizer": "sgd"}
    run = trained("residual_mlp", "made-up-vector", tmp_path, epochs=3, learning_rate=0.1, **options)
    measured = run.series("learning_rate", "run").median[:, 0]
    assert measured[0] == pytest.approx(0.02)
    assert measured.max() <= 0.1 and measured[-1] < 0.01
    clipped = run.series("clipped_norm", "run").largest[:, 0]
    assert np.nanmax(clipped) <= 0.05 * (1 + 1e-4)
    # A smoothed loss of two classes is never below the entropy of its labels.
    labels = np.array([0.9, 0.1])
    losses = [event["loss"] for event in run.events() if event["event"] == "epoch"]
    assert min(losses) > -(labels * np.log(labels)).sum()


def test_a_smoothed_loss_is_that_of_smoothed_labels():
    from reskeras import backend
    from reskeras.training.objectives import SmoothedCrossentropy

    generator = np.random.default_rng(0)
    logits, labels = generator.normal(size=(5, 4, 3)).astype("float32"), generator.integers(0, 3, (5, 4))
    weights = generator.integers(0, 2, (5, 4)).astype("float32")
    wanted = np.eye(3)[labels] * 0.7 + 0.3 / 3
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    each = -(wanted * logs).sum(-1)
    loss = SmoothedCrossentropy(0.3, "mean_with_sample_weight")
    found = backend.as_numpy(loss(labels, logits, sample_weight=weights))
    np.testing.assert_allclose(found, (each * weights).sum() / weights.sum(), rtol=1e-5)


def test_a_rate_on_a_schedule_is_not_set_by_hand(tmp_path):
    import keras

    from reskeras.training.controls import Controls, Refused
    from reskeras.training.optimizing import Course

    run = trained("plain", "made-up-vector", tmp_path, epochs=1)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(Course("cosine", 0.1, 10, 0)), "mse")
    with pytest.raises(Refused, match="follows a schedule"):
        Controls(run, None, None)._learning_rate(lambda: model, 1, None, 0.5, "1")


@pytest.mark.any_backend
def test_options_have_bounds():
    for bad in ({"schedule": "linear"}, {"warmup": -1}, {"clip_norm": 0}, {"label_smoothing": 1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            TrainingOptions(**bad)
