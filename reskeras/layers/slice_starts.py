"""How the slices of a stacked weight start: each as the weight of a block of its own would."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import make_default_seed  # Keras draws the seed of what has none with it.

from reskeras import backend
from reskeras.layers import any_layer

SAME_EVERYWHERE = (keras.initializers.Zeros, keras.initializers.Ones, keras.initializers.Constant)
"""Initializers that give every number of a weight the same value, whatever its shape."""


def build_without_values(layer: keras.Layer, shapes: tuple) -> None:
    """Build a layer whose variables have shapes and initializers, and no values."""
    waiting = global_state.get_global_attribute("uninitialized_variables", [], set_to_default=True)
    before = len(waiting)
    with keras.StatelessScope(initialize_variables=False):
        any_layer.build(layer, *shapes)
    # Keras would give them values at the end of the next scope.
    del waiting[before:]


def slice_starts(block: keras.Layer, another: Callable[[], keras.Layer], depth: int) -> list[Callable]:
    """Return for each variable of a block an initializer of `depth` slices on a first axis of their own.

    Random numbers are drawn as `depth` blocks made and built one after another would draw them: with the same seed of
    everything, stacked and separate blocks start alike. Where an initializer has a seed of its own, which would make
    all slices equal, slice i takes that seed + i.

    Args:
        block: the first block, built without values.
        another: returns one more block like it, built without values.
        depth: how many slices there are.
    """
    if depth == 1:
        return [_one_by_one([_start(variable)]) for variable in block.variables]
    seeds = _seeds(block)
    before = random.getstate()
    second = another()
    drawn = _drawn_since(before)
    own = _seeds(second)
    if all(seed is not None or _has_no_seed(variable) for seed, variable in zip(seeds, block.variables, strict=True)):
        # The blocks from the third on need not be made: it is known which of their draws is for which variable.
        draws = [[make_default_seed() for _ in drawn] for _ in range(2, depth)]
        return [
            _start_of_slices(variable, _all_seeds(first, other, drawn, draws, depth))
            for variable, first, other in zip(block.variables, seeds, own, strict=True)
        ]
    blocks = [block, second, *(another() for _ in range(2, depth))]
    return [_one_by_one([_start(each) for each in those]) for those in zip(*(b.variables for b in blocks), strict=True)]


def _drawn_since(before) -> list[int]:
    """Return the seeds that Keras has drawn since Python's generator was as it was `before`."""
    after, drawn = random.getstate(), []
    random.setstate(before)
    while random.getstate() != after:
        drawn.append(make_default_seed())
    return drawn


def _all_seeds(first: int | None, second: int | None, drawn: list[int], draws: list[list[int]], depth: int):
    if first is None:
        return [None] * depth
    if second in drawn:
        place = drawn.index(second)
        return [first, second, *(each[place] for each in draws)]
    return [first + number for number in range(depth)]


def _seeds(block: keras.Layer) -> list[int | None]:
    """Return the seed that each variable of a block starts from, None where there is none."""
    generators = {
        id(generator.state): generator for layer in block._flatten_layers() for generator in layer._seed_generators
    }
    found = []
    for variable in block.variables:
        if id(variable) in generators:
            state = variable._initializer(dtype=variable.dtype) if variable._value is None else variable.value
            # Where seeds are signed, the bits of the unsigned number.
            found.append(int(keras.ops.convert_to_numpy(state)[0]) % 2**32)
        else:
            seed = getattr(variable._initializer, "seed", None)
            found.append(seed if isinstance(seed, int) else None)
    return found


def _has_no_seed(variable: keras.Variable) -> bool:
    return isinstance(variable._initializer, SAME_EVERYWHERE)


def _start(variable: keras.Variable) -> Callable:
    if variable._value is not None:
        value = keras.ops.convert_to_numpy(variable.value)
        return lambda shape, dtype: value
    return variable._initializer


def _one_by_one(starts: list[Callable]) -> Callable:
    def start(shape, dtype=None):
        values = [keras.ops.convert_to_numpy(each(shape[1:], dtype=dtype)) for each in starts]
        return keras.ops.convert_to_tensor(np.stack(values), dtype=dtype)

    return start


def _start_of_slices(variable: keras.Variable, seeds: list[int | None]) -> Callable:
    initializer = variable._initializer
    if seeds[0] is None:
        return initializer
    if not isinstance(initializer, keras.Initializer):
        pairs = np.array([[seed, 0] for seed in seeds], "uint32")
        return lambda shape, dtype=None: keras.ops.convert_to_tensor(pairs.astype(dtype), dtype=dtype)

    def start(shape, dtype=None):
        return backend.draw_each(lambda seed: _with_seed(initializer, seed)(shape[1:], dtype=dtype), seeds)

    return start


def _with_seed(initializer: keras.Initializer, seed) -> keras.Initializer:
    other = copy.copy(initializer)
    other.seed = seed
    return other
