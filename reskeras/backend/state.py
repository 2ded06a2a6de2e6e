"""Reading what a model holds while it is trained."""

from __future__ import annotations

from collections.abc import Sequence
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
        if name() == "jax":
            return self._copy_jax()
        if name() == "torch":
            return [variable.value.detach().clone() for variable in self._variables]
        import tensorflow as tf

        return [tf.identity(variable.value) for variable in self._variables]

    def _copy_jax(self):
        import jax.numpy as jnp

        # The state is given away to the next step, so what is kept must be a copy.
        copies = [jnp.copy(value) for value in self._values_jax()]
        for each in copies:
            each.copy_to_host_async()
        return copies

    def on_host(self) -> list[np.ndarray]:
        """Return the values of the variables, copied to the host; nothing stays on the device."""
        values = self._values_jax() if name() == "jax" else [variable.value for variable in self._variables]
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


def as_numpy(tensor: Any) -> np.ndarray:
    """Return a tensor's values on the host, waiting for them where they are still being computed."""
    return keras.ops.convert_to_numpy(tensor)
