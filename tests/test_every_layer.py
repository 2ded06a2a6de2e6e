"""Every public layer and every option that changes what it is made of, through what a layer of Keras must bear."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cache
from warnings import catch_warnings

import keras
import numpy as np
import pytest
from autodiff import Projection, precision
from examples import Example, examples
from keras.src.testing import TestCase
from weights import randomise

import reskeras.layers
from reskeras.transforms.portable import NotPortable, portable

EXAMPLES = examples()


def _of_other_kinds(found: list[Example]):
    """Yield each example; what differs from one before in options alone is the same whatever the backend."""
    seen = set()
    for example in found:
        kind = example.layer, str(keras.tree.map_structure(lambda size: None, example.input_shape))
        yield pytest.param(example, id=example.name, marks=[pytest.mark.any_backend] if kind in seen else [])
        seen.add(kind)


every_layer = pytest.mark.parametrize("example", list(_of_other_kinds(EXAMPLES)))


class _NewArguments(Mapping):
    """Constructor arguments whose nested layers are new each time they are unpacked."""

    def __init__(self, example: Example):
        self._make = example.arguments
        self._made = self._make()

    def __iter__(self):
        self._made = self._make()
        return iter(self._made)

    def __getitem__(self, name):
        return self._made[name]

    def __len__(self):
        return len(self._made)


def _map_inputs(example: Example, function, shapes=None):
    """Return what a function makes of each input's shape and of whether it is of token numbers, as a call has it."""
    shapes = shapes or example.input_shape
    if isinstance(shapes, dict):
        return {name.removesuffix("_shape"): function(shape, example.integer) for name, shape in shapes.items()}
    if isinstance(shapes, list):
        kinds = example.integer if isinstance(example.integer, tuple) else [example.integer] * len(shapes)
        return [function(shape, integer) for shape, integer in zip(shapes, kinds, strict=True)]
    return function(shapes, example.integer)


def _samples(example: Example, shapes=None, real: str = "float32"):
    generator = np.random.default_rng(0)

    def draw(shape, integer):
        if integer:
            return generator.integers(1, 3, shape).astype("int32")
        return generator.normal(size=shape).astype(real)

    return _map_inputs(example, draw, shapes)


def _call(layer, inputs, **options):
    return layer(**inputs, **options) if isinstance(inputs, dict) else layer(inputs, **options)


def _array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def _model(example: Example, unknown: tuple[int, ...] = (), **settings) -> keras.Model:
    """Return a model of the layer alone, for any batch; the axes in `unknown` are None too."""

    def symbol(shape, integer):
        sizes = (None if axis in unknown else size for axis, size in enumerate(shape[1:], 1))
        return keras.Input(tuple(sizes), dtype="int32" if integer else None)

    inputs = _map_inputs(example, symbol)
    if isinstance(inputs, dict):
        inputs = {name: keras.Input(each.shape[1:], dtype=each.dtype, name=name) for name, each in inputs.items()}
    layer = example.layer(name="example", **example.arguments(), **settings)
    return keras.Model(inputs, _call(layer, inputs))


@cache
def _known(name: str) -> tuple[keras.Model, object, np.ndarray]:
    """Return the model of an example with random weights, samples, and what it predicts of them; made once."""
    example = next(each for each in EXAMPLES if each.name == name)
    model, inputs = _model(example), _samples(example)
    randomise(model)
    return model, inputs, _array(model(inputs))


@every_layer
def test_it_passes_the_layer_checks_of_keras(example, backend):
    checks = TestCase("run_layer_test")
    checks.setUp()
    checks.run_layer_test(
        example.layer,
        init_kwargs=_NewArguments(example),
        input_shape=example.input_shape,
        input_dtype=_dtypes(example),
        expected_output_shape=example.output_shape,
        expected_num_trainable_weights=example.weights,
        expected_num_non_trainable_weights=example.fixed,
        expected_num_seed_generators=example.seeds,
        expected_num_losses=0,
        supports_masking=True,
        # That training cannot feed a dictionary of arguments, nor a list of tensors on TensorFlow.
        run_training_check=isinstance(example.input_shape, tuple if backend == "tensorflow" else (tuple, list)),
    )
    checks.doCleanups()


def _dtypes(example: Example):
    found = _map_inputs(example, lambda _, integer: "int32" if integer else "float32")
    return {f"{name}_shape": dtype for name, dtype in found.items()} if isinstance(found, dict) else found


@every_layer
def test_a_batch_of_any_size_is_its_samples_one_by_one(example):
    model, inputs, wanted = _known(example.name)
    assert model.output_shape == (None, *example.output_shape[1:])
    assert wanted.shape == example.output_shape
    one_by_one = [_array(model(keras.tree.map_structure(lambda x, i=i: x[i : i + 1], inputs))) for i in range(2)]
    np.testing.assert_allclose(np.concatenate(one_by_one), wanted[:2], rtol=1e-5, atol=1e-5)


@every_layer
def test_unknown_sizes_are_any_size(example):
    known, inputs, wanted = _known(example.name)
    alone = [(axis,) for axis in example.unknown]
    for unknown in [*alone, example.unknown] if len(alone) > 1 else alone:
        model = _model(example, unknown)
        model.set_weights(known.get_weights())
        np.testing.assert_allclose(_array(model(inputs)), wanted, rtol=1e-5, atol=1e-5)

        def twice(shape, _, axes=unknown):
            return tuple(2 * size if axis in axes else size for axis, size in enumerate(shape))

        y = _array(model(_samples(example, _map_inputs(example, twice))))
        told = model.output_shape
        assert len(y.shape) == len(told)
        assert all(size in (None, found) for size, found in zip(told, y.shape, strict=True))
        assert np.isfinite(y).all()


@every_layer
def test_its_file_and_its_weights_load(example, tmp_path):
    model, inputs, wanted = _known(example.name)
    model.save(tmp_path / "own.keras")
    loaded = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(_array(loaded(inputs)), wanted)
    model.save_weights(tmp_path / "own.weights.h5")
    fresh = _model(example)
    fresh.load_weights(tmp_path / "own.weights.h5")
    np.testing.assert_array_equal(_array(fresh(inputs)), wanted)


class _Mask(keras.Layer):
    """x with a mask, on the list [x, mask]."""

    def call(self, inputs):
        return keras.ops.copy(inputs[0])

    def compute_mask(self, inputs, previous_mask):
        return inputs[1]

    def compute_output_shape(self, input_shape):
        return input_shape[0]


class _MaskOf(keras.Layer):
    """The mask of x as numbers, (batch, time); one number -1 a sample where there is none."""

    def call(self, x, mask=None):
        if mask is None:
            return -keras.ops.ones_like(x[:, :1] if len(x.shape) == 2 else x[:, 0, :1])
        return keras.ops.cast(mask, "float32")

    def compute_mask(self, inputs, previous_mask):
        return None


@every_layer
def test_a_mask_goes_through_and_padding_is_not_seen(example):
    shape = example.input_shape[0] if isinstance(example.input_shape, list) else example.input_shape
    if example.integer or isinstance(shape, dict) or len(shape) != 3:
        pytest.skip("a mask is of the time axis of a sequence")
    if len(example.output_shape) != 3:
        pytest.skip("no time axis is left")
    known, inputs, _ = _known(example.name)
    mask = np.ones(shape[:2], bool)
    mask[0, -1:] = False
    with nullcontext() if example.keeps_mask else catch_warnings(action="ignore"):
        model = _masked(example)
        model.set_weights(known.get_weights())
        y, found = (_array(each) for each in model([inputs, mask]))
    if not example.keeps_mask:
        assert found.shape in [(len(y), 1), y.shape[:2]]
        return
    np.testing.assert_array_equal(found, mask)
    if not example.leaks:
        garbage = keras.tree.map_structure(lambda x: np.where(mask[..., None], x, 9.0).astype("float32"), inputs)
        other, _ = model([garbage, mask])
        np.testing.assert_allclose(_array(other)[mask], y[mask], rtol=1e-5, atol=1e-5)
    if example.portable:
        np.testing.assert_array_equal(_array(portable(model)([inputs, mask])[1]), mask)


def _masked(example: Example) -> keras.Model:
    """Return a model from sequences and their mask to what the layer gives and the mask that comes out."""
    inputs = _map_inputs(example, lambda shape, _: keras.Input(shape[1:]))
    mask = keras.Input(keras.tree.flatten(inputs)[0].shape[1:2], dtype="bool")
    y = example.layer(**example.arguments())(keras.tree.map_structure(lambda x: _Mask()([x, mask]), inputs))
    return keras.Model([inputs, mask], [y, _MaskOf()(y)])


@every_layer
def test_it_computes_in_bfloat16_and_keeps_its_weights_in_float32(example):
    known, inputs, wanted = _known(example.name)
    with precision("mixed_bfloat16"):
        model = _model(example)
        model.set_weights(known.get_weights())
        y = model(inputs)
        assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
        assert {each.dtype for each in model.weights if "int" not in each.dtype} <= {"float32"}
        np.testing.assert_allclose(
            _array(keras.ops.cast(y, "float32")), wanted, rtol=0, atol=0.05 * (1 + np.abs(wanted).max())
        )
        projection = Projection(model, inputs, wanted.shape)
        _, gradients = projection.value_and_gradients(projection.point())
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@every_layer
def test_its_gradient_is_the_slope_in_float64(example, backend):
    step, tolerance = (1e-3, 1e-3) if example.fused_attention and backend == "jax" else (1e-6, 1e-6)
    with precision("float64"):
        model = _model(example)
        randomise(model)
        inputs = keras.tree.map_structure(
            lambda x: x.astype("float64") if x.dtype.kind == "f" else x, _samples(example)
        )
        projection = Projection(model, inputs, example.output_shape)
        point = projection.point()
        assert all(each.dtype == "float64" for each in point)
        _, gradients = projection.value_and_gradients(point)
        generator = np.random.default_rng(5)
        direction = [generator.normal(size=each.shape) for each in point]
        ahead, behind = (
            projection.value_and_gradients([p + sign * d for p, d in zip(point, direction, strict=True)])[0]
            for sign in (step, -step)
        )
    found = sum(np.sum(g * d) for g, d in zip(gradients, direction, strict=True))
    length = np.sqrt(sum(np.sum(g**2) for g in gradients))
    # What is dropped has no slope.
    assert length > 0 or not point or example.seeds
    # The slope along a random direction is about as large as the gradient is long.
    assert abs((ahead - behind) / (2 * step) - found) <= tolerance * length


@every_layer
def test_channels_first_is_channels_last_transposed(example, backend):
    if not example.channels_first:
        pytest.skip("no data_format")
    if backend == "tensorflow":
        pytest.skip("TensorFlow on a CPU has no convolutions with channels first")
    known, inputs, wanted = _known(example.name)
    layer = example.layer(**example.arguments(), data_format="channels_first")
    first = keras.tree.map_structure(lambda x: np.moveaxis(x, -1, 1), inputs)
    _call(layer, first)
    layer.set_weights(known.get_layer("example").get_weights())
    y = _array(_call(layer, first))
    np.testing.assert_allclose(
        np.moveaxis(y, 1, -1) if len(y.shape) > 2 else y, wanted, rtol=1e-4, atol=1e-5 * (1 + np.abs(wanted).max())
    )


@every_layer
def test_it_is_taken_apart_into_layers_of_keras(example, tmp_path):
    model, inputs, wanted = _known(example.name)
    if not example.portable:
        with pytest.raises(NotPortable):
            portable(model)
        return
    flat = portable(model)
    assert all(type(layer).__module__.startswith("keras.") for layer in flat._flatten_layers())
    assert len(flat.trainable_variables) == example.weights * example.slices
    np.testing.assert_allclose(_array(flat(inputs)), wanted, rtol=1e-5, atol=1e-6)
    flat.save(tmp_path / "flat.keras")
    loaded = keras.models.load_model(tmp_path / "flat.keras")
    np.testing.assert_array_equal(_array(loaded(inputs)), _array(flat(inputs)))


@pytest.mark.parametrize("name", reskeras.layers.__all__)
def test_its_docstring_says_what_a_user_needs_and_its_examples_run(name):
    layer = getattr(reskeras.layers, name)
    assert any(example.layer is layer for example in EXAMPLES), "no example in tests/examples"
    text = inspect.getdoc(layer)
    arguments = inspect.signature(layer).parameters.keys() - {"kwargs"}
    assert bool(arguments) == bool(re.search(r"^Args:", text, re.MULTILINE))
    assert re.search(r"^Input shape:.*Output shape:", text, re.MULTILINE | re.DOTALL)
    names = {"keras": keras, "np": np, **{each: getattr(reskeras.layers, each) for each in reskeras.layers.__all__}}
    written = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    assert written.examples
    report = []
    doctest.DocTestRunner(verbose=False).run(written, out=report.append)
    assert not report, "".join(report)
