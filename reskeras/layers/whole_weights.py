"""Optimizers that look at a weight as a whole, which the stacked weight of a `Stack` is not."""

from __future__ import annotations

from functools import wraps

import keras
from keras.src.optimizers.base_optimizer import BaseOptimizer  # The one class whose `build` every optimizer calls.

WHOLE_WEIGHT = (keras.optimizers.Adafactor, keras.optimizers.Lamb, keras.optimizers.Muon)
"""Optimizers whose step for one number of a weight depends on the weight's shape, or on its other numbers."""


def refuse_whole_weight_optimizers() -> None:
    """Make optimizers that are built from now on refuse stacked weights where they would treat all slices as one."""
    original = BaseOptimizer.build
    if getattr(original, "refuses_stacks", False):
        return

    @wraps(original)
    def build(self, variables):
        _check(self, variables)
        original(self, variables)

    build.refuses_stacks = True
    BaseOptimizer.build = build


def _check(optimizer, variables) -> None:
    reasons = []
    if isinstance(optimizer, WHOLE_WEIGHT):
        reasons.append(f"{type(optimizer).__name__} takes the shape or the norm of a whole weight into its steps")
    if optimizer.clipnorm:
        reasons.append(f"clipnorm={optimizer.clipnorm} clips a whole weight's gradient")
    stacked = next((each.slices.stack for each in variables if getattr(each, "slices", None)), None)
    if reasons and stacked:
        raise ValueError(
            f"The weights of the slices of {stacked} are one weight, and {' and '.join(reasons)}: slices would not be "
            "trained as blocks of their own. Use reskeras.unroll(model), stacked=False, clipvalue, global_clipnorm, or "
            "another optimizer, such as AdamW."
        )
