"""The residual block: a skip round any branch."""

import keras
from keras.src.backend import get_keras_mask  # Keras has no public way to ask for the mask of a tensor.

from reskeras.layers import any_layer
from reskeras.layers.composite import UNKNOWN_SIZE, Composite, pooled_class
from reskeras.layers.gate import Gate
from reskeras.layers.padding import PadChannels
from reskeras.layers.recompute import call_recomputed
from reskeras.layers.scaling import ScaledAdd

CHAINS = ("branch", "skip_path", "after", "before")
SKIPS = ("add", "none", "concat", "gate", "scaled", "layerscale")
PATHS = ("projection", "pad")


@keras.saving.register_keras_serializable(package="reskeras")
class Residual(Composite):
    """y = after(skip(skip_path(u), branch(u))) with u = before(x): any layers with a skip round them.

    With the skip `"add"` this is the residual block of He et al. 2015 (arXiv 1512.03385), equation 1: y = F(x) + x,
    with the `skip_path` as its W_s where shapes change (equation 2).

    Args:
        branch: a layer or a list of layers, called one after another: F.
        skip: how F rejoins the stream: `"add"` x + F, `"none"` F alone, `"concat"` [x, F] (DenseNet), `"gate"`
            t F + (1 - t) x (highway), `"scaled"` x + a F with one trained a from 0 (ReZero, SkipInit), `"layerscale"`
            x + a F with a trained a for each channel from 1e-4 (LayerScale); or a layer that is called on the list
            [x, F], such as a `Gate` or a `ScaledAdd` with other numbers.
        skip_path: a layer or a list of layers on x before it is joined; None for the identity; or, where the branch
            changes the shape, `"projection"` for a linear map of each position that is kept (option B of the paper),
            and `"pad"` for zeros in the channels that are missing (option A), with the stride of the branch.
        after: a layer or a list of layers on the joined stream, such as the ReLU of the 2015 block.
        before: a layer or a list of layers that branch and skip share, such as the first normalisation of a
            pre-activation block that changes size. A first layer that joins tensors, such as `Concatenate`, makes x a
            list of them.
        recompute: whether training keeps x alone, and the backward pass computes the block again: the same weights to
            the last bit, for less memory and about a third more computation (Chen et al. 2016, 1604.06174).

    Called as `layer(x, memory)`, it hands the memory to those layers of the branch that take one, such as
    `CrossAttention`. The first layer with a `data_format` says where the channels are; without one, they are last.

    Input shape: any that the branch takes. Output shape: that of the branch, or for `"concat"` with the channels of
    x in front.

    Raises:
        ValueError: for an unknown skip or skip_path, where branch and skip_path give shapes that the skip cannot join,
            and for a mask that is not (batch, time).

    Example:
        >>> block = Residual([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(64)])
        >>> block(keras.Input((64,))).shape
        (None, 64)
        >>> smaller = Residual(keras.layers.Conv2D(32, 3, strides=2, padding="same"), skip_path="projection")
        >>> smaller(keras.Input((28, 28, 16))).shape
        (None, 14, 14, 32)
    """

    def __init__(self, branch, skip="add", skip_path=None, after=None, before=None, recompute=False, **kwargs):
        super().__init__(**kwargs)
        self.path_kind = skip_path if isinstance(skip_path, str) else None
        if self.path_kind not in (None, *PATHS):
            raise ValueError(f"skip_path must be {' or '.join(PATHS)}, or layers. Received: skip_path={skip_path!r}")
        self.branch, self.skip_path = _as_list(branch), _as_list(None if self.path_kind else skip_path)
        self.after, self.before = _as_list(after), _as_list(before)
        self.recompute = recompute
        self.skip = skip if isinstance(skip, keras.Layer) else self._joining_layer(skip)
        self.skip_kind = skip if isinstance(skip, str) else None

    def _joining_layer(self, skip):
        if skip not in SKIPS:
            raise ValueError(
                f"skip must be one of {', '.join(SKIPS)}, or a layer called on [x, f]. Received: skip={skip!r}"
            )
        data_format = self._data_format()
        return {
            "add": lambda: self.part(keras.layers.Add, "skip"),
            "none": lambda: None,
            "concat": lambda: self.part(keras.layers.Concatenate, "skip", axis=self._channel_axis()),
            "gate": lambda: self.part(Gate, "skip", data_format=data_format),
            "scaled": lambda: self.part(ScaledAdd, "skip", data_format=data_format),
            "layerscale": lambda: self.part(ScaledAdd, "skip", initial=1e-4, per="channel", data_format=data_format),
        }[skip]()

    def _data_format(self):
        said = (getattr(layer, "data_format", None) for layer in (*self.before, *self.branch))
        return next((each for each in said if each is not None), "channels_last")

    def _channel_axis(self):
        return 1 if self._data_format() == "channels_first" else -1

    def build(self, x_shape, memory_shape=None):
        input_shape = any_layer.build_chain(self.before, x_shape)
        inner = any_layer.build_chain(self.branch, input_shape, memory_shape)
        if self.path_kind is not None:
            self.skip_path = self._fitting_path(_known(input_shape), _known(memory_shape))
        carried = any_layer.build_chain(self.skip_path, input_shape)
        if self.skip is None:
            joined = inner
        else:
            self._check_shapes(tuple(carried), tuple(inner))
            any_layer.build(self.skip, [carried, inner])
            joined = any_layer.shape_after(self.skip, [carried, inner])
        any_layer.build_chain(self.after, joined)
        self.built = True

    def _check_shapes(self, carried, inner):
        compared = carried, inner
        if self.skip_kind == "concat" and len(carried) == len(inner):
            channels = self._channel_axis() % len(inner)
            compared = ((*shape[:channels], *shape[channels + 1 :]) for shape in compared)
        first, second = compared
        if self.skip_kind is not None and first != second:
            raise ValueError(
                f"The skip {self.skip_kind!r} of {self.name} joins tensors of one shape"
                f"{' but for the channels' if self.skip_kind == 'concat' else ''}; the branch gives {inner} and the "
                f"skip path {carried}. Give a skip_path that maps one to the other, such as 'projection', or use "
                "another skip."
            )

    def _fitting_path(self, shape, memory_shape):
        """Return the layers that map x, of known sizes, to the shape that the branch gives."""
        inner = tuple(any_layer.shape_after_chain(self.branch, shape, memory_shape))
        if inner == shape:
            return []
        channels = self._channel_axis() % len(shape)
        space = [axis for axis in range(1, len(shape)) if axis != channels]
        strides = [-(-shape[axis] // inner[axis]) for axis in space] if len(inner) == len(shape) else None
        if strides is None or any(-(-shape[a] // s) != inner[a] for a, s in zip(space, strides, strict=True)):
            raise ValueError(
                f"No {self.path_kind!r} leads from {shape}, where the branch of {self.name} begins, to {inner}, where "
                "it ends: it keeps every n-th position and changes the channels. Give layers as skip_path."
            )
        filters, data_format = inner[channels], self._data_format()
        if self.path_kind == "pad":
            if len(set(strides)) != 1:
                raise ValueError(
                    "A skip_path 'pad' is for one or two space axes of one stride; the branch of "
                    f"{self.name} leads from {shape} to {inner}. Use 'projection' or give layers."
                )
            return [self.part(PadChannels, "path", filters=filters, strides=strides[0], data_format=data_format)]
        if set(strides) <= {1} and data_format == "channels_last":
            return [self.part(keras.layers.Dense, "path", units=filters, use_bias=False)]
        convolution = {"filters": filters, "kernel_size": 1, "strides": strides, "use_bias": False}
        return [self.part(pooled_class("Conv", len(space)), "path", data_format=data_format, **convolution)]

    def call(self, x, memory=None, training=None):
        self._check_mask(x)
        inputs = (x,) if memory is None else (x, memory)
        return call_recomputed(self, inputs, self._joined) if self.recompute and training else self._joined(inputs)

    def _joined(self, inputs, **training):
        """Return y of (x,) or of (x, memory), and tell each layer `training` where that is given."""
        x, memory = (*inputs, None)[:2]
        x = _call_chain(self.before, x, **training)
        inner = _call_chain(self.branch, x, memory, **training)
        # The skip comes first: Keras walks a network's graph along first inputs, one level of recursion a layer, and
        # the skip path is the shorter one.
        if self.skip is not None:
            inner = self.skip([_call_chain(self.skip_path, x, **training), inner], **training)
        return _call_chain(self.after, inner, **training)

    def _check_mask(self, x):
        mask = get_keras_mask(x)
        if mask is None:
            return
        sizes = mask.shape[1:2], x.shape[1:2]
        if len(mask.shape) != 2 or (None not in (*sizes[0], *sizes[1]) and sizes[0] != sizes[1]):
            raise ValueError(
                f"{self.name} takes a mask of shape (batch, time), one value for each step of its input. Received: a "
                f"mask of shape {tuple(mask.shape)} with an input of shape {tuple(x.shape)}"
            )

    def compute_mask(self, inputs, previous_mask):
        # Of several tensors, the first is what the others were made of.
        mask = keras.tree.flatten(previous_mask)[0]
        if mask is None:
            return None
        shapes = keras.tree.map_structure(lambda each: _known(tuple(each.shape)), inputs)
        first = shapes[0] if isinstance(inputs, (list, tuple)) else shapes
        # It says nothing about a sequence of another length. That of the memory makes no difference.
        return mask if self.compute_output_shape(shapes, first)[1] == first[1] else None

    def compute_output_shape(self, x_shape, memory_shape=None):
        if self.path_kind is not None and not self.built:
            self.build(x_shape, memory_shape)
        input_shape = any_layer.shape_after_chain(self.before, x_shape)
        shape = any_layer.shape_after_chain(self.branch, input_shape, memory_shape)
        if self.skip is not None:
            shape = any_layer.shape_after(self.skip, [any_layer.shape_after_chain(self.skip_path, input_shape), shape])
        return any_layer.shape_after_chain(self.after, shape)

    def compute_output_spec(self, x, memory=None, training=None):
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
        path = self.path_kind or chains["skip_path"]
        return {**super().get_config(), **chains, "skip": skip, "skip_path": path, "recompute": self.recompute}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        restore = keras.saving.deserialize_keras_object
        for name in CHAINS:
            if not isinstance(config[name], str):
                config[name] = [restore(layer) for layer in config[name]]
        if not isinstance(config["skip"], str):
            config["skip"] = restore(config["skip"])
        return cls(**config)


def _as_list(layers) -> list:
    if layers is None:
        return []
    return list(layers) if isinstance(layers, (list, tuple)) else [layers]


def _known(shape):
    """Return a shape with a number for each unknown size besides the batch."""
    return shape and (shape[0], *(UNKNOWN_SIZE if size is None else size for size in shape[1:]))


def _chain_spec(layers, spec, memory=None):
    for layer in layers:
        spec = layer.compute_output_spec(spec, *any_layer.with_memory(layer, memory))
    return spec


def _call_chain(layers, x, memory=None, **training):
    for layer in layers:
        x = layer(x, *any_layer.with_memory(layer, memory), **training)
    return x
