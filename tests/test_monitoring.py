"""What is measured of weights under everything that Keras can do to a gradient, against the backend's own autodiff."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from autodiff import gradients, paths
from watched_network import CLASSES, SAMPLES, WIDTH, cross_entropy, network, samples

import reskeras

BACKEND = keras.backend.backend()


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def watch(model, optimizer, x, y, folder, batch_size=SAMPLES, loss=None, fit=None, **compile_options):
    """Train and watch, and return the run with the weights before and after, those of stacks slice by slice."""
    before = slices(model)
    model.compile(optimizer, loss or cross_entropy(), **compile_options)
    monitor = reskeras.GradientMonitor(folder, level="norms")
    model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0, callbacks=[monitor], **(fit or {}))
    return monitor.run, before, slices(model)


def slices(model) -> dict[str, np.ndarray]:
    found = {}
    for variable in model.trainable_variables:
        values = numpy(variable).astype("float64")
        stacked = getattr(variable, "slices", None) is not None
        found.update(zip(paths([variable]), values if stacked else [values], strict=True))
    return found


def norms(values: dict) -> dict[str, float]:
    return {path: float(np.linalg.norm(each.astype("float64"))) for path, each in values.items()}


def measured(run, statistic, step=0) -> dict[str, float]:
    series = run.series(statistic, "weight")
    return dict(zip(series.names, series.median[step].astype(float), strict=True))


def assert_like(found: dict, wanted: dict, rtol=1e-5):
    assert found.keys() == wanted.keys()
    for path, value in wanted.items():
        assert found[path] == pytest.approx(value, rel=rtol, abs=1e-7), path


def check_one_step(run, wanted, before, after, rtol=1e-5):
    """Compare all that is measured of a step with the gradients wanted and with what became of the weights."""
    assert_like(measured(run, "gradient_norm"), norms(wanted), rtol)
    assert_like(measured(run, "weight_norm"), norms(before))
    moved = {path: after[path] - before[path] for path in before}
    ratios = {path: norm / norms(before)[path] for path, norm in norms(moved).items() if norms(before)[path]}
    found = {path: each for path, each in measured(run, "update_ratio").items() if not np.isnan(each)}
    # A weight is rounded when it is updated, and more so than the small difference that it makes.
    assert_like(found, ratios, 2e-3)
    assert set(measured(run, "nan_count").values()) == set(measured(run, "inf_count").values()) == {0.0}


class OneByOne(keras.optimizers.SGD):
    """Changes one weight after another, where Keras's own on PyTorch changes all in one call."""

    def _backend_update_step(self, gradients, variables, learning_rate):
        for gradient, variable in zip(gradients, variables, strict=True):
            self.update_step(gradient, variable, learning_rate)


class Twice(OneByOne):
    """Changes each weight twice in a step, the second time in a way of its own."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, gradient * keras.ops.cast(learning_rate, variable.dtype))
        variable.assign(variable * 0.99)


class Branching(OneByOne):
    """Changes each weight twice, the second time in a branch."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, gradient * keras.ops.cast(learning_rate, variable.dtype))

        def again():
            variable.assign(variable * 0.99)
            return 0

        keras.ops.cond(learning_rate > 0, again, lambda: 0)


class Shift(OneByOne):
    """Subtracts the same number from each entry."""

    def update_step(self, gradient, variable, learning_rate):
        # TensorFlow takes no number for all entries.
        self.assign_sub(variable, keras.ops.full_like(variable, 0.01) if BACKEND == "tensorflow" else 0.01)


OPTIMIZERS = {
    "plain": lambda: keras.optimizers.SGD(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "weight decay": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "averaged": lambda: keras.optimizers.Adam(0.01, use_ema=True),
    "loss scale": lambda: keras.optimizers.SGD(0.1, loss_scale_factor=1024.0),
    "muon": lambda: keras.optimizers.Muon(0.01),
    "twice": lambda: Twice(0.01),
    "shift": lambda: Shift(0.01),
}


@pytest.mark.parametrize(("name", "eagerly"), [("adam", True), *((name, False) for name in OPTIMIZERS)])
def test_a_step_of_each_optimizer(name, eagerly, tmp_path):
    model, (x, y) = network(), samples()
    wanted = gradients(model, x, y)
    run, before, after = watch(model, OPTIMIZERS[name](), x, y, tmp_path / "run", run_eagerly=eagerly)
    check_one_step(run, wanted, before, after)
    assert np.isnan(run.series("clipped_norm").median).all()
    assert run.series("loss_scale").median[0, 0] == (1024 if name == "loss scale" else 1)
    assert run.series("learning_rate").median[0, 0] == pytest.approx(0.1 if "0.1" in name or name in (
        "plain", "momentum", "loss scale") else 0.01)  # fmt: skip


@pytest.mark.skipif(BACKEND != "tensorflow", reason="branches of other backends' steps change no weights")
def test_a_weight_that_a_branch_changes_once_more(tmp_path):
    (x, y), model = samples(), keras.Sequential([keras.layers.Dense(CLASSES, name="only")])
    model.build(x.shape)
    wanted = gradients(model, x, y)
    run, before, after = watch(model, Branching(0.01), x, y, tmp_path / "run")
    check_one_step(run, wanted, before, after)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", ["plain", "momentum", "adam"])
def test_rows_of_an_embedding_that_are_looked_up_more_than_once(name, compiled, tmp_path):
    if compiled and BACKEND == "torch":
        pytest.skip("PyTorch compiles what TensorFlow's gradients of single rows do not concern")
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((4,), dtype="int32"), keras.layers.Embedding(7, WIDTH), keras.layers.Flatten()]
    )
    model.add(keras.layers.Dense(CLASSES))
    x, y = np.array([[1, 1, 2, 3], [1, 4, 4, 4]], "int32"), np.array([0, 1])
    wanted = gradients(model, x, y)
    run, before, after = watch(model, OPTIMIZERS[name](), x, y, tmp_path / "run", 2, jit_compile=compiled)
    check_one_step(run, wanted, before, after)


CLIPPED = {
    "clipnorm": lambda each, _: min(each, 1e-2),
    "global_clipnorm": lambda each, whole: each * min(1e-2 / whole, 1),
}


@pytest.mark.parametrize("name", CLIPPED)
def test_norms_before_and_after_clipping(name, tmp_path):
    model, (x, y) = network(), samples()
    wanted = norms(gradients(model, x, y))
    whole = np.sqrt(sum(each**2 for each in wanted.values()))
    run, *_ = watch(model, keras.optimizers.SGD(0.1, **{name: 1e-2}), x, y, tmp_path / "run")
    assert_like(measured(run, "gradient_norm"), wanted)
    assert_like(measured(run, "clipped_norm"), {path: CLIPPED[name](each, whole) for path, each in wanted.items()})
    assert run.series("gradient_norm", "run").median[0, 0] == pytest.approx(whole, rel=1e-5)


def test_layers_and_blocks_are_measured_as_one_weight(tmp_path):
    model, (x, y) = network(), samples()
    wanted = norms(gradients(model, x, y))
    run, *_ = watch(model, keras.optimizers.SGD(0.1), x, y, tmp_path / "run")
    for by, start in (("layer", "blocks_2_"), ("block", "blocks_2")):
        series = run.series("gradient_norm", by)
        [place] = [place for place, name in enumerate(series.names) if name.startswith(start)]
        whole = np.sqrt(sum(each**2 for path, each in wanted.items() if path.startswith("blocks_2/")))
        assert series.median[0, place] == pytest.approx(whole, rel=1e-5)
        entries = sum(each.size for path, each in gradients(model, x, y).items() if path.startswith("blocks_2/"))
        rms = run.series("gradient_rms", by).largest[0, place]
        assert rms == pytest.approx(np.sqrt(whole**2 / entries), rel=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="Keras runs no several steps in one on PyTorch")
def test_several_steps_in_one_execution(tmp_path):
    model, (x, y) = network(), samples(6 * SAMPLES)
    wanted = [gradients(model, x[at : at + SAMPLES], y[at : at + SAMPLES]) for at in range(0, len(x), SAMPLES)]
    run, *_ = watch(model, keras.optimizers.SGD(0.0), x, y, tmp_path / "run", steps_per_execution=4)
    assert run.series("gradient_norm").last.tolist() == [1, 2, 3, 4, 5, 6]
    for step, each in enumerate(wanted):
        assert_like(measured(run, "gradient_norm", step), norms(each))


def test_accumulated_gradients_are_measured_as_their_mean_and_give_the_noise_scale(tmp_path):
    model, (x, y) = network(), samples(4 * SAMPLES)
    # Of one class, so that the gradients have something in common.
    y[:] = 0
    small = [gradients(model, x[at : at + SAMPLES], y[at : at + SAMPLES]) for at in range(0, len(x), SAMPLES)]
    pairs = [{path: (a[path] + b[path]) / 2 for path in a} for a, b in (small[:2], small[2:])]
    optimizer = keras.optimizers.SGD(0.0, gradient_accumulation_steps=2)
    run, *_ = watch(model, optimizer, x, y, tmp_path / "run")
    assert run.series("gradient_norm").last.tolist() == [1, 2]
    for step, each in enumerate(pairs):
        assert_like(measured(run, "gradient_norm", step), norms(each))
    square = lambda each: sum(norm**2 for norm in norms(each).values())  # noqa: E731
    large, single = square(pairs[0]), np.mean([square(each) for each in small[:2]])
    expected = ((single - large) / (1 - 1 / 2)) / (2 * large - single)
    assert run.series("noise_scale").median[0, 0] == pytest.approx(expected, rel=1e-3)


def test_several_optimizers_in_one(tmp_path):
    model, (x, y) = network(), samples()
    wanted = gradients(model, x, y)
    rest, head = keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.01)
    both = keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(rest, {"head/.*": head}))
    run, before, after = watch(model, both, x, y, tmp_path / "run")
    check_one_step(run, wanted, before, after)
    assert type(rest) is type(keras.optimizers.SGD()) and type(head) is type(keras.optimizers.Adam())


def test_half_precision_with_a_scaled_loss_and_a_step_that_is_skipped(tmp_path):
    model, (x, y) = network(dtype="mixed_float16"), samples(3 * SAMPLES)
    exact = network()
    exact.set_weights(model.get_weights())
    wanted = gradients(exact, x[:SAMPLES], y[:SAMPLES])
    x[SAMPLES : 2 * SAMPLES] = np.inf
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.0), initial_scale=256.0)
    watched = reskeras.watch(model)
    watched.compile(scaled, cross_entropy())
    monitor = reskeras.GradientMonitor(tmp_path / "run", level="probes")
    watched.fit(x, y, batch_size=SAMPLES, shuffle=False, verbose=0, callbacks=[monitor])
    run = monitor.run
    series = run.series("gradient_norm")
    assert series.last.tolist() == [1, 2]
    found = measured(run, "gradient_norm")
    for path, norm in norms(wanted).items():
        assert found[path] == pytest.approx(norm, rel=2e-2), path
    assert run.series("skipped").median[-1, 0] == 1
    assert run.series("loss_scale").median[:, 0].tolist() == [256, 128]
    single = reskeras.watch(exact)
    single.compile(keras.optimizers.SGD(0.0), cross_entropy())
    other = reskeras.GradientMonitor(tmp_path / "exact", level="probes")
    single.fit(x[:SAMPLES], y[:SAMPLES], verbose=0, callbacks=[other])
    for statistic in ("backward_norm", "forward_rms", "branch_ratio"):
        np.testing.assert_allclose(
            run.series(statistic).median[0], other.run.series(statistic).median[0], rtol=2e-2, err_msg=statistic
        )
    assert type(scaled) is keras.optimizers.LossScaleOptimizer


def test_weights_that_are_frozen_or_adapted(tmp_path):
    keras.utils.set_random_seed(2)
    inputs = keras.Input((WIDTH,))
    adapted, frozen = keras.layers.Dense(WIDTH, "tanh", name="adapted"), keras.layers.Dense(WIDTH, name="frozen")
    model = keras.Model(inputs, keras.layers.Dense(CLASSES, name="head")(frozen(adapted(inputs))))
    adapted.enable_lora(2)
    frozen.trainable = False
    x, y = samples()
    wanted = gradients(model, x, y)
    run, before, after = watch(model, keras.optimizers.SGD(0.1), x, y, tmp_path / "run")
    assert sorted(measured(run, "gradient_norm")) == ["adapted/bias", "adapted/lora_kernel_a", "adapted/lora_kernel_b",
                                                      "head/bias", "head/kernel"]  # fmt: skip
    check_one_step(run, wanted, before, after)


def test_shared_layers_several_inputs_and_outputs_and_sample_weights(tmp_path):
    keras.utils.set_random_seed(2)
    left, right = keras.Input((WIDTH,), name="left"), keras.Input((WIDTH,), name="right")
    shared = keras.layers.Dense(WIDTH, "tanh", name="shared")
    joined = keras.layers.Add(name="joined")([shared(left), shared(shared(right))])
    outputs = {name: keras.layers.Dense(CLASSES, name=name)(joined) for name in ("output", "value")}
    model = keras.Model({"left": left, "right": right}, outputs)
    x, y = samples(2 * SAMPLES)
    inputs = {"left": x[:SAMPLES], "right": x[SAMPLES:]}
    labels = {"output": y[:SAMPLES].astype("int32"), "value": x[:SAMPLES, :CLASSES]}
    wanted = gradients(model, inputs, labels)
    loss = {"output": cross_entropy(), "value": "mse"}
    run, before, after = watch(model, keras.optimizers.SGD(0.1), inputs, labels, tmp_path / "run", loss=loss)
    check_one_step(run, wanted, before, after)
    # Samples that weigh three times as much give gradients three times as large.
    heavy = {name: np.full(SAMPLES, 3.0, "float32") for name in labels}
    model = keras.models.clone_model(model)
    model.set_weights(list(before.values()))
    tripled, *_ = watch(model, keras.optimizers.SGD(0.0), inputs, labels, tmp_path / "heavy", loss=loss,
                        fit={"sample_weight": heavy})  # fmt: skip
    found = measured(tripled, "gradient_norm")
    for path, norm in norms(wanted).items():
        assert found[path] == pytest.approx(3 * norm, rel=1e-5), path


class Subclassed(keras.Model):
    """A model with layers and a step of its own: the gradients are doubled before they are applied."""

    def __init__(self):
        super().__init__(name="own")
        self.inner = keras.layers.Dense(WIDTH, "tanh", name="inner")
        self.head = keras.layers.Dense(CLASSES, name="head")

    def build(self, input_shape):
        self.inner.build(input_shape)
        self.head.build((None, WIDTH))
        self.built = True

    def call(self, x, training=None):
        return self.head(self.inner(x))

    def compute_loss(self, *arguments, **given):
        return 2 * super().compute_loss(*arguments, **given)

    def train_step(self, *arguments):
        return super().train_step(*arguments)


def test_a_subclassed_model_with_a_train_step_of_its_own(tmp_path):
    keras.utils.set_random_seed(2)
    model = Subclassed()
    model.build((None, WIDTH))
    x, y = samples()
    wanted = {path: 2 * each for path, each in gradients(model, x, y).items()}
    run, before, after = watch(model, keras.optimizers.SGD(0.1), x, y, tmp_path / "run")
    check_one_step(run, wanted, before, after)
    assert set(run.series("gradient_norm", "layer").names) == {"inner", "head"}


def test_what_is_not_finite_is_counted_and_stays_in_its_step(tmp_path):
    model, (x, y) = network(), samples(2 * SAMPLES)
    x[SAMPLES:, 0] = np.nan
    run, *_ = watch(model, keras.optimizers.SGD(0.0), x, y, tmp_path / "run")
    counts = run.series("nan_count", "weight")
    assert not counts.median[0].any()
    sizes = {path: each.size for path, each in slices(model).items()}
    assert dict(zip(counts.names, counts.median[1], strict=True)) == sizes
    assert np.isfinite(run.series("gradient_norm").median[0]).all()


@pytest.mark.skipif(BACKEND == "torch", reason="Keras has no data parallelism on PyTorch")
def test_two_devices_are_measured_as_one():
    script = Path(__file__).with_name("two_devices.py")
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["devices"] == 2
    for statistic, (parallel, alone) in found["statistics"].items():
        np.testing.assert_allclose(parallel, alone, rtol=1e-4, err_msg=statistic)
    noise, expected = found["noise"]
    # JAX computes the gradient of the whole batch at once, and knows none of its parts.
    assert noise == pytest.approx(expected, rel=1e-3) if BACKEND == "tensorflow" else np.isnan(noise)
    assert {"gradient_norm", "clipped_norm", "update_ratio", "forward_rms", "backward_norm"} <= found[
        "statistics"
    ].keys()
