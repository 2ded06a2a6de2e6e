"""Random numbers at rates and from seeds that Keras does not take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from reskeras.backend.process import name


def dropout_at(x: Any, rate: Any, noise_shape: tuple, seed: keras.random.SeedGenerator) -> Any:
    """Do as `keras.random.dropout` does, number for number, at a rate that is a tensor.

    Args:
        x: the tensor of which parts are dropped.
        rate: a scalar from 0 up to but not 1.
        noise_shape: shape of the random numbers, each 1 where one number is for the whole axis.
        seed: where they are drawn from.
    """
    if name() == "torch":
        return keras.random.dropout(x, float(rate), noise_shape, seed)
    ops = keras.ops
    if name() == "jax":
        kept = keras.random.uniform(noise_shape, dtype=rate.dtype, seed=seed) < 1 - rate
    else:
        kept = keras.random.uniform(noise_shape, dtype=x.dtype, seed=seed) >= ops.cast(rate, x.dtype)
    return ops.where(kept, x / ops.cast(1 - rate, x.dtype), ops.zeros_like(x))


def generator_states() -> dict[str, np.ndarray]:
    """Return the states of the backend's own generators of random numbers, by name.

    On PyTorch, dropout without a seed draws from these. The others draw from seeds in variables alone.
    """
    if name() != "torch":
        return {}
    import torch

    states = [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else ())]
    return {str(place): state.numpy().copy() for place, state in enumerate(states)}


def set_generator_states(states: dict[str, np.ndarray]) -> None:
    """Bring the backend's own generators to where `generator_states` found them; those that are not there are left."""
    if name() != "torch":
        return
    import torch

    for place, state in states.items():
        state = torch.from_numpy(np.array(state, np.uint8))
        if place == "0":
            torch.set_rng_state(state)
        elif int(place) <= torch.cuda.device_count():
            torch.cuda.set_rng_state(state, int(place) - 1)


def draw_each(draw, seeds: Sequence[int]) -> Any:
    """Return what `draw` gives for each seed, stacked on a new first axis.

    Args:
        draw: `(seed) -> tensor`, which uses the seed once, as `keras.random` and Keras's initializers take it.
        seeds: whole numbers.
    """
    if name() == "torch" or len(seeds) == 1:
        return keras.ops.stack([draw(int(seed)) for seed in seeds])
    # Two numbers as Keras makes of a seed, whose bits stay where the backend's seeds are signed.
    dtype = keras.src.backend.random_seed_dtype()
    pairs = np.stack([np.asarray(seeds, "uint32"), np.zeros(len(seeds), "uint32")], axis=1)
    pairs = keras.ops.convert_to_tensor(pairs.view(dtype) if dtype == "int32" else pairs.astype(dtype), dtype=dtype)
    if name() == "jax":
        import jax

        return jax.jit(lambda pairs: jax.lax.map(lambda pair: draw(_GivenSeed(pair)), pairs))(pairs)
    import tensorflow as tf

    dtype = tf.type_spec_from_value(draw(_GivenSeed(pairs[0])))
    mapped = tf.function(lambda pairs: tf.map_fn(lambda pair: draw(_GivenSeed(pair)), pairs, fn_output_signature=dtype))
    # Not called as it is, which would warn that several such functions are traced.
    return mapped.get_concrete_function(pairs)(pairs)


class _GivenSeed(keras.random.SeedGenerator):
    """A seed for one draw that is a tensor, which Keras takes from generators only."""

    def __init__(self, pair):
        self._pair = pair

    def next(self, ordered=True):
        return self._pair
