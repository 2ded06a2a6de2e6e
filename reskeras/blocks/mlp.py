"""Multilayer perceptrons with a skip, as data: round every two dense layers, or round all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reskeras.plan import Block, Skip
from reskeras.steps import Activation, Dense, Norm, Start, Step


@dataclass(frozen=True)
class ResidualMLP:
    """What the blocks of one residual MLP have in common.

    A block is two dense layers with a skip round them. In the order `"post"`, normalisation follows each dense layer
    and the second activation follows the sum: y = relu(x + W2 relu(W1 x)), equations 1 and 2 of He et al. 2015
    (1512.03385). In the order `"pre"`, both stand before each dense layer: y = x + W2 relu(W1 relu(x)) (He et al. 2016,
    1603.05027).

    Attributes:
        order: `"post"` or `"pre"`.
        normalization: `"batch"`, `"layer"` or `"none"`; without it, dense layers have biases.
        activation: an activation as Keras takes it.
        silent: whether branches start at zero: by the scale of the last normalisation, or where a branch ends with a
            dense layer by that kernel.
        skip: how a branch rejoins x.
        initializer: how kernels start.
    """

    order: str = "post"
    normalization: str = "batch"
    activation: Any = "relu"
    silent: bool = False
    skip: str = "add"
    initializer: Start = "he_normal"

    def block(self, features: int, width: int, hidden: int) -> Block:
        """Return a block from `features` to `width` by way of `hidden` units; x is mapped where sizes differ."""
        between = self.norm_activation()
        path = self._path(width) if features != width and self.skip != "none" else ()
        if self.order == "pre":
            branch = (*between, *self.dense(hidden), *between, *self.dense(width, zero=self.silent))
            return Block(branch, Skip(self.skip, path))
        scaled = self.normalization != "none"
        last = (*self.dense(width, zero=self.silent and not scaled), *self.norm(zero=self.silent))
        return Block((*self.dense(hidden), *between, *last), Skip(self.skip, path), (Activation(self.activation),))

    def dense(self, units: int, zero: bool = False) -> tuple[Step, ...]:
        """Return a dense layer; `zero` starts its kernel at 0."""
        return (Dense(units, "zeros" if zero else self.initializer, bias=self.normalization == "none"),)

    def norm(self, zero: bool = False) -> tuple[Step, ...]:
        """Return the normalisation, if any; `zero` starts its scale at 0."""
        return () if self.normalization == "none" else (Norm(self.normalization, zero),)

    def norm_activation(self) -> tuple[Step, ...]:
        """Return the normalisation, if any, and the activation."""
        return (*self.norm(), Activation(self.activation))

    def _path(self, width: int) -> tuple[Step, ...]:
        # In pre-activation networks the projection is a bare map (He et al. 2016).
        return (*self.dense(width), *(self.norm() if self.order == "post" else ()))


def skip_layer_mlp(hidden: tuple[int, ...], units: int, activation: Any = "sigmoid", skip: str = "add") -> Block:
    """Return y = W x + MLP(x): hidden layers, and beside them direct linear connections from input to output.

    Source: Ripley 1996, Pattern Recognition and Neural Networks, section 5.1; Venables and Ripley 2002, Modern Applied
    Statistics with S, section 8.10 (`nnet` with `skip = TRUE`).

    Args:
        hidden: units of each hidden layer.
        units: outputs, which have no activation.
        activation: activation of the hidden layers.
        skip: `"add"`, or `"none"` for the hidden layers alone.
    """
    layers = [step for each in hidden for step in (Dense(each, "glorot_uniform"), Activation(activation))]
    # The outputs' one bias is that of the last layer.
    path = (Dense(units, "glorot_uniform", bias=False),) if skip == "add" else ()
    return Block((*layers, Dense(units, "glorot_uniform")), Skip(skip, path))
