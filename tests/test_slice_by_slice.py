"""Optimizers that look at whole weights train a Stack as they train blocks of their own."""

from __future__ import annotations

from contextlib import ExitStack

import keras
import numpy as np
import pytest
from autodiff import SOON_COMPILED, precision

from reskeras.layers import HighwayDense, Stack
from reskeras.telemetry import ring
from reskeras.telemetry.layout import MEASURED

DEPTH, WIDTH = 3, 4


@keras.saving.register_keras_serializable("test_slice_by_slice")
class Own(keras.optimizers.Optimizer):
    """A step of the norm of the weight as it was at first, against the sign of the mean direction."""

    def build(self, variables):
        super().build(variables)
        self.first, self.count = {}, []
        for variable in variables:
            self.first[variable.path] = self.add_variable_from_reference(variable, "first")
            self.assign(self.first[variable.path], keras.ops.copy(variable))
            self.count.append(self.add_variable(shape=(), name="count"))

    def update_step(self, gradient, variable, learning_rate):
        ops = keras.ops
        count = self.count[self._get_variable_index(variable)]
        self.assign_add(count, ops.max(ops.abs(gradient)))
        # TensorFlow gives its own variable where it is not stacked, and its name with a number.
        path = getattr(variable, "path", None) or next(
            each.path for each in self._trainable_variables if each.value is variable
        )
        step = learning_rate * ops.sqrt(1 + ops.sum(ops.square(self.first[path]))) / (1 + count)
        self.assign_sub(variable, step * ops.sign(gradient) * len(variable.shape))


class Clipped(keras.optimizers.SGD):
    """Inherits a step that sees each number alone and takes another."""

    def update_step(self, gradient, variable, learning_rate):
        gradient = gradient / keras.ops.maximum(keras.ops.max(keras.ops.abs(gradient)), 1e-3)
        super().update_step(gradient, variable, learning_rate)


def _several():
    patterns = {r"stack.*": keras.optimizers.Muon(0.02), "stem/kernel": keras.optimizers.SGD(0.1, clipnorm=0.01)}
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(keras.optimizers.Adafactor(0.05), patterns))


OPTIMIZERS = {
    "clipnorm": lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=5.0, weight_decay=0.01),
    "clipnorm, averaged": lambda: keras.optimizers.AdamW(
        0.01, clipnorm=5.0, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "clipnorm, accumulated": lambda: keras.optimizers.Adam(0.01, clipnorm=5.0, gradient_accumulation_steps=2),
    "Lamb": lambda: keras.optimizers.Lamb(0.05, weight_decay=0.1, use_ema=True, ema_momentum=0.5),
    "Lamb, all at once": lambda: keras.optimizers.Lamb(
        0.05, clipnorm=5.0, weight_decay=0.1, gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=1
    ),
    "Adafactor": lambda: keras.optimizers.Adafactor(0.05),
    "Muon": lambda: keras.optimizers.Muon(0.05, weight_decay=0.1, adam_weight_decay=0.2, clipnorm=5.0),
    "Muon, some excluded": lambda: keras.optimizers.Muon(0.05, exclude_layers=[r"stack_\d+/.*narrow"]),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Lamb(0.05, clipnorm=5.0), 8.0),
    "several": _several,
    "own": lambda: Own(0.05),
    "own step of another": lambda: Clipped(0.05, momentum=0.9, clipnorm=5.0),
}


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def _block():
    inside = [
        keras.layers.Dense(WIDTH + 2, activation="tanh", use_bias=False, name="wide"),
        keras.layers.Dense(WIDTH, name="narrow"),
    ]
    return keras.Sequential(inside, name="block")


def _weights(together):
    """Return the weights of a stack between two others, or those of its slices as weights of their own."""
    keras.utils.set_random_seed(3)
    stack = Stack(_block(), DEPTH, name="stack")
    stack.build((None, WIDTH))
    weights = stack.trainable_variables
    if not together:
        weights = [_variable(path, row) for v in weights for path, row in zip(v.slices.paths, _array(v), strict=True)]
    generator = np.random.default_rng(2)
    return [_variable("stem/kernel", generator.normal(size=(2, 3))), *weights, _variable("head/bias", np.zeros(3))]


def _variable(path, value):
    *scopes, name = path.split("/")
    with ExitStack() as stack:
        for each in scopes:
            stack.enter_context(keras.name_scope(each))
        return keras.Variable(value, dtype="float64", name=name)


def _apart(weights, gradients):
    """Return what belongs to stacked weights as what belongs to the weights of their slices."""
    pairs = zip(weights, gradients, strict=True)
    return [row for weight, each in pairs for row in (each if hasattr(weight, "slices") else [each])]


def _train(optimizer, weights, steps):
    """Apply gradients as training does on each backend."""
    optimizer.build(weights)
    if keras.backend.backend() == "jax":
        import jax

        step = jax.jit(optimizer.stateless_apply, compiler_options=SOON_COMPILED)
        values = [each.value for each in weights], [each.value for each in optimizer.variables]
        for gradients in steps:
            values = step(values[1], gradients, values[0])
        for variable, value in zip([*weights, *optimizer.variables], [*values[0], *values[1]], strict=True):
            variable.assign(value)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        step = tf.function(lambda gradients: optimizer.apply(gradients))
        for gradients in steps:
            step([tf.constant(each) for each in gradients])
    else:
        import torch

        for gradients in steps:
            with torch.no_grad():
                optimizer.apply([torch.from_numpy(each) for each in gradients])
    optimizer.finalize_variable_values(weights)
    return [_array(each) for each in weights]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_trains_stacked_weights_as_weights_of_their_own(name):
    generator = np.random.default_rng(0)
    with precision("float64"):
        together, separate = _weights(True), _weights(False)
        # Slices get small gradients and large ones: a limit is passed by some.
        factors = [
            np.arange(1.0, DEPTH + 1).reshape(-1, *[1] * (each.ndim - 1)) if hasattr(each, "slices") else 1.0
            for each in together
        ]
        steps = [
            [generator.normal(size=each.shape) * factor for each, factor in zip(together, factors, strict=True)]
            for _ in range(4)
        ]
        before = [_array(each) for each in separate]
        wanted = _train(OPTIMIZERS[name](), separate, [_apart(together, each) for each in steps])
        found = _train(OPTIMIZERS[name](), together, steps)
    for start, each, other in zip(before, wanted, _apart(together, found), strict=True):
        assert np.abs(each - start).max() > 1e-4
        np.testing.assert_allclose(other, each, rtol=1e-9, atol=1e-12)


def _model(together):
    keras.utils.set_random_seed(3)
    x = inputs = keras.Input((WIDTH,))
    for part in ("frozen", "trained"):
        if together:
            layers = [Stack(HighwayDense(), 2, name=part)]
        else:
            # One is made when the one before is built, for each draws its seeds in both.
            layers = (HighwayDense(name=f"{part}_{number}") for number in (1, 2))
        for layer in layers:
            x = layer(x)
            layer.trainable = part == "trained"
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(x))
    model.compile(
        keras.optimizers.Lamb(0.05, clipnorm=0.05, weight_decay=0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _fit(model):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(8, WIDTH)), generator.integers(0, 3, 8)
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)


def test_a_model_learns_as_its_unrolled_one_with_a_stack_that_is_frozen():
    with precision("float64"):
        models = _model(True), _model(False)
        before = models[0].get_weights()
        for model in models:
            _fit(model)
    found, wanted = (
        {layer.name: [_array(each) for each in layer.weights] for layer in model.layers[1:]} for model in models
    )
    for part in ("frozen", "trained"):
        blocks = [wanted.pop(f"{part}_{number}") for number in (1, 2)]
        wanted[part] = [np.stack(those) for those in zip(*blocks, strict=True)]
    for name, weights in wanted.items():
        for each, other in zip(found[name], weights, strict=True):
            np.testing.assert_allclose(each, other, rtol=1e-9, atol=1e-12)
    moved = [np.abs(new - old).max() > 1e-4 for new, old in zip(models[0].get_weights(), before, strict=True)]
    assert moved == [False] * 4 + [True] * 6


@pytest.mark.parametrize("name", ["Adafactor", "own"])
def test_a_file_keeps_what_the_optimizer_knows(name, tmp_path):
    inputs = keras.Input((WIDTH,))
    model = keras.Model(inputs, Stack(keras.layers.Dense(WIDTH), DEPTH)(inputs))
    model.compile(OPTIMIZERS[name](), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    _fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is type(OPTIMIZERS[name]())
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for found, wanted in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(_array(found), _array(wanted))
    for each in (model, loaded):
        _fit(each)
    for found, wanted in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_allclose(_array(found), _array(wanted), rtol=1e-5)


def _stack():
    stack = Stack(keras.layers.Dense(WIDTH), DEPTH, name="stack")
    stack.build((None, WIDTH))
    return stack


def _gradients(stack):
    generator = np.random.default_rng(1)
    # From small to large, so that a limit is passed by some slices and not by others.
    return [
        keras.ops.convert_to_tensor(
            generator.normal(size=each.shape) * np.arange(1, DEPTH + 1).reshape(-1, *[1] * (each.ndim - 1)),
            dtype=each.dtype,
        )
        for each in stack.trainable_variables
    ]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("make", [lambda: keras.optimizers.SGD(1.0, clipnorm=5.0), lambda: keras.optimizers.Lamb(0.1)])
def test_gradients_are_recorded_before_they_are_clipped(make, when):
    recorded, plain = _stack(), _stack()
    for target, source in zip(recorded.variables, plain.variables, strict=True):
        target.assign(source)
    gradients = _gradients(plain)
    optimizer, other = make(), make()
    if when == "before":
        ring.attach(optimizer)
    optimizer.build(recorded.trainable_variables)
    ring.attach(optimizer)
    optimizer.apply(gradients)
    [recording] = ring.recordings(optimizer)
    _, rows = ring.new_rows(_array(recording.ring), 0)
    _, measured, _ = ring.parts(recording, rows)
    row = measured[0, MEASURED.index("gradient_norm")]
    norms = [np.linalg.norm(row) for each in gradients for row in _array(each).reshape(DEPTH, -1)]
    np.testing.assert_allclose(row, norms, rtol=1e-5)
    ring.detach(optimizer)
    assert type(optimizer) is type(other)
    optimizer.apply(gradients)
    other.build(plain.trainable_variables)
    for _ in range(2):
        other.apply(gradients)
    assert len(optimizer.variables) == len(other.variables)
    for found, wanted in zip(recorded.variables, plain.variables, strict=True):
        np.testing.assert_array_equal(_array(found), _array(wanted))


def test_it_clips_each_slice_by_its_own_norm():
    stack = _stack()
    before, gradients = [_array(each) for each in stack.trainable_variables], _gradients(stack)
    optimizer = keras.optimizers.SGD(1.0, clipnorm=5.0)
    optimizer.build(stack.trainable_variables)
    optimizer.apply(gradients)
    clipped = []
    for variable, start, gradient in zip(stack.trainable_variables, before, map(_array, gradients), strict=True):
        for row, first, each in zip(_array(variable), start, gradient, strict=True):
            norm = np.linalg.norm(each)
            clipped.append(norm > 5)
            np.testing.assert_allclose(row, first - each * min(1, 5 / norm), rtol=1e-5, atol=1e-6)
    assert 0 < sum(clipped) < len(clipped)


class Deciding(keras.optimizers.Optimizer):
    """Python code that looks at values."""

    def update_step(self, gradient, variable, learning_rate):
        if float(keras.ops.max(gradient)) > 2:
            self.assign_sub(variable, gradient)


def test_steps_that_python_decides_are_taken_one_after_another():
    stack = _stack()
    before, gradients = [_array(each) for each in stack.trainable_variables], _gradients(stack)
    optimizer = Deciding(0.1)
    optimizer.build(stack.trainable_variables)
    optimizer.apply(gradients)
    for variable, start, gradient in zip(stack.trainable_variables, before, map(_array, gradients), strict=True):
        taken = gradient.reshape(DEPTH, -1).max(1) > 2
        wanted = start - np.where(taken.reshape(-1, *[1] * (start.ndim - 1)), gradient, 0)
        np.testing.assert_allclose(_array(variable), wanted, rtol=1e-6)
        assert taken.any() and not taken.all()


class Sharing(keras.optimizers.Optimizer):
    """One number for all weights, changed in the step of each."""

    def build(self, variables):
        super().build(variables)
        self.total = self.add_variable(shape=(), name="total")

    def update_step(self, gradient, variable, learning_rate):
        self.assign_add(self.total, keras.ops.sum(gradient))


def test_a_step_that_changes_what_all_weights_share_is_refused():
    stack = _stack()
    optimizer = Sharing(0.1)
    optimizer.build(stack.trainable_variables)
    with pytest.raises(ValueError, match=r"Sharing for stack/kernel .* no slice: .*/total\. .*reskeras\.unroll"):
        optimizer.apply(_gradients(stack))
    assert stack.stacked[0].shape == (DEPTH, WIDTH, WIDTH)


def test_a_rule_that_excludes_some_slices_alone_is_refused():
    optimizer = keras.optimizers.Muon(exclude_layers=["stack_2"])
    with pytest.raises(ValueError, match=r"excludes stack_2/kernel but not stack_1/kernel\. Name all"):
        optimizer.build(_stack().trainable_variables)
    assert not optimizer.built


def test_an_optimizer_of_other_weights_is_as_ever():
    _stack()
    optimizer = keras.optimizers.Lamb()
    own = set(vars(optimizer))
    optimizer.build([keras.Variable(np.ones((2, 2)))])
    assert set(vars(optimizer)) - own == {"_momentums", "_velocities"}
