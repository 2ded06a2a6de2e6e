"""Verdicts on real trainings: on those known to have a disease, and on healthy ones."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import reskeras
from reskeras import verdicts
from reskeras.layers import Residual, Stack
from reskeras.runs import Run

# Every backend measures the same (test_monitoring.py, test_watching.py), and only numbers are judged.
pytestmark = pytest.mark.any_backend

WIDTH, CLASSES, BATCH = 16, 4, 32
SEEDS = range(10)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def clusters(count, seed=0):
    """Return samples of a few classes that lie apart, and their classes."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, CLASSES, count)
    centres = generator.normal(size=(CLASSES, WIDTH))
    return (centres[labels] + 0.5 * generator.normal(size=(count, WIDTH))).astype("float32"), labels


def train(model, samples, folder, optimizer, epochs=1, level="deep", callbacks=()):
    """Train a model batch by batch in order; return the run and the losses of epochs."""
    trained = model if level == "norms" else reskeras.watch(model)
    # For so few steps XLA takes TensorFlow longer than it saves.
    trained.compile(optimizer, LOSS, jit_compile=False if keras.backend.backend() == "tensorflow" else "auto")
    monitor = reskeras.GradientMonitor(folder, level=level)
    told = trained.fit(
        *samples, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, callbacks=[*callbacks, monitor]
    )
    return monitor.run, told.history["loss"]


def severities(run) -> dict[str, str]:
    return {each.kind: each.severity for each in verdicts.of(run)}


class Part(Run):
    """Some steps of a run, one row of a table each, as if they were a run of their own."""

    def __init__(self, run, start, stop):
        super().__init__(run.folder)
        self._rows = {"start": start, "stop": stop}

    def series(self, statistic, by=None):
        return super().series(statistic, by, **self._rows)


class Restart(keras.callbacks.Callback):
    """Begins each epoch as a training of its own, all with one compiled step.

    Args:
        begin: `(epoch)`, which sets the weights.
    """

    def __init__(self, begin):
        super().__init__()
        self._begin = begin

    def on_epoch_begin(self, epoch, logs=None):
        for variable in self.model.optimizer.variables:
            if "momentum" in variable.path:
                variable.assign(np.zeros(variable.shape))
        self._begin(epoch)


def residual_network(seed=0):
    """Return x + W2 relu(W1 norm(x)), three times."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((WIDTH,))
    stream = keras.layers.Dense(WIDTH, name="stem")(inputs)
    for number in (1, 2, 3):
        branch = keras.layers.LayerNormalization(name=f"norm{number}")(stream)
        branch = keras.layers.Dense(WIDTH, "relu", kernel_initializer="he_normal", name=f"hidden{number}")(branch)
        branch = keras.layers.Dense(WIDTH, name=f"out{number}")(branch)
        stream = keras.layers.Add(name=f"block{number}")([stream, branch])
    stream = keras.layers.LayerNormalization(name="norm")(stream)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, name="head")(stream))


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Ten healthy trainings of a residual network, then one with NaN in a layer and one with dead units, in one run."""
    model, steps = residual_network(), 16
    starts = [residual_network(seed).get_weights() for seed in SEEDS]

    def begin(epoch):
        model.set_weights(starts[epoch % len(starts)])
        if epoch == 10:
            model.get_layer("out2").kernel.assign(np.full((WIDTH, WIDTH), np.nan))
        if epoch == 11:
            model.get_layer("hidden2").bias.assign(np.full(WIDTH, -100.0))

    folder, optimizer = tmp_path_factory.mktemp("runs") / "run", keras.optimizers.SGD(0.05, 0.9)
    run, losses = train(model, clusters(steps * BATCH), folder, optimizer, 12, callbacks=[Restart(begin)])
    return [Part(run, epoch * steps, (epoch + 1) * steps) for epoch in range(12)], losses


@pytest.mark.parametrize("seed", SEEDS)
def test_a_healthy_training_raises_no_alarm(seed, trainings):
    parts, losses = trainings
    assert losses[seed] < 0.6 * np.log(CLASSES)  # It did learn.
    [*notes, last] = verdicts.of(parts[seed])
    assert (last.kind, last.numbers["steps"]) == ("healthy", 16), last
    assert {each.severity for each in notes} <= {"note"}
    assert 1e-4 < last.numbers["update_ratio"] < 1e-1
    assert last.numbers["decades"] < 1


def test_lost_numbers_are_traced_to_the_layer_whose_weights_were_no_numbers(trainings):
    [found] = verdicts.of(trainings[0][10])
    assert (found.kind, found.severity, found.where) == ("not a number", "severe", ("out2",))
    assert found.numbers["step"] == 161


def test_dead_units_in_a_branch_leave_its_kernels_without_gradient(trainings):
    [found] = verdicts.of(trainings[0][11])
    assert (found.kind, found.where) == ("dead", ("hidden2/kernel", "out2/kernel"))


def test_dead_units_of_a_chain_are_seen_at_their_output(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((WIDTH,))])
    for number in (1, 2, 3):
        model.add(keras.layers.Dense(WIDTH, "relu", name=f"dense{number}"))
    model.add(keras.layers.Dense(CLASSES, name="head"))
    model.get_layer("dense2").bias.assign(np.where(np.arange(WIDTH) < 12, -100.0, 0.0))
    run, _ = train(model, clusters(12 * BATCH), tmp_path / "run", keras.optimizers.SGD(0.01))
    [found] = [each for each in verdicts.of(run) if each.kind == "dead"]
    assert (found.severity, found.where) == ("warning", ("dense2",))
    assert found.numbers["share"] == pytest.approx(0.75, abs=0.13)


@pytest.mark.parametrize(
    "rate, kind", [(1e-3, "healthy"), (1e-1, "too hot"), (1e-6, "too cold")], ids=["fit", "100 times", "a thousandth"]
)
def test_a_learning_rate_is_judged_by_what_it_does_to_kernels(rate, kind, tmp_path):
    run, _ = train(
        residual_network(), clusters(16 * BATCH), tmp_path / "run", keras.optimizers.Adam(rate), level="norms"
    )
    assert list(severities(run)) == [kind]


class NormsAlone(Run):
    """A run of which nothing but weights was measured."""

    def __init__(self, run):
        super().__init__(run.folder)

    def table(self, name):
        return None if name == "blocks" else super().table(name)


def test_gradients_vanish_in_a_plain_network_of_50_layers_of_tanh(tmp_path):
    """Started uniformly within 1/sqrt(n), a layer leaves a third of the variance (Glorot and Bengio 2010, 4.2.1)."""
    model = reskeras.build("plain", input_shape=(WIDTH,), classes=CLASSES, depth=50, width=64)
    generator = np.random.default_rng(0)
    for kernel in [each for each in model.trainable_variables if each.path.endswith("kernel")]:
        kernel.assign(generator.uniform(-1, 1, kernel.shape) / np.sqrt(kernel.shape[-2]))
    run, _ = train(model, clusters(10 * BATCH), tmp_path / "run", keras.optimizers.SGD(0.01))
    for seen in (run, NormsAlone(run)):
        [found] = verdicts.of(seen)
        assert (found.kind, found.severity) == ("vanishing", "severe")
        assert found.numbers["slope"] == pytest.approx(np.log10(3) / 2, rel=0.1)
        assert found.numbers["steps"] == 10
        # So many blocks are below a millionth that six decades lie behind them.
        assert found.numbers["blocks"] == pytest.approx(50 - 6 / (np.log10(3) / 2), abs=4)


def test_an_unnormalised_residual_network_with_large_branches_explodes(tmp_path):
    """Branches that start as He et al. 2015 (1502.01852) say keep the variance: at least, a block doubles it."""
    keras.utils.set_random_seed(0)
    inputs, depth = keras.Input((WIDTH,)), 50
    block = [keras.layers.Dense(WIDTH, "relu", kernel_initializer="he_normal")]
    stream = Stack(Residual(block), depth, name="blocks")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, name="head")(stream))
    run, _ = train(model, clusters(12 * BATCH), tmp_path / "run", keras.optimizers.SGD(1e-20))
    forward, backward = (each for each in verdicts.of(run) if each.kind == "exploding")
    assert forward.severity == backward.severity == "severe"
    assert forward.text.startswith("Forward RMS") and backward.text.startswith("dE/dx")
    for each in (forward, backward):
        assert each.numbers["decades"] > 0.9 * (depth - 1) * np.log10(2) / 2
    norms = {each.kind: each for each in verdicts.of(NormsAlone(run))}
    assert norms["exploding"].severity == "severe"


def test_gradients_explode_in_a_plain_network_with_batch_normalisation(tmp_path):
    """Their squared norm grows by pi / (pi - 1) with each layer (Yang et al. 2019, 1902.08129, section 3)."""
    keras.utils.set_random_seed(0)
    model = reskeras.build("residual_mlp", input_shape=(WIDTH,), classes=CLASSES, depth=20, width=32, skip="none")
    run, _ = train(model, clusters(12 * BATCH), tmp_path / "run", keras.optimizers.SGD(1e-9))
    layers = 2 * (20 - 1)
    for seen in (run, NormsAlone(run)):
        [found] = [each for each in verdicts.of(seen) if each.kind == "exploding"]
        assert found.numbers["decades"] == pytest.approx(layers * np.log10(np.pi / (np.pi - 1)) / 2, rel=0.2)


@pytest.mark.parametrize("skip", ["add", "none"])
def test_attention_without_skips_collapses_to_rank_one(skip, tmp_path):
    keras.utils.set_random_seed(0)
    model = reskeras.build(
        "vit", input_shape=(8, 8, 1), classes=CLASSES, depth=6, width=8, heads=2, feed_forward=1, patch=2, skip=skip
    )
    generator = np.random.default_rng(0)
    samples = generator.normal(size=(12 * BATCH, 8, 8, 1)).astype("float32"), generator.integers(0, CLASSES, 12 * BATCH)
    run, _ = train(model, samples, tmp_path / "run", keras.optimizers.Adam(1e-3))
    found = severities(run)
    assert found.get("rank collapse") == {"add": None, "none": "severe"}[skip]
    assert ("healthy" in found) == (skip == "add")
