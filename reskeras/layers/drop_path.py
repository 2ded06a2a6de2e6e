"""Stochastic depth: whole branches dropped at random in training."""

import keras

from reskeras import backend
from reskeras.layers.composite import Composite

PER = ("sample", "batch")
SCALES = ("train", "test")


@keras.saving.register_keras_serializable(package="reskeras")
class DropPath(Composite):
    """y = g f / p in training and y = f in prediction; the gate g is 1 with the probability p = 1 - rate, and else 0.

    Put last in a branch, it drops the branch as a whole. Huang et al. 2016 (1603.09382, equations 2 and 5) draw one
    gate for a mini-batch and scale in prediction, `per="batch", scale="test"`: y = g f in training, y = p f in
    prediction. `reskeras.blocks.stochastic_depth` has the rates for all blocks of a network.

    Args:
        rate: probability that the branch is dropped, from 0 up to but not 1.
        per: `"sample"`, or `"batch"` for one gate for all samples of a step.
        scale: `"train"` divides by p in training, `"test"` multiplies by p in prediction.
        seed: an integer that makes the gates repeatable; None for other gates in each run.

    Input shape: (batch, ...). Output shape: the same.

    Raises:
        ValueError: for a rate, a `per` or a `scale` that is not among these.

    Example:
        >>> DropPath(0.1)(keras.Input((32, 32, 16))).shape
        (None, 32, 32, 16)
    """

    def __init__(self, rate, per="sample", scale="train", seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be at least 0 and less than 1. Received: rate={rate}")
        for name, value, allowed in (("per", per, PER), ("scale", scale, SCALES)):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}. Received: {name}={value!r}")
        self.rate = rate
        self.per = per
        self.scale = scale
        self.seed = seed
        # A rate that stands in for `rate` while a Stack runs the slice that it is for.
        self.rate_now = None

    def build(self, input_shape):
        self.gates = (None if self.per == "sample" else 1, *(1,) * (len(input_shape) - 1))
        # Dropout divides by p in training.
        self.gate = self.part(keras.layers.Dropout, "gate", rate=self.rate, noise_shape=self.gates, seed=self.seed)
        self.gate.build(input_shape)
        self.survival = None
        if self.scale == "test":
            self.survival = self.part(keras.layers.Rescaling, "survival", scale=1 - self.rate)
            self.survival.build(input_shape)
        self.built = True

    def call(self, x, training=None):
        if self.rate_now is not None:
            y = self._gated_now(x) if training else x
            return y if self.survival is None else y * keras.ops.cast(1 - self.rate_now, y.dtype)
        y = self.gate(x)
        return y if self.survival is None else self.survival(y)

    def _gated_now(self, x):
        gates = (keras.ops.shape(x)[0] if self.per == "sample" else 1, *self.gates[1:])
        return backend.dropout_at(x, self.rate_now, gates, self.gate.seed_generator)

    def compute_output_shape(self, input_shape):
        return input_shape
