"""Batch normalisation in one kernel of the backend, saved and loaded as Keras's own."""

from __future__ import annotations

import keras

from reskeras import backend


class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` with the same numbers, sooner: one kernel computes what Keras computes apart.

    Weights and their names, moving statistics and gradients are those of Keras's layer (Ioffe & Szegedy 2015,
    1502.03167). Keras's operations compute where no kernel takes the input or none is faster: on JAX; with a mask,
    `renorm` or `synchronized`; on TensorFlow in float64, of vectors, and along another axis than the last; on PyTorch
    in training on few numbers.

    In a file it is Keras's layer, so a model with it loads where this package is not installed. Where this package is
    imported, what was written by this layer, or names its class alone as files of Keras 2 do, is this layer again.

    Args:
        kwargs: as for Keras's layer: `axis`, `momentum`, `epsilon`, `center`, `scale`, ...

    Input shape: (batch, ..., channels), or as `axis` says. Output shape: that of the input.

    Example:
        >>> BatchNormalization(momentum=0.9)(keras.Input((32, 32, 16))).shape
        (None, 32, 32, 16)
    """

    # By its module and its name Keras writes a layer's class into a file.
    __module__ = "keras.layers"

    def call(self, inputs, training=None, mask=None):
        found = None
        if mask is None and not self.renorm and not self.synchronized:
            found = self._in_one_kernel(inputs, bool(training and self.trainable))
        return super().call(inputs, training=training, mask=mask) if found is None else found

    def _in_one_kernel(self, inputs, training: bool):
        """Return the normalised inputs and update the moving statistics in training; None where no kernel is."""
        # Not by Keras's rule, which makes float32 of what has float64 in it, but on TensorFlow.
        precise = "float64" if keras.backend.standardize_dtype(inputs.dtype) == "float64" else "float32"
        moving, trained = (
            [None if each is None else keras.ops.cast(each, precise) for each in variables]
            for variables in ((self.moving_mean, self.moving_variance), (self.gamma, self.beta))
        )
        found = backend.batch_norm(inputs, self.axis, self.epsilon, *trained, None if training else moving)
        if found is None:
            return None
        outputs, *statistics = found
        if training:
            for variable, before, new in zip((self.moving_mean, self.moving_variance), moving, statistics, strict=True):
                variable.assign(before * self.momentum + new * (1.0 - self.momentum))
        return keras.ops.cast(outputs, self.compute_dtype)

    def __reduce__(self):
        restore, arguments = super().__reduce__()
        # Pickle would look for this class where `__module__` says, and find Keras's.
        return getattr(keras.layers.BatchNormalization, restore.__name__), arguments


keras.saving.get_custom_objects()[BatchNormalization.__name__] = BatchNormalization
