"""What every layer here has in common: it is made of Keras's own layers, and only they own weights."""

import inspect
from numbers import Integral

import keras
from keras.src.backend import get_keras_mask

UNKNOWN_SIZE = 64
"""Stands for a space or time axis of unknown size where only its change matters: no weight depends on it."""


class NotPortable(ValueError):
    """A model or a layer cannot be written in Keras's own layers."""


class Composite(keras.Layer):
    """A layer made of other layers, which can be taken apart into them.

    A subclass owns no variable of its own and joins tensors with Keras layers only, so that calling it on symbolic
    tensors gives the same network written in Keras's own layers. `transforms.portable` relies on this to write files
    that load without this package. Each argument of its constructor is an attribute of the same name: from these the
    configuration is written.
    """

    axes: keras.layers.InputSpec | None = None
    """How many axes the input has, that of the batch included; Keras checks it at each call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.input_spec = self.axes

    def part(self, layer_class, name: str, **arguments) -> keras.Layer:
        """Return a new sub-layer that follows this layer's precision."""
        return layer_class(name=name, dtype=self.dtype_policy, **arguments)

    def call_in_core_layers(self, *arguments, **options):
        """Return what the layer gives, as Keras's own layers compute it: a part of another class is replaced here."""
        return self.call(*arguments, **options)

    def get_config(self):
        return {**super().get_config(), **configuration(self, type(self))}


def configuration(layer: keras.Layer, layer_class: type) -> dict:
    """Return the arguments of a class's constructor as the layer has them, in the form that Keras writes."""
    parameters = inspect.signature(layer_class.__init__).parameters.values()
    names = [each.name for each in parameters if each.name != "self" and each.kind is not each.VAR_KEYWORD]
    return {name: _plain(getattr(layer, name)) for name in names}


def _plain(value):
    if isinstance(value, (keras.Layer, keras.Initializer, keras.Regularizer)):
        return keras.saving.serialize_keras_object(value)
    if inspect.isfunction(value):
        return keras.activations.serialize(value)
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def check_counts(**counts) -> None:
    """Raise ValueError, with its name, for what is not a whole number from 1."""
    for name, count in counts.items():
        if not isinstance(count, Integral) or count < 1:
            raise ValueError(f"{name} must be a whole number from 1. Received: {name}={count!r}")


def pooled_class(kind: str, axes: int) -> type[keras.Layer]:
    """Return Keras's layer class for one or two space axes: `pooled_class("Conv", 2)` is Conv2D.

    Raises:
        ValueError: without such axes.
    """
    if axes < 1:
        raise ValueError(
            "Input must be (batch, time, channels) or (batch, height, width, channels). Received: one without an axis "
            "of time or space"
        )
    return getattr(keras.layers, f"{kind}{axes}D")


def mask_of(tensor):
    """Return the mask that Keras has attached to a tensor, symbolic or not, or None."""
    return get_keras_mask(tensor)


def start_as(variable: keras.Variable, initializer) -> None:
    """Give a variable of a layer of Keras's own, which has just been built, another start than the layer's.

    Args:
        variable: the variable.
        initializer: `(shape, dtype) -> values`, such as a Keras initializer.
    """
    # In a stateless scope Keras makes variables without values and asks their initializer once it is over.
    variable._initializer = initializer
    if variable._value is not None:
        variable.assign(initializer(variable.shape, dtype=variable.dtype))
