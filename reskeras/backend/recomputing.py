"""Computing once more, in the backward pass, what was thrown away: where a compiler would rather keep it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import keras

from reskeras.backend.process import is_jax_on_cpu


def remat(function: Callable[..., tuple]) -> Callable[..., tuple]:
    """Return a function that gives the same, of which training keeps the arguments and computes the rest again.

    Args:
        function: `(*tensors) -> tensors`, without side effects.
    """
    return _remat_on_jax(function) if is_jax_on_cpu() else keras.remat(function)


def summed_gradients(tensors: list[Any]) -> list[Any]:
    """Return the same tensors, whose gradients are summed up here before those of what they were made of are computed.

    Where many layers read the same tensors, JAX's compiler for CPUs would leave all sums to the end: of L layers that
    read each other it would keep L^2 / 2 gradients.
    """
    return list(_meeting()(*tensors)) if is_jax_on_cpu() else tensors


def _remat_on_jax(function: Callable[..., tuple]) -> Callable[..., tuple]:
    """Do as `jax.checkpoint`, whose barriers a CPU's compiler takes away before it merges what it finds twice."""
    import jax

    def run(*tensors):
        # What the function reads beside its arguments has gradients too.
        closed, constants = jax.closure_convert(function, *tensors)

        @jax.custom_vjp
        def once(*given):
            return tuple(closed(*given))

        def backward(given, upstream):
            known = _is_a_number(upstream)
            later = [_known_after(known, each) for each in given]
            return jax.vjp(lambda *again: tuple(closed(*again)), *later)[1](upstream)

        once.defvjp(lambda *given: (once(*given), given), backward)
        return once(*tensors, *constants)

    return run


@cache
def _meeting():
    import jax

    @jax.custom_vjp
    def meet(*tensors):
        return tensors

    def backward(_, upstream):
        known = _is_a_number(upstream)

        def spoil(state):
            return True, tuple(_known_after(False, each) for each in state[1])

        # A loop that ends before it begins, which no compiler can know: what enters it has to be there as a whole.
        return jax.lax.while_loop(lambda state: ~state[0], spoil, (known, upstream))[1]

    meet.defvjp(lambda *tensors: (tensors, None), backward)
    return meet


def _is_a_number(gradients) -> Any:
    """Return what is True once gradients are computed, unless the first of them is not a number."""
    import jax.numpy as jnp

    first = next(each for each in gradients if jnp.issubdtype(each.dtype, jnp.floating) and each.size).ravel()[0]
    return first == first


def _known_after(condition, tensor) -> Any:
    """Return a tensor that cannot be known before the condition is, and is itself where that holds."""
    import jax.numpy as jnp

    return jnp.where(condition, tensor, jnp.nan) if jnp.issubdtype(tensor.dtype, jnp.floating) else tensor
