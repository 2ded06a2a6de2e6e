"""Gradients by each backend's own automatic differentiation, without Keras's trainer or optimizer."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from unittest.mock import patch

import keras
import numpy as np
from keras.src.backend.common import dtypes


def gradients(model: keras.Model, x, y) -> dict[str, np.ndarray]:
    """Return the gradient of the mean loss in training mode for each trainable weight, by its path.

    The loss is written in the backend: minus the logarithm of the softmax of the logits at the label, averaged. Where
    `y` is a dictionary of outputs, that is the loss of `"output"`, to which the mean squared error of each other output
    is added. `x` is an array or a dictionary of inputs.
    """
    return {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.backend.backend()](model, x, y)


def keras_loss(y):
    """Return the loss of `gradients` as Keras's `compile` takes it."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if not isinstance(y, dict):
        return loss
    return {name: loss if name == "output" else keras.losses.MeanSquaredError() for name in y}


def _loss(outputs, y, cross_entropy, mean):
    if not isinstance(y, dict):
        return cross_entropy(outputs, y)
    squared = (mean((outputs[name] - wanted) ** 2) for name, wanted in y.items() if name != "output")
    return sum(squared, cross_entropy(outputs["output"], y["output"]))


def _jax(model, x, y):
    import jax
    import jax.numpy as jnp

    x, y = jax.tree.map(jnp.asarray, (x, y))
    fixed = [variable.value for variable in model.non_trainable_variables]

    def cross_entropy(logits, labels):
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1))

    def loss(weights):
        outputs, _ = model.stateless_call(weights, fixed, x, training=True)
        return _loss(outputs, y, cross_entropy, jnp.mean)

    found = jax.jit(jax.grad(loss))([variable.value for variable in model.trainable_variables])
    return _by_path(model, [np.asarray(each) for each in found])


def _tensorflow(model, x, y):
    import tensorflow as tf

    def cross_entropy(logits, labels):
        return -tf.reduce_mean(tf.gather(tf.nn.log_softmax(logits), labels, axis=-1, batch_dims=labels.ndim))

    x = tf.nest.map_structure(tf.constant, x)
    fixed = [variable.numpy() for variable in model.non_trainable_variables]
    with tf.GradientTape() as tape:
        loss = _loss(model(x, training=True), y, cross_entropy, tf.reduce_mean)
    found = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    for variable, value in zip(model.non_trainable_variables, fixed, strict=True):
        variable.assign(value)
    return _by_path(model, [tf.convert_to_tensor(each).numpy() for each in found])


def _torch(model, x, y):
    import torch

    def cross_entropy(logits, labels):
        return -torch.take_along_dim(torch.log_softmax(logits, -1), labels.long()[..., None], -1).mean()

    x, y = (keras.tree.map_structure(torch.from_numpy, each) for each in (x, y))
    fixed = [variable.value.detach().clone() for variable in model.non_trainable_variables]
    loss = _loss(model(x, training=True), y, cross_entropy, torch.mean)
    found = torch.autograd.grad(loss, [variable.value for variable in model.trainable_variables])
    with torch.no_grad():
        for variable, value in zip(model.non_trainable_variables, fixed, strict=True):
            variable.assign(value)
    return _by_path(model, [each.numpy() for each in found])


def _by_path(model, found):
    return by_path(model.trainable_variables, found)


def by_path(variables, values) -> dict[str, np.ndarray]:
    """Return the value of each variable by its path, those of a stack slice by slice."""
    found = {}
    for variable, value in zip(variables, values, strict=True):
        each = value if is_stacked(variable) else [value]
        found.update(zip(paths([variable]), each, strict=True))
    return found


def paths(variables) -> list[str]:
    """Return the path of each variable, of a stack's those of all slices."""
    return [path for each in variables for path in (each.slices.paths if is_stacked(each) else (each.path,))]


def is_stacked(variable) -> bool:
    """Return whether a variable holds the weights of all slices of a stack."""
    return getattr(variable, "slices", None) is not None


@contextmanager
def precision(policy: str):
    """Make every layer that is made inside of a precision, such as `"float64"` or `"mixed_bfloat16"`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        with _double() if policy == "float64" else nullcontext():
            yield
    finally:
        keras.config.set_dtype_policy(before)


@contextmanager
def _double():
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        # But on TensorFlow, Keras computes products of float64 tensors in float32 to agree with JAX's default.
        with patch.dict(dtypes.BIT64_TO_BIT32_DTYPE, float64="float64"), _jax_double():
            yield
    finally:
        keras.config.set_floatx(before)


def _jax_double():
    if keras.backend.backend() != "jax":
        return nullcontext()
    import jax

    return jax.enable_x64(True)


SOON_COMPILED = {"xla_backend_optimization_level": "0", "xla_llvm_disable_expensive_passes": True}
"""Options of JAX for what runs a few times only: most of the time would go into compiling it well."""


class Projection:
    """A model in training as one number: what it gives, times fixed random factors, summed.

    Random numbers of the model, such as dropout, are the same at each call.

    Args:
        model: a functional model of one output.
        inputs: numpy arrays as the model takes them.
        output_shape: shape of the output for these inputs.
    """

    def __init__(self, model: keras.Model, inputs, output_shape):
        self.model = model
        self.factors = np.random.default_rng(11).normal(size=output_shape)
        self._structure = inputs
        self._fixed = [keras.ops.convert_to_numpy(variable) for variable in model.non_trainable_variables]
        self._weights = len(model.trainable_variables)
        self._compiled = None

    def point(self) -> list[np.ndarray]:
        """Return where the model stands: its trainable weights, then its inputs of real numbers."""
        weights = [keras.ops.convert_to_numpy(variable) for variable in self.model.trainable_variables]
        return weights + [each for each in keras.tree.flatten(self._structure) if each.dtype.kind == "f"]

    def value_and_gradients(self, point: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        """Return the number, and its gradient for each array of the point, by the backend's own differentiation."""
        backend = keras.backend.backend()
        return {"jax": self._jax, "tensorflow": self._tensorflow, "torch": self._torch}[backend](point)

    def _value(self, point):
        weights, real = point[: self._weights], iter(point[self._weights :])
        inputs = keras.tree.map_structure(lambda each: next(real) if each.dtype.kind == "f" else each, self._structure)
        y, _ = self.model.stateless_call(weights, self._fixed, inputs, training=True)
        # In double precision: sums of products in bfloat16 say little about the model.
        wide = "float64" if self.model.dtype == "float64" else "float32"
        return keras.ops.sum(keras.ops.cast(y, wide) * keras.ops.cast(self.factors, wide))

    def _jax(self, point):
        import jax

        self._compiled = self._compiled or jax.jit(jax.value_and_grad(self._value), compiler_options=SOON_COMPILED)
        value, found = self._compiled([jax.numpy.asarray(each) for each in point])
        return float(value), [np.asarray(each) for each in found]

    def _tensorflow(self, point):
        import tensorflow as tf

        point = [tf.constant(each) for each in point]
        with tf.GradientTape() as tape:
            tape.watch(point)
            value = self._value(point)
        found = tape.gradient(value, point, unconnected_gradients="zero")
        return float(value), [tf.convert_to_tensor(each).numpy() for each in found]

    def _torch(self, point):
        import torch

        point = [torch.tensor(each, requires_grad=True) for each in point]
        # Keras draws dropout without a seed of its own from PyTorch's generator.
        torch.manual_seed(0)
        value = self._value(point)
        found = torch.autograd.grad(value, point, materialize_grads=True)
        return float(value.detach()), [each.numpy() for each in found]
