"""Reading what a model holds while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import keras
import numpy as np

from reskeras.backend.process import name


class StateReader:
    """Reads variables of a model while it is trained, between two steps, without making the device wait.

    Args:
        model: the compiled model that is being trained.
        variables: variables of it, of its optimizer or of its metrics.
    """

    def __init__(self, model: keras.Model, variables: Sequence[keras.Variable]):
        self._model = model
        self._variables = list(variables)
        self._places = None

    def copy(self) -> list[Any]:
        """Return copies of the variables as they stand, on the device and perhaps still being computed."""
        return [_copied(value) for value in self.values()]

    def values(self) -> list[Any]:
        """Return the variables' values as they stand, which the next step may overwrite or give away."""
        if name() == "jax":
            return self._values_jax()
        values = [variable.value for variable in self._variables]
        return [value.detach() for value in values] if name() == "torch" else values

    def on_host(self) -> list[np.ndarray]:
        """Return the values of the variables, copied to the host; nothing stays on the device."""
        values = self.values()
        if name() == "jax":
            for each in values:
                each.copy_to_host_async()
        # A copy where the host's memory is the device's.
        return [np.array(as_numpy(each)) for each in values]

    def _values_jax(self):
        # While a fit runs on JAX, values live in the trainer's state and the variables are empty.
        state = getattr(self._model, "_jax_state", None)
        if state is None or self._model._jax_state_synced:
            return [variable.value for variable in self._variables]
        self._places = self._places or self._find_places()
        return [state[group][index] for group, index in self._places]

    def _find_places(self):
        places = {}
        for group, variables in (
            ("trainable_variables", self._model.trainable_variables),
            ("non_trainable_variables", self._model.non_trainable_variables),
            ("optimizer_variables", self._model.optimizer.variables),
            ("metrics_variables", self._model.metrics_variables),
        ):
            places.update({id(variable): (group, index) for index, variable in enumerate(variables)})
        return [places[id(variable)] for variable in self._variables]


FEW_ROWS, LARGE = 8, 2**20
"""On JAX, of a ring of more than so many bytes only its last rows are copied, where so few are new: each other number
of rows would be compiled anew."""


class RingReader:
    """Reads the newest rows of rings while a model is trained, without making the device wait.

    Args:
        model: the compiled model that is being trained.
        rings: for each, (rows, columns), and the variable that counts the updates that have been.
        every: how many updates there are for a row; row `n` lies at place `n` modulo the ring's length.
    """

    def __init__(self, model: keras.Model, rings: Sequence[tuple[keras.Variable, keras.Variable]], every: int):
        self._reader = StateReader(model, [each for pair in rings for each in pair])
        self._every = every

    def copy(self, count: int) -> list[Any]:
        """Return a copy of each ring, or of its newest rows, on the device and perhaps still being computed.

        Args:
            count: how many rows are new at most.
        """
        values = self._reader.values()
        return [
            _newest_rows(ring, updates, self._every, rows) if (rows := _rows_to_copy(ring, count)) else _copied(ring)
            for ring, updates in zip(values[::2], values[1::2], strict=True)
        ]


def _rows_to_copy(ring: Any, count: int) -> int | None:
    """Return how many of a ring's newest rows are copied, of which so many are new at most; None for all."""
    if name() == "jax":
        return FEW_ROWS if count <= FEW_ROWS < len(ring) and 4 * ring.shape[0] * ring.shape[1] > LARGE else None
    return count if 2 * count <= ring.shape[0] else None


def _copied(value: Any) -> Any:
    if name() == "torch":
        return value.clone()
    if name() == "tensorflow":
        import tensorflow as tf

        return tf.identity(value)
    import jax.numpy as jnp

    # The state is given away to the next step, so what is kept must be a copy.
    copy = jnp.copy(value)
    copy.copy_to_host_async()
    return copy


def _newest_rows(ring: Any, updates: Any, every: int, count: int) -> Any:
    if name() != "jax":
        return _newest(ring, updates, every, count)
    rows = _newest_jax()(ring, updates, every, count)
    rows.copy_to_host_async()
    return rows


def _newest(ring, updates, every, count):
    ops = keras.ops
    place = ops.floor_divide(ops.convert_to_tensor(updates), every)
    places = ops.arange(-count, 0, dtype="int32") + ops.cast(place, "int32")
    return ops.take(ops.convert_to_tensor(ring), ops.mod(places, ring.shape[0]), axis=0)


@cache
def _newest_jax():
    import jax

    return jax.jit(_newest, static_argnums=(2, 3))


def as_numpy(tensor: Any) -> np.ndarray:
    """Return a tensor's values on the host, waiting for them where they are still being computed."""
    return keras.ops.convert_to_numpy(tensor)
