"""Recomputation: the same training to the last bit, and what it keeps for the gradient."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from autodiff import precision
from keras.src.backend import get_keras_mask
from networks import CLASSES, input_shape, samples
from weights import randomise

import reskeras
from reskeras.blocks.dense import dense_layer
from reskeras.builder import build_plan
from reskeras.catalogue import ARCHITECTURES, plan
from reskeras.layers import DenseBlock, Recompute, Residual, Stack
from reskeras.plan import Plan, Stage
from reskeras.steps import Dense, GlobalPool
from reskeras.transforms.portable import portable, save_portable

layers = keras.layers


def _fit(model, x, y):
    """Train for six steps and return every variable: weights, moving statistics, states of dropout."""
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return [keras.ops.convert_to_numpy(keras.ops.cast(each, "float32")) for each in model.variables]


def _samples(shape, units):
    generator = np.random.default_rng(2)
    return generator.normal(size=(12, *shape)).astype("float32"), generator.normal(size=(12, units)).astype("float32")


def _assert_equal(wanted, found):
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(one, other)


def _branch():
    return Residual([layers.Dense(8, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.4, seed=3)])


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.usefixtures("fused")
def test_training_is_equal_to_the_last_bit_with_statistics_and_dropout(policy):
    x, y = _samples((8,), 1)
    found = []
    for wrap in (lambda layer: layer, Recompute):
        with precision(policy):
            keras.utils.set_random_seed(1)
            inputs = keras.Input((8,))
            outputs = layers.Dense(1)(wrap(_branch())(wrap(_branch())(inputs)))
            found.append(_fit(keras.Model(inputs, outputs), x, y))
    _assert_equal(*found)


@pytest.mark.usefixtures("fused")
def test_a_dense_block_is_trained_to_the_same_bits():
    x, y = _samples((6, 2), 1)
    found = []
    for recompute in (False, True):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((6, 2))
        features = DenseBlock(9, 4, dropout=0.3, recompute=recompute)(inputs)
        model = keras.Model(inputs, layers.Dense(1)(layers.GlobalAveragePooling1D()(features)))
        found.append(_fit(model, x, y))
    _assert_equal(*found)


def test_a_dense_stage_starts_and_learns_the_same():
    x, y = _samples((64, 4), 1)
    starts, ends = [], []
    with precision("float64"):
        for remat in (False, True):
            keras.utils.set_random_seed(1)
            model = _dense_stage(3, remat, dropout=0.3)
            starts.append([np.array(each) for each in model.get_weights()])
            ends.append(_fit(model, x, y))
    _assert_equal(*starts)
    for wanted, found in zip(*ends, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["densenet", "imagenet_densenet", "text_densenet"])
def test_every_densenet_recomputes_all_of_its_blocks(name):
    shape, options = input_shape(name), ARCHITECTURES[name].tiny
    plain, saving = (
        reskeras.build(name, input_shape=shape, classes=CLASSES, remat=remat, **options) for remat in (False, True)
    )
    assert [each.path for each in saving.variables] == [each.path for each in plain.variables]
    addresses = [address for address, _ in plan(name, shape, CLASSES, **options).blocks()]
    assert [layer.name for layer in saving.layers if isinstance(layer, Residual) and layer.recompute] == addresses


def test_a_recomputing_densenet_is_saved_and_taken_apart(tmp_path):
    x, _ = samples("text_densenet")
    saving = reskeras.build("text_densenet", input_shape=x.shape[1:], classes=CLASSES, depth=45, width=2, remat=True)
    randomise(saving)
    saving.save(tmp_path / "saving.keras")
    loaded = keras.models.load_model(tmp_path / "saving.keras")
    assert loaded.get_layer("stage1_block2").recompute
    _assert_equal(saving.get_weights(), loaded.get_weights())
    # Which compares the predictions of the file with those of the model.
    save_portable(loaded, tmp_path / "plain.keras", x)
    names = {layer.name for layer in keras.models.load_model(tmp_path / "plain.keras").layers}
    assert {"stage1_block2_join", "stage1_block2_conv1", "stage1_block9_pieces_join", "stage1_block10_skip"} <= names


def test_losses_inside_are_those_of_the_layer():
    x, y = _samples((8,), 8)
    found = []
    for wrap in (lambda layer: layer, Recompute):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((8,))
        model = keras.Model(inputs, wrap(layers.Dense(8, activity_regularizer="l2", kernel_regularizer="l1"))(inputs))
        found.append(_fit(model, x, y))
    _assert_equal(*found)


def test_frozen_parts_stay_and_the_rest_is_trained():
    x, y = _samples((8,), 8)
    inner = _branch()
    inner.branch[0].trainable = False
    inputs = keras.Input((8,))
    model = keras.Model(inputs, Recompute(inner)(inputs))
    before = [np.array(each) for each in model.get_weights()]
    _fit(model, x, y)
    changed = [not np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True)]
    named = dict(zip([weight.path for weight in model.weights], changed, strict=True))
    assert {path.rsplit("/", 1)[1] for path, change in named.items() if not change} == {"kernel", "bias"}
    assert sum(changed) == 4


def test_it_is_taken_apart_into_what_it_wraps():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, Recompute(_branch(), name="saving")(inputs))
    plain = [type(layer).__name__ for layer in portable(model).layers]
    assert plain == ["InputLayer", "Dense", "BatchNormalization", "Dropout", "Add"]


def test_a_mask_reaches_the_layer_inside_and_goes_on():
    """In training too, where the layer runs apart from the tensors that carry the mask."""
    tokens = np.array([[3, 4, 0], [5, 0, 0]], "int32")
    found = []
    for wrap in (lambda layer: layer, Recompute):
        keras.utils.set_random_seed(1)
        embedded = layers.Embedding(9, 4, mask_zero=True)(tokens)
        found.append(keras.ops.convert_to_numpy(wrap(layers.LSTM(4))(embedded, training=True)))
        normalized = wrap(layers.LayerNormalization())(embedded, training=True)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(get_keras_mask(normalized)), tokens != 0)
    np.testing.assert_array_equal(*found)


def _dense_stage(depth, remat, dropout=0.0):
    """Return a network of one stage, as the builder makes it."""
    blocks, head = (dense_layer(4, dropout=dropout),) * depth, (GlobalPool(), Dense(1))
    return build_plan(Plan("dense", (64, 4), 1, (), (Stage(blocks),), head), remat=remat)


def _dense_block(depth, remat):
    return DenseBlock(depth, 4, recompute=remat)


@pytest.mark.parametrize("dense", [_dense_block, _dense_stage])
def test_what_is_kept_grows_with_the_depth_and_not_with_its_square(backend, dense):
    if backend == "tensorflow":
        pytest.skip("TensorFlow does not tell what it keeps; tests/benchmarks/bench_recompute.py measures it")
    _kept = {"torch": _kept_by_torch, "jax": _kept_by_jax}[backend]
    x = np.ones((2, 64, 4), "float32")
    # Pieces are joined by eights.
    depths = (8, 16, 24)
    kept = {recompute: [_kept(dense(depth, recompute), x) for depth in depths] for recompute in (False, True)}
    # Of what grows as a n^2 + b n, and of what grows as b n.
    for recompute, growth in ((False, (24**2 - 16**2) / (16**2 - 8**2)), (True, 1)):
        small, middle, large = kept[recompute]
        assert abs((large - middle) / (middle - small) - growth) < 0.15, kept


def _kept_by_jax(layer, x) -> int:
    """Return the bytes of activations among what JAX's pull-back holds, each array counted once."""
    import jax

    layer.build(x.shape)
    trained, fixed = (
        [each.value for each in group] for group in (layer.trainable_variables, layer.non_trainable_variables)
    )

    def held(x):
        return jax.tree.leaves(jax.vjp(lambda x: layer.stateless_call(trained, fixed, x, training=True)[0], x)[1])

    # Traced and not run, which would compile each operation by itself.
    found = {id(each): each.aval for each in jax.make_jaxpr(held)(x).jaxpr.outvars}
    kept = [each for each in found.values() if each.ndim == x.ndim and each.shape[0] == len(x)]
    return sum(each.size * each.dtype.itemsize for each in kept)


def _kept_by_torch(layer, x) -> int:
    """Return the bytes of activations that PyTorch keeps for the gradient of a layer, each tensor counted once."""
    import torch

    layer.build(x.shape)
    own, sizes = {variable.value.untyped_storage().data_ptr() for variable in layer.variables}, {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes(), tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(torch.from_numpy(x).requires_grad_(), training=True)
    return sum(size for size, _ in sizes.values())


# The other backends compute them as ever.
SHAPES = [(9, 4), (6, 5, 4), (3, 4, 5, 4)] if keras.backend.backend() == "jax" else [(6, 5, 4)]


@pytest.mark.parametrize("shape", SHAPES)
def test_convolutions_of_recomputed_stacks_are_those_of_kept_ones(shape):
    """On JAX on a CPU they are computed as products of matrices, in every number of dimensions."""
    kind = getattr(layers, f"Conv{len(shape) - 1}D")
    found = []
    with precision("float64"):
        x = np.random.default_rng(0).normal(size=(4, *shape))
        for remat in (False, True, "sqrt"):
            keras.utils.set_random_seed(1)
            branch = [kind(4, 3, padding="same", activation="tanh"), kind(4, 1), kind(4, 3, padding="same", groups=2)]
            inputs = keras.Input(shape)
            model = keras.Model(inputs, Stack(Residual(branch), 5, remat=remat)(inputs))
            model.compile(keras.optimizers.SGD(0.05), "mse")
            model.fit(x, x[::-1], batch_size=2, epochs=2, shuffle=False, verbose=0)
            found.append(model.get_weights())
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-9, atol=1e-12)
