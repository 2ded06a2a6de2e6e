"""Equal blocks as one layer: their weights stacked on a first axis, one body run over them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

import keras
import numpy as np
from keras.src.backend import AutocastScope, get_keras_mask, set_keras_mask

from reskeras import backend
from reskeras.layers import any_layer
from reskeras.layers.composite import check_counts
from reskeras.layers.looking import looked_at
from reskeras.layers.probes import Probe
from reskeras.layers.slice_by_slice import act_slice_by_slice
from reskeras.layers.slice_starts import build_without_values, slice_starts
from reskeras.layers.slices import Slices
from reskeras.layers.template import Template, set_rate

CONVOLUTIONS = tuple(
    getattr(keras.layers, f"{kind}{axes}")
    for kind, several in (("Conv", "123"), ("DepthwiseConv", "12"), ("SeparableConv", "12"))
    for axes in (f"{number}D" for number in several)
)

LEAST_RECORDED, MOST_RECORDINGS = 6, 8
"""Slices for which a body is worth recording, on a backend that records it; and bodies that are kept recorded, for
inputs of different shapes."""


@dataclass
class _Facts:
    """What is known of a body once it has run: how many losses come first in its outputs, then which weights change."""

    losses: int = 0
    changed: list[int] = field(default_factory=list)


@keras.saving.register_keras_serializable(package="reskeras")
class Stack(keras.Layer):
    """y = block_n(... block_2(block_1(x))): `depth` equal blocks with weights of their own, as one layer.

    The weights of all blocks are slices of one weight, (depth, ...), and one body runs over them: a loop of the
    compiler on JAX and TensorFlow, whose graphs then hold the body once. What Keras, the compiler and the optimizer do
    for each layer is done once, so that a thousand blocks start training about as fast as ten.

    Everything is done slice by slice as blocks of their own would do it: initializers start each slice by itself,
    dropout draws for each its own units, each has its own statistics of normalisation. So do optimizers: a step that
    looks at a whole weight, as those of Lamb, Adafactor and Muon and `clipnorm` do, looks at a slice.

    Args:
        block: a layer that keeps the shape of its input, or a list of such layers that follow one another in each
            slice; not built. Each slice is a copy of it.
        depth: how many slices there are, 1 or more.
        drop_path: a rate for each slice, from 0 up to but not 1, of the `DropPath` layers inside the block; None
            leaves them as they are. `reskeras.blocks.stochastic_depth` has schedules.
        remat: whether training keeps the input of each slice alone and computes the rest again in the backward pass;
            `"sqrt"` keeps only as many inputs as the root of the depth. Weights after training are the same to the last
            bit; but those of convolutions on JAX on a CPU, which are then computed in another way, to what is rounded.
        names: what the slices are called as layers of their own, one name a slice, or for a list of layers one name a
            layer and slice in their order; None for `<name>_1`, `<name>_2` and so on.

    On TensorFlow without a GPU Keras leaves out XLA unless a model is compiled with `jit_compile=True`: with it a step
    of a stack of layers of vectors takes 0.5 to 0.7 of the time. There XLA takes no `Dense` of sequences in a stack's
    loop.

    Called as `stack(x)`, or `stack(x, memory)` where the block takes a memory.

    Input shape: any that the block takes. Output shape: the same.

    Raises:
        ValueError: for a depth below 1, a block that changes the shape of its input, or rates or names of another
            number than there are slices.

    Example:
        >>> block = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(64)])
        >>> Stack(Residual(block), depth=1000)(keras.Input((64,))).shape
        (None, 64)
    """

    def __init__(self, block, depth, drop_path=None, remat=False, names=None, **kwargs):
        super().__init__(**kwargs)
        blocks = list(block) if isinstance(block, (list, tuple)) else [block]
        check_counts(depth=depth)
        check_remat(remat)
        _check_count("drop_path", drop_path, depth)
        _check_count("names", names, depth * len(blocks))
        self.depth = depth
        self.drop_path = None if drop_path is None else list(drop_path)
        self.remat = remat
        self.slice_names = None if names is None else list(names)
        object.__setattr__(self, "_recordings", {})
        object.__setattr__(self, "_probe", None)
        # In a plain attribute Keras would find the block, and count its variables, which have no values, as its own.
        object.__setattr__(self, "_template", Template(blocks, isinstance(block, (list, tuple))))
        self.supports_masking = self._template.layer.supports_masking
        self.stacked: list[keras.Variable] = []

    # Not an attribute: Keras would take it for a part of this layer when it writes a file.
    def new_block(self) -> keras.Layer | list[keras.Layer]:
        """Return a new layer, or layers, as each slice is one; not built."""
        blocks = self._template.copy().blocks
        return blocks if self._template.several else blocks[0]

    def start_slices_as(self, make: Callable[[], list[keras.Layer]]) -> None:
        """Start the weights of each slice as the layers that `make` returns start theirs.

        Without this, as copies of the block start theirs: these draw their random numbers in another order than layers
        that are made in another way.
        """
        self._template.make = make

    @contextmanager
    def probed_by(self, probe: Probe):
        """Look at the output of each slice while this layer is called.

        Args:
            probe: with a row of values for each slice.
        """
        object.__setattr__(self, "_probe", probe)
        try:
            yield
        finally:
            object.__setattr__(self, "_probe", None)

    @property
    def names(self) -> list[str]:
        """What the slices are called as layers of their own."""
        if self.slice_names is not None:
            return list(self.slice_names)
        count = self.depth * len(self._template.blocks)
        return [f"{self.name}_{number}" for number in range(1, count + 1)]

    def unrolled(self) -> list[keras.Layer]:
        """Return new layers that compute what this layer does one after another, with its weights and `names`.

        Raises:
            ValueError: where the stack has no weights yet.
        """
        if not self.built:
            raise ValueError(f"{self.name} is not built: it has no weights to give to layers of their own.")
        values = [keras.ops.convert_to_numpy(each) for each in self.stacked]
        names, layers = iter(self.names), []
        for number in range(self.depth):
            each = self._template.copy()
            for block in each.blocks:
                block.name = next(names)
            if self.drop_path is not None:
                set_rate(each.layer, self.drop_path[number])
            each.build_apart(*self._shapes)
            for variable, value in zip(each.counterparts(self._template), values, strict=True):
                if variable is not None:
                    variable.assign(value[number])
            for block in each.blocks:
                block.trainable = block.trainable and self.trainable
            layers += each.blocks
        return layers

    def fill(self, layers: list[keras.Layer]) -> None:
        """Take over the weights of layers that are each like a slice, in their order; the reverse of `unrolled`."""
        size = len(self._template.blocks)
        slices = [layers[start : start + size] for start in range(0, len(layers), size)]
        columns = zip(*([v for block in those for v in block.variables] for those in slices), strict=True)
        for stacked, theirs in zip(self.stacked, columns, strict=True):
            stacked.assign(np.stack([keras.ops.convert_to_numpy(each) for each in theirs]))

    def build(self, x_shape, memory_shape=None):
        shapes = self._shapes = (x_shape,) if memory_shape is None else (x_shape, memory_shape)
        layer = self._template.layer
        if layer.built:
            raise ValueError(
                f"{self.name} makes its own weights, and {layer.name} has some already. Give a block that is not built."
            )
        build_without_values(layer, shapes)
        given = any_layer.shape_after(layer, *shapes)
        if tuple(given) != tuple(x_shape):
            raise ValueError(
                f"A stack runs each block on what the one before gives, so a block must keep the shape of its input. "
                f"Received: {layer.name}, which gives {tuple(given)} for {tuple(x_shape)}."
            )

        def another():
            other = Template(self._template.make(), self._template.several).layer
            build_without_values(other, shapes)
            return other

        act_slice_by_slice()
        starts = slice_starts(layer, another, self.depth)
        self.stacked = [self._stacked(variable, start) for variable, start in zip(layer.variables, starts, strict=True)]
        self.built = True

    def _stacked(self, variable: keras.Variable, start) -> keras.Variable:
        *address, name = self._template.address(variable)
        # Not by `add_weight`, which names a variable by this layer alone: two weights of a block would be called alike.
        with ExitStack() as scopes:
            for part in address:
                scopes.enter_context(keras.name_scope(part))
            stacked = keras.Variable(
                start,
                shape=(self.depth, *variable.shape),
                dtype=variable.dtype,
                trainable=variable.trainable,
                autocast=variable._autocast,
                aggregation=variable.aggregation,
                name=name,
            )
        stacked.regularizer = _each_slice(variable.regularizer)
        stacked.constraint = _each_slice(variable.constraint, summed=False)
        stacked.slices = Slices(self.name, tuple(self._slice_paths(address, name)))
        self._track_variable(stacked)
        return stacked

    def _slice_paths(self, address, name):
        """Yield the path of a weight in each slice, as it is where the slices are layers of their own."""
        blocks = self._template.blocks
        place, address = (int(address[0]) - 1, address[1:]) if self._template.several else (0, address)
        for block in self.names[place :: len(blocks)]:
            yield "/".join((block, *address, name))

    def call(self, x, memory=None, training=None):
        template, mask = self._template, get_keras_mask(x)
        x = keras.ops.cast(x, template.output_dtype(x))
        facts = _Facts()

        def body(x, rows, constants):
            values, rates = rows[: len(self.stacked)], rows[len(self.stacked) :]
            if mask is not None:
                set_keras_mask(x, mask)
            mapping = list(zip(template.layer.variables, values, strict=True))
            with keras.StatelessScope(mapping, collect_losses=True) as scope, AutocastScope(None):
                before = [scope.get_current_value(variable) for variable, _ in mapping]
                with template.dropped_at(*rates):
                    # Said once more, for recomputed bodies run again when Keras no longer knows.
                    y = template.layer(x, *constants, training=training)
                after = [scope.get_current_value(variable) for variable, _ in mapping]
            facts.changed = [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old is not new]
            facts.losses = len(scope.losses)
            losses = [keras.ops.sum(each) for each in scope.losses]
            return keras.ops.cast(y, x.dtype), [*losses, *(after[i] for i in facts.changed)]

        with AutocastScope(None):
            # Copies of what changes, for PyTorch changes it in place before a recomputed body reads it again.
            rows = [
                keras.ops.convert_to_tensor(each) if each.trainable else keras.ops.copy(each) for each in self.stacked
            ]
        if self.drop_path is not None:
            rows.append(keras.ops.convert_to_tensor(self.drop_path, dtype=keras.config.floatx()))
        constants = () if memory is None else (memory,)
        probe = self._probe
        # A recorded body tells nothing of what is inside of it.
        alone = memory is None and mask is None and (probe is None or not probe.is_deep)
        if self.depth >= LEAST_RECORDED and alone and backend.can_record(x):
            body, facts = self._recorded(body, facts, x, rows, training)
        end = None
        if probe is not None:
            body, rows, end = looked_at(body, x, rows, probe, once=not self.remat)
        y, found = self._scan(training)(body, x, rows, self.depth, constants)
        if end is not None:
            y, found = end(y, found)
        for each in found[: facts.losses]:
            self.add_loss(keras.ops.sum(each))
        for place, value in zip(facts.changed, found[facts.losses :], strict=True):
            self.stacked[place].assign(value)
        return y

    def _recorded(self, body, facts: _Facts, x, rows, training):
        """Return the body, recorded before or now if it can be, and what is known of it."""
        trainable = tuple(each.trainable for each in self._template.layer._flatten_layers())
        key = tuple(x.shape), x.dtype, x.device, training, trainable
        if key not in self._recordings:
            if len(self._recordings) >= MOST_RECORDINGS:
                self._recordings.clear()
            self._recordings[key] = backend.recorded(body, x, [each[0] for each in rows]), facts
        recording, known = self._recordings[key]
        return (body, facts) if recording is None else (recording, known)

    def _scan(self, training):
        parts = self._template.layer._flatten_layers()
        unroll = backend.unrolls_convolutions() and any(isinstance(each, CONVOLUTIONS) for each in parts)
        if not training or not self.remat:
            return partial(backend.scan, unroll=unroll)
        # Written out, what is to be computed again would be computed early and kept.
        change = backend.by_products if unroll else lambda body: body
        if self.remat == "sqrt":
            return lambda body, *arguments: backend.scan_in_segments(change(body), *arguments)
        return lambda body, *arguments: backend.scan(backend.recomputed(change(body)), *arguments)

    def compute_mask(self, inputs, previous_mask):
        first = previous_mask[0] if isinstance(previous_mask, (list, tuple)) else previous_mask
        return first if self.supports_masking else None

    def compute_output_shape(self, x_shape, memory_shape=None):
        return x_shape

    def compute_output_spec(self, x, memory=None, training=None):
        return keras.KerasTensor(x.shape, dtype=self._template.output_dtype(x))

    @keras.Layer.trainable.setter
    def trainable(self, value):
        keras.Layer.trainable.fset(self, value)
        # Statistics of normalisation are kept still by the layer inside, which must know.
        self._template.layer.trainable = value

    def get_config(self):
        configs = self._template.configs
        return {
            **super().get_config(),
            "block": configs if self._template.several else configs[0],
            "depth": self.depth,
            "drop_path": self.drop_path,
            "remat": self.remat,
            "names": self.slice_names,
        }

    @classmethod
    def from_config(cls, config):
        block = config["block"]
        blocks = [
            keras.saving.deserialize_keras_object(each) for each in (block if isinstance(block, list) else [block])
        ]
        return cls(**{**config, "block": blocks if isinstance(block, list) else blocks[0]})


def check_remat(remat) -> None:
    """Raise ValueError for what says neither to recompute nor not to."""
    if remat not in (False, True, "sqrt"):
        raise ValueError(f"remat must be False, True or 'sqrt'. Received: remat={remat!r}")


def _check_count(name: str, values, count: int) -> None:
    if values is not None and len(values) != count:
        raise ValueError(f"{name} must have one entry for each slice, {count}. Received: {len(values)}")


def _each_slice(function, summed: bool = True):
    """Return a regularizer, or with `summed=False` a constraint, that looks at each slice by itself."""
    if function is None:
        return None

    def each(stacked):
        found = keras.ops.vectorized_map(function, keras.ops.convert_to_tensor(stacked))
        return keras.ops.sum(found) if summed else found

    return each
