"""How much memory a training is expected to take, from its plan alone."""

from __future__ import annotations

from dataclasses import dataclass

from reskeras.request import Request

PROCESS = {"torch": 600 * 2**20, "jax": 500 * 2**20, "tensorflow": 800 * 2**20}
"""Bytes of a worker's process with Keras and a backend before it has a network, rounded up."""

SLOTS = {"adam": 2, "adamw": 2, "sgd": 1}
"""Numbers that an optimizer keeps for each weight."""

BYTES = {"float32": 4, "mixed_bfloat16": 2}
"""Bytes of a number of an activation."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a training takes.

    Attributes:
        process: the backend.
        weights: weights, their gradients, and what the optimizer keeps of each.
        activations: what a step keeps for the gradient, and the gradients of that.
    """

    process: int
    weights: int
    activations: int

    @property
    def total(self) -> int:
        """All together."""
        return self.process + self.weights + self.activations


def estimate(request: Request) -> Memory:
    """Return what a training is expected to take; the samples of its data set are not counted.

    Recomputation, which takes less, is not counted either: the estimate is an upper one.

    Args:
        request: what is trained, its backend named.
    """
    training, cost = request.settings.training, request.plan.cost()
    return Memory(
        process=PROCESS.get(training.backend, max(PROCESS.values())),
        weights=4 * cost.parameters * (2 + SLOTS[training.optimizer]),
        activations=2 * BYTES[training.precision] * cost.activations * training.batch_size,
    )
