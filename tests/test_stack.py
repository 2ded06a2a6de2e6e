"""Equal blocks as one layer compute, start and learn as the same blocks one after another."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from autodiff import gradients, precision

from reskeras.layers import (
    BasicBlock,
    DecoderBlock,
    DropPath,
    EncoderBlock,
    HighwayDense,
    Residual,
    ResidualMLPBlock,
    Stack,
)

DEPTH, WIDTH = 5, 8


@keras.saving.register_keras_serializable("test_stack")
class _Norm(keras.regularizers.Regularizer):
    """The norm of a weight: that of all slices at once is not the sum of theirs."""

    def __call__(self, weight):
        return 0.1 * keras.ops.sqrt(keras.ops.sum(keras.ops.square(weight)))

    def get_config(self):
        return {}


def _regularised():
    strict = {"kernel_regularizer": _Norm(), "bias_regularizer": "l1"}
    dense = keras.layers.Dense(WIDTH, activation="relu", kernel_constraint=keras.constraints.MaxNorm(0.5), **strict)
    return Residual([dense, keras.layers.ActivityRegularization(l2=0.1)])


# How a new block is made, and the shape of a sample.
BLOCKS = {
    "normalised": (lambda: ResidualMLPBlock(order="pre"), (WIDTH,)),
    "gated": (lambda: HighwayDense(), (WIDTH,)),
    "dropout": (
        lambda: Residual([keras.layers.Dense(WIDTH, activation="tanh"), keras.layers.Dropout(0.3), DropPath(0.2)]),
        (WIDTH,),
    ),
    "regularised": (_regularised, (WIDTH,)),
    "attention": (lambda: EncoderBlock(2, 16, dropout=0.1), (4, WIDTH)),
    "convolutions": (lambda: BasicBlock(WIDTH), (4, 4, WIDTH)),
    "plain Keras": (lambda: keras.Sequential([keras.layers.Dense(WIDTH), keras.layers.LeakyReLU()]), (WIDTH,)),
    "recurrent": (lambda: keras.layers.LSTM(WIDTH, return_sequences=True, recurrent_dropout=0.2), (4, WIDTH)),
}

MADE_OF_OTHERS = ("gated", "plain Keras")
"""Products of dense layers, with no state, seed or loop of their own: the same to a backend as those beside them."""


def _model(kind, together, depth=DEPTH, **options):
    keras.utils.set_random_seed(3)
    make, shape = BLOCKS[kind]
    inputs = keras.Input(shape)
    x = inputs
    if together:
        x = Stack(make(), depth, name="stack", **options)(x)
    else:
        for _ in range(depth):
            x = make()(x)
    x = keras.layers.Flatten()(x) if len(shape) > 1 else x
    return keras.Model(inputs, keras.layers.Dense(3, name="head")(x))


def _samples(model, count=8):
    generator = np.random.default_rng(0)
    return generator.normal(size=(count, *model.input_shape[1:])), generator.integers(0, 3, count)


def _losses(model, optimizer=None):
    x, y = _samples(model)
    model.compile(optimizer or keras.optimizers.SGD(0.01, momentum=0.5), "sparse_categorical_crossentropy")
    keras.utils.set_random_seed(1)
    return model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"]


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.any_backend if kind in MADE_OF_OTHERS else []) for kind in BLOCKS]
)
def test_it_learns_as_blocks_one_after_another(kind):
    with precision("float64"):
        separate, together = _model(kind, False, 3), _model(kind, True, 3)
        x, _ = _samples(separate)
        np.testing.assert_allclose(_array(together(x)), _array(separate(x)), rtol=1e-9, atol=1e-12)
        wanted = _losses(separate)
        assert len(set(wanted)) > 1
        np.testing.assert_allclose(_losses(together), wanted, rtol=1e-9)
        np.testing.assert_allclose(_array(together(x)), _array(separate(x)), rtol=1e-7, atol=1e-9)


# On further backends each kind of state in one of the two ways; what is drawn, which attention does too, in both.
@pytest.mark.parametrize(
    ("kind", "remat"),
    [
        ("normalised", "sqrt"),
        ("dropout", "sqrt"),
        ("regularised", True),
        ("attention", True),
        pytest.param("normalised", True, marks=pytest.mark.any_backend),
        pytest.param("dropout", True, marks=pytest.mark.any_backend),
        pytest.param("regularised", "sqrt", marks=pytest.mark.any_backend),
        pytest.param("attention", "sqrt", marks=pytest.mark.any_backend),
    ],
)
@pytest.mark.usefixtures("fused")
def test_recomputation_changes_nothing(kind, remat):
    plain, recomputed = _model(kind, True), _model(kind, True, remat=remat)
    assert _losses(recomputed) == pytest.approx(_losses(plain), rel=1e-6)
    for found, wanted in zip(recomputed.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_its_gradients_are_those_of_the_blocks():
    with precision("float64"):
        separate, together = _model("normalised", False), _model("normalised", True)
        x, y = _samples(separate)
        apart, stacked = gradients(separate, x, y), gradients(together, x, y)
    blocks = [layer for layer in separate.layers if isinstance(layer, ResidualMLPBlock)]
    for path, found in stacked.items():
        if path.startswith("stack/"):
            wanted = np.stack([apart[path.replace("stack", block.name, 1)] for block in blocks])
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-15)
            assert np.abs(wanted).max() > 0


def test_every_slice_drops_its_branch_at_its_own_rate():
    rates = [0.1, 0.3, 0.6, 0.8]
    with precision("float64"):

        def branch(rate):
            return Residual([keras.layers.Dense(WIDTH), DropPath(rate)])

        def model(layers):
            inputs = keras.Input((WIDTH,))
            x = inputs
            for layer in layers():
                x = layer(x)
            return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))

        def losses(layers):
            keras.utils.set_random_seed(5)
            network = model(layers)
            return _losses(network), network.predict(_samples(network)[0], verbose=0)

        wanted, predicted = losses(lambda: (branch(rate) for rate in rates))
        found, repeated = losses(lambda: [Stack(branch(0.5), len(rates), drop_path=rates)])
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    np.testing.assert_allclose(repeated, predicted, rtol=1e-5)


def test_a_memory_goes_to_every_slice_and_padding_is_not_seen():
    keras.utils.set_random_seed(2)
    inputs, memory = keras.Input((None, WIDTH)), keras.Input((None, WIDTH))
    stack = Stack([DecoderBlock(2, 16), ResidualMLPBlock(normalization="layer")], 3, name="stack")
    masked, read = keras.layers.Masking()(inputs), keras.layers.Masking()(memory)
    model = keras.Model([inputs, memory], stack(masked, read))
    generator = np.random.default_rng(1)
    x, m = generator.normal(size=(2, 5, WIDTH)), generator.normal(size=(2, 4, WIDTH))
    x[0, 3:], m[1, 2:] = 0, 0
    x, m = x.astype("float32"), m.astype("float32")
    whole = _array(model([x, m]))
    cut = _array(model([x[:, :3], m]))
    np.testing.assert_allclose(whole[:, :3], cut, atol=1e-5)
    np.testing.assert_allclose(whole[1], _array(model([x[1:], m[1:, :2]]))[0], atol=1e-5)
    assert np.abs(_array(model([x, m + 1])) - whole).max() > 1e-3
    y = stack(keras.layers.Masking()(x), m)
    np.testing.assert_array_equal(_array(keras.src.backend.get_keras_mask(y)), np.any(x != 0, -1))


def test_a_frozen_stack_keeps_its_weights_and_statistics():
    model = _model("normalised", True)
    model.get_layer("stack").trainable = False
    before = [each.copy() for each in model.get_layer("stack").get_weights()]
    assert len(model.trainable_variables) == 2
    _losses(model)
    for found, wanted in zip(model.get_layer("stack").get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)
    model.get_layer("stack").trainable = True
    _losses(model)
    assert all(
        np.abs(found - wanted).max() > 0
        for found, wanted in zip(model.get_layer("stack").get_weights(), before, strict=True)
    )


def test_it_computes_in_bfloat16_and_keeps_float32():
    with precision("mixed_bfloat16"):
        model = _model("attention", True)
        assert {each.dtype for each in model.trainable_variables} == {"float32"}
        y = model.get_layer("stack")(np.ones((2, 4, WIDTH), "float32"))
        assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
        assert np.isfinite(_losses(model)).all()


def test_its_file_has_its_weights_and_nothing_else(tmp_path):
    model = _model("dropout", True, drop_path=[0.1] * DEPTH, names=[f"b{number}" for number in range(DEPTH)])
    model.save(tmp_path / "stack.keras")
    loaded = keras.models.load_model(tmp_path / "stack.keras")
    x, _ = _samples(model)
    np.testing.assert_array_equal(_array(loaded(x)), _array(model(x)))
    assert loaded.get_layer("stack").names == model.get_layer("stack").names
    assert [each.path for each in loaded.variables] == [each.path for each in model.variables]


@pytest.mark.parametrize("make", [lambda: keras.optimizers.AdamW(), lambda: keras.optimizers.Adam(global_clipnorm=0.1)])
def test_an_optimizer_that_sees_each_number_alone_learns_as_from_separate_blocks(make):
    with precision("float64"):
        wanted = _losses(_model("gated", False), make())
        np.testing.assert_allclose(_losses(_model("gated", True), make()), wanted, rtol=1e-7)


@pytest.mark.parametrize("initializer", ["he_normal", "orthogonal", lambda: keras.initializers.RandomNormal(seed=7)])
def test_every_slice_starts_by_itself(initializer):
    made = initializer() if callable(initializer) else initializer
    stack = Stack(keras.layers.Dense(64, kernel_initializer=made), 6)
    stack.build((None, 64))
    kernel = _array(stack.stacked[0])
    start = keras.initializers.get(initializer() if callable(initializer) else initializer)
    wanted = np.std(_array(start((64, 64))))
    for number, each in enumerate(kernel):
        assert np.std(each) == pytest.approx(wanted, rel=0.1)
        assert all(np.abs(each - other).max() > 0.1 * wanted for other in kernel[:number])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stack(keras.layers.Dense(4), 0), r"depth must be a whole number from 1\. Received: depth=0"),
        (lambda: Stack(keras.layers.Dense(4), 2).build((None, 8)), r"must keep the shape of its input.*\(None, 4\)"),
        (lambda: Stack(DropPath(0.1), 3, drop_path=[0.1]), r"drop_path must have one entry for each slice, 3.*1"),
        (lambda: Stack(DropPath(0.1), 3, names=["a"]), r"names must have one entry for each slice, 3.*1"),
        (lambda: Stack(DropPath(0.1), 3, remat="all"), r"remat must be False, True or 'sqrt'.*'all'"),
    ],
)
def test_wrong_arguments_say_what_came_and_what_fits(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class Shifted(keras.layers.Layer):
    """A layer of somebody's own, which Keras has not been told of."""

    def build(self, input_shape):
        self.shift = self.add_weight(shape=(input_shape[-1],), initializer="random_normal")

    def call(self, x):
        return x + self.shift

    def compute_output_shape(self, input_shape):
        return input_shape


def test_layers_that_are_not_registered_with_keras_are_stacked():
    stack = Stack(keras.Sequential([Shifted(), Shifted()]), 3)
    found = stack(np.zeros((2, 4), "float32"))
    wanted = sum(_array(each).sum(0) for each in stack.trainable_variables)
    np.testing.assert_allclose(_array(found), np.tile(wanted, (2, 1)), rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the other backends' default is tested everywhere")
@pytest.mark.parametrize("block", [ResidualMLPBlock, HighwayDense])
def test_a_stack_learns_the_same_where_xla_compiles_it(block):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(12, WIDTH)).astype("float32"), generator.integers(0, 3, 12)
    found = []
    for compiled in (False, True):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((WIDTH,))
        model = keras.Model(inputs, keras.layers.Dense(3)(Stack(block(), DEPTH)(inputs)))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=compiled)
        assert model.jit_compile is compiled
        found.append(
            (model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"], model.get_weights())
        )
    (losses, weights), (ours, theirs) = found
    np.testing.assert_allclose(ours, losses, rtol=1e-5)
    for one, two in zip(weights, theirs, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
