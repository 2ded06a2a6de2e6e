"""What every layer here has in common: it is made of Keras's own layers, and only they own weights."""

import keras


class Composite(keras.Layer):
    """A layer made of other layers, which can be taken apart into them.

    A subclass owns no variable of its own and joins tensors with Keras layers only, so that calling it on symbolic
    tensors gives the same network written in Keras's own layers. `transforms.portable` relies on this to write files
    that load without this package.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def part(self, layer_class, name: str, **arguments) -> keras.Layer:
        """Return a new sub-layer that follows this layer's precision."""
        return layer_class(name=name, dtype=self.dtype_policy, **arguments)


def pooled_class(kind: str, axes: int) -> type[keras.Layer]:
    """Return Keras's layer class for one or two space axes: `pooled_class("Conv", 2)` is Conv2D."""
    return getattr(keras.layers, f"{kind}{axes}D")
