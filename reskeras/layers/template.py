"""The block that a stack runs again and again: its body, and where in it each weight is."""

from __future__ import annotations

from contextlib import contextmanager

import keras

from reskeras import backend
from reskeras.layers import any_layer
from reskeras.layers.drop_path import DropPath


def _own_classes(blocks: list[keras.Layer]) -> dict[str, type]:
    """Return the classes of layers that nobody has registered with Keras, which looks such up by name alone."""
    classes = {type(layer) for block in blocks for layer in block._flatten_layers()}
    return {
        each.__name__: each
        for each in classes
        if not each.__module__.startswith("keras.") and keras.saving.get_registered_name(each) == each.__name__
    }


class Template:
    """The block whose body is run, whose variables have no values of their own."""

    def __init__(self, blocks: list[keras.Layer], several: bool):
        self.blocks = blocks
        self.several = several
        self.layer = _Chain(blocks) if several else blocks[0]
        # Now, for what is written about a layer that is built makes Keras build its copy at once, with values.
        with backend.without_tensorflow():
            self.configs = [keras.saving.serialize_keras_object(each) for each in blocks]
        self._own = _own_classes(blocks)
        self.make = self._copies
        self._addresses: dict[int, tuple[str, ...]] | None = None

    def copy(self) -> Template:
        return Template(self._copies(), self.several)

    def _copies(self) -> list[keras.Layer]:
        with backend.without_tensorflow():
            return [keras.saving.deserialize_keras_object(each, custom_objects=self._own) for each in self.configs]

    def build_apart(self, x_shape, memory_shape=None) -> None:
        """Build the layers as layers of their own, whose weights are called by their names alone."""
        any_layer.build_chain(self.blocks, x_shape, memory_shape)

    def address(self, variable: keras.Variable) -> list[str]:
        """Return where in the block a variable is: the layers from the outermost in, then its own name.

        Of a list, each layer's place stands first.
        """
        if self._addresses is None:
            tops = [(str(place), block) for place, block in enumerate(self.blocks, 1)]
            found = (_addresses(block, (place,) if self.several else ()) for place, block in tops)
            self._addresses = dict(pair for each in found for pair in each)
        return [*self._addresses[id(variable)], variable.name]

    def counterparts(self, other: Template) -> list[keras.Variable | None]:
        """Return for each variable of another block of the same make this one's, or None where this one has none.

        Weights have the same order in both, whatever they are called: Keras numbers those without a name. A branch that
        is never dropped draws nothing and has no seed, so that seeds are told by where they are.
        """
        found = dict(zip(map(id, other.layer.weights), self.layer.weights, strict=True))
        mine, theirs = self._seeds(), other._seeds()
        if len(mine) == len(theirs):
            found.update(zip(map(id, theirs), mine, strict=True))
        else:
            placed = {tuple(self.address(each)): each for each in mine}
            found.update((id(each), placed.get(tuple(other.address(each)))) for each in theirs)
        return [found[id(each)] for each in other.layer.variables]

    def output_dtype(self, x) -> str:
        """Return the type of what the block computes from x."""
        x = keras.KerasTensor(x.shape, dtype=keras.backend.standardize_dtype(x.dtype))
        return self.layer.compute_dtype if self.layer.autocast and "float" in x.dtype else x.dtype

    def _seeds(self) -> list[keras.Variable]:
        weights = set(map(id, self.layer.weights))
        return [each for each in self.layer.variables if id(each) not in weights]

    @contextmanager
    def dropped_at(self, rate=None):
        """Make the block's `DropPath` layers drop at another rate than their own."""
        layers = [] if rate is None else [each for each in self.layer._flatten_layers() if isinstance(each, DropPath)]
        for each in layers:
            each.rate_now = rate
        try:
            yield
        finally:
            for each in layers:
                each.rate_now = None


class _Chain(keras.Layer):
    """Layers one after another; a memory goes to those that take one."""

    def __init__(self, blocks):
        super().__init__(name="slice")
        self.blocks = blocks
        self.supports_masking = all(each.supports_masking for each in blocks)

    def build(self, x_shape, memory_shape=None):
        any_layer.build_chain(self.blocks, x_shape, memory_shape)
        self.built = True

    def call(self, x, memory=None):
        for each in self.blocks:
            x = each(x, *any_layer.with_memory(each, memory))
        return x

    def compute_output_shape(self, x_shape, memory_shape=None):
        return any_layer.shape_after_chain(self.blocks, x_shape, memory_shape)


def set_rate(layer: keras.Layer, rate: float) -> None:
    """Give a layer that is not built, and those inside it, another rate of stochastic depth."""
    for each in layer._flatten_layers():
        if isinstance(each, DropPath):
            each.rate = rate
        elif getattr(each, "drop_path", 0):
            # Blocks that make their layers when they are built.
            each.drop_path = rate


def _addresses(layer: keras.Layer, above: tuple[str, ...]):
    """Yield each variable's identity and the names of the layers that it is in, below the first."""
    for variable in (*layer._trainable_variables, *layer._non_trainable_variables):
        yield id(variable), above
    for number, generator in enumerate(layer._seed_generators, 1):
        # Not its name, which Keras counts on from one model to the next.
        yield id(generator.state), (*above, f"seed_generator{number}")
    for part in layer._layers:
        yield from _addresses(part, (*above, part.name))
