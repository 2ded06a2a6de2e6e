"""What probes see of the slices of a stack, where many blocks are measured together and where they are not."""

from __future__ import annotations

import gc

import keras
import numpy as np
import pytest
from test_watching import BACKEND, expected, fit_once, reference, seen

import reskeras
from reskeras.backend import cpu_chain
from reskeras.layers import Residual, Stack, looking

WIDTH, DEPTH, SAMPLES = 12, 9, 6
STATISTICS = ("forward_rms", "branch_ratio", "backward_norm", "dead_share")


def dense(activation=None, **options):
    return keras.layers.Dense(WIDTH, activation, **options)


BLOCKS = {
    "skips": lambda: Residual([dense("relu"), dense()]),
    "without skips, with dead units": lambda: dense(
        "relu", kernel_initializer="he_normal", bias_initializer=keras.initializers.Constant(-0.1)
    ),
    "convolutions": lambda: Residual([keras.layers.Conv2D(WIDTH, 3, padding="same", activation="relu")]),
    "random numbers": lambda: Residual([dense(), keras.layers.Dropout(0.0, seed=1), keras.layers.GaussianNoise(1e-12)]),
}


def stacked_model(make, shape=(WIDTH,), **options):
    """Return a model of one stack and a classifier.

    Args:
        make: returns the block.
        shape: of a sample.
    """
    keras.utils.set_random_seed(3)
    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.Dense(3)(Stack(make(), DEPTH, name="blocks", **options)(inputs)))


def samples(shape=(WIDTH,)):
    return np.random.default_rng(2).normal(1, 1, (SAMPLES, *shape)).astype("float32")


def check(model, x, found, tolerance=2e-5):
    single = reskeras.unroll(model)
    names = [layer.name for layer in single.layers if layer.name.startswith("blocks")]
    blocks = reference(single, x, names)
    assert len(blocks) == len(found["backward_norm"])
    for place, facts in enumerate(blocks):
        # Behind a ReLU, a sample may be left without any gradient.
        with np.errstate(invalid="ignore"):
            wanted = expected(*facts)
        for statistic in STATISTICS:
            np.testing.assert_allclose(
                found[statistic][place],
                wanted[statistic],
                rtol=tolerance,
                atol=tolerance / 10,
                err_msg=f"{statistic} of slice {place}",
            )
    return found


@pytest.mark.parametrize("together", [1, 4, None], ids=["one by one", "by fours", "as they are"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_slices_are_seen_as_blocks_of_their_own(kind, together, tmp_path, monkeypatch):
    if (together == 4 and BACKEND != "torch") or (together == 1 and BACKEND == "jax"):
        pytest.skip(f"blocks are not measured so on {BACKEND}")
    shape = (5, 5, WIDTH) if kind == "convolutions" else (WIDTH,)
    x = samples(shape)
    if together == 1:
        for each in (cpu_chain, looking):
            monkeypatch.setattr(each, "SMALL", 0)
    elif together:
        monkeypatch.setattr(cpu_chain, "HELD", together * x.size)
    model = stacked_model(BLOCKS[kind], shape=shape)
    found = check(model, x, seen(fit_once(model, x, tmp_path / "run", "probes")))
    assert (found["dead_share"] > 0).any() == (kind == "without skips, with dead units")


@pytest.mark.parametrize("remat", [True, "sqrt"])
def test_slices_that_are_computed_again_are_seen(remat, tmp_path):
    x, model = samples(), stacked_model(BLOCKS["skips"], remat=remat)
    check(model, x, seen(fit_once(model, x, tmp_path / "run", "probes")))


@pytest.mark.skipif(BACKEND != "torch", reason="only PyTorch measures several blocks in one call")
def test_a_gradient_from_within_a_block_is_left_out(tmp_path, monkeypatch):
    def found(folder):
        model = stacked_model(lambda: dense(activity_regularizer=keras.regularizers.L2(0.3)))
        return seen(fit_once(model, samples(), folder, "probes"))

    together = found(tmp_path / "together")
    monkeypatch.setattr(cpu_chain, "SMALL", 0)
    for statistic, alone in found(tmp_path / "alone").items():
        np.testing.assert_allclose(together[statistic], alone, rtol=1e-5, err_msg=statistic)


@pytest.mark.skipif(BACKEND != "torch", reason="other backends warn of weights that get no gradient")
def test_a_stack_without_a_gradient_has_one_of_0(tmp_path):
    inputs = keras.Input((WIDTH,))
    stream = keras.layers.Dense(WIDTH)(inputs)
    cut = keras.layers.Lambda(keras.ops.stop_gradient)(Stack(BLOCKS["skips"](), DEPTH)(stream))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Add()([cut, stream])))
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        found = seen(fit_once(model, samples(), tmp_path / "run", "probes"))
    assert (found["backward_norm"][:DEPTH] == 0).all() and found["backward_norm"][-1] > 0
    assert (found["forward_rms"] > 0).all()


def test_what_is_no_number_is_missing_in_its_slice_and_behind(tmp_path):
    model = stacked_model(BLOCKS["skips"])
    weights = model.get_layer("blocks").stacked[2]
    values = keras.ops.convert_to_numpy(weights).copy()
    values[4] = np.nan
    weights.assign(values)
    found = seen(fit_once(model, samples(), tmp_path / "run", "probes"))
    assert (found["forward_rms"][:4] > 0).all() and np.isnan(found["forward_rms"][4:]).all()


@pytest.mark.skipif(BACKEND != "torch", reason="no other backend has layers that write over their inputs")
def test_a_slice_that_writes_over_its_input_leaves_nothing_wrong_of_it(tmp_path):
    torch = pytest.importorskip("torch")

    @keras.saving.register_keras_serializable(package="tests")
    class Overwriting(keras.layers.Dense):
        def call(self, inputs, training=None):
            inputs.detach().mul_(2.0)
            return torch.zeros_like(inputs) + self.bias

    x = samples()
    model = stacked_model(lambda: Overwriting(WIDTH))
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        found = seen(fit_once(model, x, tmp_path / "run", "probes"))
    assert np.isnan(found["forward_rms"]).all() and np.isnan(found["branch_ratio"]).all()


@pytest.mark.skipif(BACKEND != "torch", reason="other backends free what a step has computed by themselves")
@pytest.mark.parametrize("level", ["norms", "probes"])
def test_a_step_leaves_no_tensors_that_only_a_search_for_garbage_frees(level, tmp_path):
    torch = pytest.importorskip("torch")

    class Collect(keras.callbacks.Callback):
        async_safe = True
        left = ()

        def on_train_batch_begin(self, batch, logs=None):
            if batch == 2:
                gc.collect()
                gc.disable()
            if batch == 4:
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                gc.set_debug(0)
                self.left = [each for each in gc.garbage if isinstance(each, torch.Tensor)]
                gc.garbage.clear()

    collect = Collect()
    watched = reskeras.watch(stacked_model(BLOCKS["skips"]))
    watched.compile("adam", "mse")
    x = np.tile(samples(), (6, 1))
    monitor = reskeras.GradientMonitor(tmp_path / "run", level=level)
    try:
        watched.fit(x, x[:, :3], batch_size=SAMPLES, verbose=0, callbacks=[collect, monitor])
    finally:
        gc.enable()
    # Keras itself holds the samples of each step in what knows itself.
    left = [each for each in collect.left if each.shape == (SAMPLES, WIDTH)]
    assert len(left) <= 2
