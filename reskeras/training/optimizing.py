"""The optimizer that training options ask for, and how its learning rate goes from step to step."""

from __future__ import annotations

import math

import keras

from reskeras.runs.settings import TrainingOptions

FALLS = {"step": (0.1, (0.5, 0.75)), "fifths": (0.2, (0.3, 0.6, 0.8))}
"""Schedule -> what the learning rate is multiplied by at once, and at which parts of all steps."""


class Course(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises in a straight line, then stays, or falls as a cosine, a line, in steps or as a root.

    Args:
        kind: `"constant"`; `"cosine"`, (1 + cos(pi p)) / 2 of the rate at the part p of the steps after the rise
            (Loshchilov and Hutter 2017, 1608.03983, without restarts); `"linear"`, 1 - p of it; `"step"`, a tenth from
            half of all steps on and a hundredth from three quarters on (He et al. 2015, section 4.2); `"fifths"`, a
            fifth of what it was from 0.3, from 0.6 and from 0.8 of all steps on (Zagoruyko and Komodakis 2016,
            1605.07146, section 3); or `"inverse_root"`, the root of the steps of the rise over those that there have
            been (Vaswani et al. 2017, 1706.03762, equation 3).
        rate: the highest rate.
        steps: of the whole training.
        warmup: steps of the rise; the first step has the rate divided by them. Below 1, a share of `steps`.
    """

    def __init__(self, kind: str, rate: float, steps: int, warmup: float):
        super().__init__()
        self.kind, self.rate, self.steps = kind, rate, steps
        self.warmup = warmup if warmup >= 1 else math.ceil(warmup * steps)

    def __call__(self, step):
        ops = keras.ops
        step = ops.cast(step, "float32")
        rate = ops.convert_to_tensor(self.rate, "float32")
        done = ops.clip((step - self.warmup) / max(self.steps - self.warmup, 1), 0.0, 1.0)
        if self.kind == "cosine":
            rate = rate * 0.5 * (1 + ops.cos(math.pi * done))
        elif self.kind == "linear":
            rate = rate * (1 - done)
        elif self.kind in FALLS:
            factor, places = FALLS[self.kind]
            falls = sum(ops.cast(step >= place * self.steps, "float32") for place in places)
            rate = rate * factor**falls
        elif self.kind == "inverse_root":
            rise = max(self.warmup, 1)
            rate = rate * ops.sqrt(rise / ops.maximum(step + 1, rise))
        if self.warmup:
            rate = rate * ops.minimum((step + 1) / self.warmup, 1.0)
        return rate

    def get_config(self):
        return {"kind": self.kind, "rate": self.rate, "steps": self.steps, "warmup": self.warmup}


def make_optimizer(training: TrainingOptions, steps: int) -> keras.optimizers.Optimizer:
    """Return the optimizer that training options ask for.

    Args:
        training: the options.
        steps: of the whole training.
    """
    rate = training.rate()
    if training.schedule != "constant" or training.warmup:
        rate = Course(training.schedule, rate, steps, training.warmup)
    optimizer = _update_rule(training, rate)
    # Keras would give the averages to the model at the end of each `fit`, of which a training may take several.
    object.__setattr__(optimizer, "finalize_variable_values", lambda variables: None)
    return optimizer


def _update_rule(training: TrainingOptions, rate) -> keras.optimizers.Optimizer:
    further = {"global_clipnorm": training.clip_norm} if training.clip_norm else {}
    if training.accumulate > 1:
        further["gradient_accumulation_steps"] = training.accumulate
    if training.ema:
        # Keras takes the average after every step, with weights that change at one of several alone.
        further |= {"use_ema": True, "ema_momentum": training.ema ** (1 / training.accumulate)}
    if training.optimizer == "sgd":
        found = keras.optimizers.SGD(rate, momentum=0.9, nesterov=training.nesterov, **further)
        return _decaying(found, training.weight_decay) if training.weight_decay else found
    if training.optimizer == "adamw":
        decay = 0.01 if training.weight_decay is None else training.weight_decay
        return keras.optimizers.AdamW(rate, beta_2=training.square_momentum, weight_decay=decay, **further)
    return keras.optimizers.Adam(rate, beta_2=training.square_momentum, **further)


class _DecaysByGradient:
    """Mixed into the class of an SGD with momentum: adds d w to the gradient of each weight w, as papers of residual
    networks do, where Keras takes l d w from the weight at a learning rate l and leaves the momentum without it."""

    def _apply_weight_decay(self, variables):
        rate = keras.ops.cast(self.learning_rate, "float32")
        for variable in variables:
            added = keras.ops.multiply(rate * self._decay, variable)
            # The update takes `momentum` times this buffer, and with Nesterov's the gradient once more.
            self.assign_sub(self.momentums[self._get_variable_index(variable)], added / self.momentum)
            if self.nesterov:
                self.assign_sub(variable, added)


def _decaying(optimizer: keras.optimizers.SGD, decay: float) -> keras.optimizers.SGD:
    """Return an optimizer with weight decay in its gradients."""
    # Of the instance's own class, which on PyTorch is a faster one than the name says.
    base = type(optimizer)
    optimizer.__class__ = type(base.__name__, (_DecaysByGradient, base), {"__module__": base.__module__})
    object.__setattr__(optimizer, "_decay", decay)
    return optimizer
