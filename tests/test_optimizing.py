"""Learning rates from step to step against their formulas, and what clips, smooths and warms up in a training."""

import math

import numpy as np
import pytest
from comparing import check_same
from task_sets import ALL
from tiny_runs import sets as sets
from tiny_runs import trained
from workbench import events

import reskeras
from reskeras.options import OptionError, describe
from reskeras.recipes import RECIPES
from reskeras.request import check_request
from reskeras.runs import TrainingOptions, checkpoints

pytest_plugins = ["workbench"]


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
    fifths = [0.5] * 60 + [0.1] * 60 + [0.02] * 40 + [0.004] * 40
    np.testing.assert_allclose(rates(200, kind="fifths"), fifths, rtol=1e-6)
    np.testing.assert_allclose(rates(6, kind="linear", warmup=2), [0.25, 0.5, 0.5, 0.375, 0.25, 0.125], rtol=1e-6)
    cosine = [0.25 * (1 + math.cos(math.pi * step / 10)) for step in range(10)]
    np.testing.assert_allclose(rates(10, kind="cosine"), cosine, rtol=1e-5)
    warmed = rates(12, kind="cosine", warmup=2)
    np.testing.assert_allclose(warmed, [0.25, *cosine[:1], *cosine], rtol=1e-5)


def test_a_rate_falls_as_one_over_the_root_after_its_warm_up():
    """The formula of Vaswani et al. 2017, 1706.03762, equation 3, at a width of 16."""
    wanted = [16**-0.5 * min((step + 1) ** -0.5, (step + 1) * 4**-1.5) for step in range(20)]
    height = (16 * 4) ** -0.5
    np.testing.assert_allclose(rates(20, kind="inverse_root", rate=height, warmup=4), wanted, rtol=1e-5)
    np.testing.assert_allclose(rates(20, kind="inverse_root", rate=height, warmup=0.2), wanted, rtol=1e-5)
    np.testing.assert_allclose(rates(9, kind="inverse_root"), 0.5 / np.sqrt(np.arange(1, 10)), rtol=1e-5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_decay_is_part_of_the_gradient(nesterov):
    """As PyTorch's SGD has it: v = m v + g + d w, and w falls by l v, or by l (g + d w + m v)."""
    import keras

    from reskeras import backend, telemetry
    from reskeras.training.optimizing import make_optimizer

    asked = TrainingOptions(optimizer="sgd", learning_rate=0.1, weight_decay=0.3, nesterov=nesterov)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(make_optimizer(asked, 10), "mse")
    telemetry.make_ready(model, "norms")
    x, y = np.random.default_rng(0).normal(size=(2, 8, 3)).astype("float32")
    y = y[:, :1]
    weight, velocity = np.array(backend.as_numpy(model.layers[0].kernel)), 0.0
    for _ in range(5):
        gradient = 2 * x.T @ (x @ weight - y) / 8 + 0.3 * weight
        velocity = 0.9 * velocity + gradient
        weight = weight - 0.1 * (gradient + 0.9 * velocity if nesterov else velocity)
    model.fit(x, y, epochs=5, batch_size=8, verbose=0)
    np.testing.assert_allclose(backend.as_numpy(model.layers[0].kernel), weight, rtol=1e-4)


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
    # What is tested is the loss of labels as they are.
    made, tested = ALL["vector"].load(), next(event for event in run.events() if event["event"] == "tested")
    shares = reskeras.load(run).model.predict(made.x_test, verbose=0)[np.arange(len(made.y_test)), made.y_test]
    assert tested["test_loss"] == pytest.approx(-np.log(shares).mean(), rel=1e-3)


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
    for bad in (
        {"schedule": "linaer"},
        {"warmup": -1},
        {"clip_norm": 0},
        {"label_smoothing": 1},
        {"accumulate": 0},
        {"ema": 1},
    ):
        with pytest.raises(ValueError, match=next(iter(bad))):
            TrainingOptions(**bad)


def test_accumulated_steps_are_those_of_larger_batches():
    """Four batches of a quarter come to the weights, and to the average, of one whole batch."""
    import keras

    from reskeras import backend
    from reskeras.training.averaging import averaged, take_averages
    from reskeras.training.optimizing import make_optimizer

    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(32, 3)).astype("float32"), generator.integers(0, 2, 32)
    found = []
    for accumulate in (1, 4):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        asked = TrainingOptions(optimizer="sgd", learning_rate=0.5, accumulate=accumulate, ema=0.6, clip_norm=1.0)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(make_optimizer(asked, 12 * accumulate), loss)
        kernels = []
        for _ in range(6):
            model.fit(x, y, batch_size=32 // accumulate, epochs=1, shuffle=False, verbose=0)
            kernels.append(np.array(backend.as_numpy(model.layers[0].kernel)))
        wanted = kernels[0]
        for place, kernel in enumerate(kernels[1:], 1):
            # Of the last update no further step has been seen yet.
            momentum = 0.6 ** (1 / accumulate) if place == 5 else 0.6
            wanted = momentum * wanted + (1 - momentum) * kernel
        with averaged(model):
            lent = np.array(backend.as_numpy(model.layers[0].kernel))
        np.testing.assert_array_equal(backend.as_numpy(model.layers[0].kernel), kernels[-1])
        take_averages(model)
        np.testing.assert_array_equal(backend.as_numpy(model.layers[0].kernel), lent)
        np.testing.assert_allclose(lent, wanted, rtol=1e-4)
        found.append((kernels[-1], lent))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)


def test_a_run_with_averages_and_accumulation_goes_on_to_the_last_bit(bench):
    """It is stopped between two steps of one update, and the averages are what it validates, tests and saves."""
    asked = {"accumulate": 3, "ema": 0.9, "epochs": 3, "batch_size": 64, "telemetry": "probes", "patience": 9}
    whole, run = bench.train(**asked), bench.train(**asked, checkpoint_steps=7, keep=10)
    check_same(run, whole)
    for path in checkpoints.listed(run.checkpoints_path):
        if checkpoints.step_of(path) % 3 == 0 or checkpoints.step_of(path) > 30:
            path.unlink()
    lines = run.events_path.read_text().splitlines(keepends=True)
    cut = next(place for place, line in enumerate(lines) if '"epoch": 2' in line and '"event": "epoch"' in line)
    run.events_path.write_text("".join(lines[:cut]))
    run.model_path.unlink()
    assert bench.start(run).wait() == 0, run.log_path.read_text()
    assert events(run, "resumed")[0]["step"] % 3
    check_same(run, whole)
    plain = bench.train(**{**asked, "ema": None})
    ours, theirs = (events(each, "epoch")[-1] for each in (whole, plain))
    assert ours["loss"] == theirs["loss"] and ours["validation_loss"] != theirs["validation_loss"]
    best = min(events(whole, "epoch"), key=lambda each: each["validation_loss"])
    assert events(whole, "best")[0]["epoch"] == best["epoch"]


@pytest.mark.any_backend
def test_an_update_rule_without_decay_says_which_has_it():
    with pytest.raises(ValueError, match=r"weight_decay; received 0\.1\. Did you mean optimizer=adamw"):
        TrainingOptions(weight_decay=0.1)


@pytest.mark.any_backend
def test_a_recipe_gives_what_nobody_gave():
    names = next(option.choices for option in describe(TrainingOptions) if option.name == "recipe")
    assert names == ("none", *RECIPES)
    for name, recipe in RECIPES.items():
        assert TrainingOptions(**recipe.values).model_dump().items() >= recipe.values.items(), name
    asked = {"recipe": "cifar", "epochs": 3, "optimizer": "adam", "weight_decay": 0, "data": "made-up-image"}
    trained = check_request("resnet", {"depth": 8}, asked).settings.training
    assert (trained.recipe, trained.epochs, trained.optimizer, trained.batch_size) == ("cifar", 3, "adam", 128)
    assert (trained.schedule, trained.pad_crop, trained.flip) == ("step", 4, True)
    with pytest.raises(OptionError) as caught:
        check_request("residual_mlp", {}, {"recipe": "cifar", "data": "made-up-vector"})
    assert set(caught.value.problems) == {"pad_crop", "flip"}
    with pytest.raises(OptionError, match="Did you mean cifar"):
        check_request("resnet", {}, {"recipe": "cifer"})
