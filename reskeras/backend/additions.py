"""Knows what an optimizer adds to variables, where that is all that becomes of them in a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from reskeras.backend.process import name


class Additions:
    """Notes what is added to variables on JAX and in TensorFlow's graphs.

    Who compares a weight with what it was has it copied first, for a step writes over the values before it.
    """

    def __init__(self):
        self._variables: list[keras.Variable] = []
        self._places: dict[int, int] = {}
        self._before: list[Any] = []
        self._added: dict[int, tuple[Any, Any]] = {}

    def begin(self, variables: Sequence[keras.Variable]) -> None:
        """Take what is done to these variables from now on."""
        self._variables = list(variables)
        self._places = {id(_within(each)): place for place, each in enumerate(variables)}
        self._before, self._added = [_state(each) for each in variables], {}

    @contextmanager
    def noting(self, variable: Any, change: Any) -> Iterator[None]:
        """Note what is added to a variable, or subtracted, by what is done within.

        Args:
            variable: any variable.
            change: what is added or subtracted.
        """
        place = self._places.get(id(_within(variable)))
        is_first = place is not None and _is_still(variable, self._before[place])
        yield
        if is_first and keras.ops.is_tensor(change) and _is_all_of(change, variable):
            self._added[place] = _state(variable), change

    def end(self) -> list[Any]:
        """Return what was added to each variable, or subtracted; None where it was changed in another way too."""
        found = []
        for place, variable in enumerate(self._variables):
            state, change = self._added.get(place, (None, None))
            found.append(change if change is not None and _is_still(variable, state) else None)
        # What is traced is not to be held any longer.
        self.begin(())
        return found


def _is_all_of(change, variable) -> bool:
    # A single number is added to each entry, and a weight of narrower type may keep less than is added.
    return tuple(change.shape) == tuple(variable.shape) and variable.dtype == change.dtype == "float32"


def _within(variable):
    """Return TensorFlow's variable within one of Keras, which is what its optimizers change."""
    return getattr(variable, "_value", variable) if name() == "tensorflow" else variable


def _state(variable) -> Any:
    """Return what is another after each change of a variable; None where nothing tells."""
    if name() == "jax":
        return variable.value
    import tensorflow as tf

    if tf.executing_eagerly():
        return None
    graph, handle = tf.compat.v1.get_default_graph(), getattr(_within(variable), "handle", None)
    if handle is None or not hasattr(graph, "capture"):
        return None
    return graph, sum(use.type != "ReadVariableOp" for use in graph.capture(handle).consumers())


def _is_still(variable, state) -> bool:
    now = _state(variable)
    return now is state if name() == "jax" else now is not None and now == state
