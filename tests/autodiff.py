"""Gradients by each backend's own automatic differentiation, without Keras's trainer or optimizer."""

from __future__ import annotations

import keras
import numpy as np


def gradients(model: keras.Model, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Return the gradient of the mean cross-entropy in training mode for each trainable weight, by its path.

    The loss is written in the backend: minus the logarithm of the softmax of the logits at the label, averaged.
    """
    return {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[keras.backend.backend()](model, x, y)


def _jax(model, x, y):
    import jax
    import jax.numpy as jnp

    fixed = [variable.value for variable in model.non_trainable_variables]

    def loss(weights):
        logits, _ = model.stateless_call(weights, fixed, jnp.asarray(x), training=True)
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(y)), y])

    found = jax.jit(jax.grad(loss))([variable.value for variable in model.trainable_variables])
    return _by_path(model, [np.asarray(each) for each in found])


def _tensorflow(model, x, y):
    import tensorflow as tf

    fixed = [variable.numpy() for variable in model.non_trainable_variables]
    with tf.GradientTape() as tape:
        logits = model(tf.constant(x), training=True)
        loss = -tf.reduce_mean(tf.gather(tf.nn.log_softmax(logits), tf.constant(y), axis=1, batch_dims=1))
    found = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    for variable, value in zip(model.non_trainable_variables, fixed, strict=True):
        variable.assign(value)
    return _by_path(model, [tf.convert_to_tensor(each).numpy() for each in found])


def _torch(model, x, y):
    import torch

    fixed = [variable.value.detach().clone() for variable in model.non_trainable_variables]
    logits = model(torch.from_numpy(x), training=True)
    loss = -torch.log_softmax(logits, -1)[torch.arange(len(y)), torch.from_numpy(y).long()].mean()
    found = torch.autograd.grad(loss, [variable.value for variable in model.trainable_variables])
    with torch.no_grad():
        for variable, value in zip(model.non_trainable_variables, fixed, strict=True):
            variable.assign(value)
    return _by_path(model, [each.numpy() for each in found])


def _by_path(model, found):
    return {variable.path: each for variable, each in zip(model.trainable_variables, found, strict=True)}
