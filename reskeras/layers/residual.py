"""The residual block: a skip round any branch."""

import inspect

import keras

from reskeras.layers.composite import Composite
from reskeras.layers.gate import Gate
from reskeras.layers.scaling import ScaledAdd

CHAINS = ("branch", "skip_path", "after", "before")
SKIPS = ("add", "none", "concat", "gate", "scaled")


@keras.saving.register_keras_serializable(package="reskeras")
class Residual(Composite):
    """y = after(skip(skip_path(u), branch(u))) with u = before(x): any layers with a skip round them.

    With the skip `"add"` this is the residual block of He et al. 2015 (arXiv 1512.03385), equation 1: y = F(x) + x,
    with the `skip_path` as its W_s where shapes change (equation 2).

    Args:
        branch: a layer or a list of layers, called one after another: F.
        skip: how F rejoins the stream: `"add"` x + F, `"none"` F alone, `"concat"` [x, F] (DenseNet), `"gate"`
            t F + (1 - t) x (highway), `"scaled"` x + a F with one trained a from 0 (ReZero, SkipInit); or a layer
            that is called on the list [x, F].
        skip_path: a layer or a list of layers on x before it is joined; none for the identity.
        after: a layer or a list of layers on the joined stream, such as the ReLU of the 2015 block.
        before: a layer or a list of layers that branch and skip share, such as the first normalisation of a
            pre-activation block that changes size.

    Called as `layer(x, memory)`, it hands the memory to those layers of the branch that take one, such as
    `CrossAttention`.

    Input shape: any that the branch takes. Output shape: that of the branch, or for `"concat"` with the channels of
    x in front.

    Raises:
        ValueError: for an unknown skip, or where branch and skip_path give shapes that the skip cannot join.

    Example:
        >>> block = Residual([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(64)])
        >>> block(keras.Input((64,))).shape
        (None, 64)
    """

    def __init__(self, branch, skip="add", skip_path=None, after=None, before=None, **kwargs):
        super().__init__(**kwargs)
        self.branch, self.skip_path = _as_list(branch), _as_list(skip_path)
        self.after, self.before = _as_list(after), _as_list(before)
        self.skip = skip if isinstance(skip, keras.Layer) else self._joining_layer(skip)
        self.skip_kind = skip if isinstance(skip, str) else None

    def _joining_layer(self, skip):
        if skip not in SKIPS:
            raise ValueError(
                f"skip must be one of {', '.join(SKIPS)}, or a layer called on [x, f]. Received: skip={skip!r}"
            )
        classes = {"add": keras.layers.Add, "concat": keras.layers.Concatenate, "gate": Gate, "scaled": ScaledAdd}
        return None if skip == "none" else self.part(classes[skip], "skip")

    def build(self, x_shape, memory_shape=None):
        input_shape = _build_chain(self.before, x_shape)
        inner = _build_chain(self.branch, input_shape, memory_shape)
        carried = _build_chain(self.skip_path, input_shape)
        if self.skip is None:
            joined = inner
        else:
            if self.skip_kind in ("add", "gate", "scaled") and tuple(inner) != tuple(carried):
                raise ValueError(
                    f"The skip {self.skip_kind!r} of {self.name} joins tensors of one shape; the branch gives "
                    f"{tuple(inner)} and the skip path {tuple(carried)}. Give a skip_path that maps one to the other, "
                    "or use another skip."
                )
            if not self.skip.built:
                self.skip.build([carried, inner])
            joined = self.skip.compute_output_shape([carried, inner])
        _build_chain(self.after, joined)
        self.built = True

    def call(self, x, memory=None):
        x = _call_chain(self.before, x)
        inner = _call_chain(self.branch, x, memory)
        # The skip comes first: Keras walks a network's graph along first inputs, one level of recursion a layer, and
        # the skip path is the shorter one.
        joined = inner if self.skip is None else self.skip([_call_chain(self.skip_path, x), inner])
        return _call_chain(self.after, joined)

    def compute_output_shape(self, x_shape, memory_shape=None):
        input_shape = _chain_shape(self.before, x_shape)
        shape = _chain_shape(self.branch, input_shape, memory_shape)
        if self.skip is not None:
            shape = self.skip.compute_output_shape([_chain_shape(self.skip_path, input_shape), shape])
        return _chain_shape(self.after, shape)

    def compute_output_spec(self, x, memory=None):
        # By the parts' own specifications: a layer that the user brings may be of another precision than this one.
        x = _chain_spec(self.before, x)
        spec = _chain_spec(self.branch, x, memory)
        if self.skip is not None:
            spec = self.skip.compute_output_spec([_chain_spec(self.skip_path, x), spec])
        return _chain_spec(self.after, spec)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        skip = self.skip_kind or serialize(self.skip)
        chains = {name: [serialize(layer) for layer in getattr(self, name)] for name in CHAINS}
        return {**super().get_config(), **chains, "skip": skip}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        restore = keras.saving.deserialize_keras_object
        for name in CHAINS:
            config[name] = [restore(layer) for layer in config[name]]
        if not isinstance(config["skip"], str):
            config["skip"] = restore(config["skip"])
        return cls(**config)


def _as_list(layers) -> list:
    if layers is None:
        return []
    return list(layers) if isinstance(layers, (list, tuple)) else [layers]


def _with_memory(layer, memory) -> tuple:
    """Return the memory, or its shape, where the layer takes one beside its input."""
    return (memory,) if memory is not None and "memory" in inspect.signature(layer.call).parameters else ()


def _build_chain(layers, shape, memory_shape=None):
    for layer in layers:
        if not layer.built:
            layer.build(shape, *_with_memory(layer, memory_shape))
        shape = layer.compute_output_shape(shape, *_with_memory(layer, memory_shape))
    return shape


def _chain_shape(layers, shape, memory_shape=None):
    for layer in layers:
        shape = layer.compute_output_shape(shape, *_with_memory(layer, memory_shape))
    return shape


def _chain_spec(layers, spec, memory=None):
    for layer in layers:
        spec = layer.compute_output_spec(spec, *_with_memory(layer, memory))
    return spec


def _call_chain(layers, x, memory=None):
    for layer in layers:
        x = layer(x, *_with_memory(layer, memory))
    return x
