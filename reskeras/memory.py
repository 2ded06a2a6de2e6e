"""How much memory a training is expected to take, from its plan alone, and what would take less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from reskeras import catalogue, datasets
from reskeras.options import OptionError
from reskeras.plan import Plan
from reskeras.request import Request
from reskeras.runs.settings import RunSettings, TrainingOptions
from reskeras.steps import PlanError

PROCESS = {"torch": 560 * 10**6, "jax": 450 * 10**6, "tensorflow": 810 * 10**6}
"""Bytes of a worker's process that trains a tiny network; measured, as are all: tests/benchmarks/bench_memory.py."""

KEPT = {"torch": 1.5, "jax": 2.0, "tensorflow": 1.2}
"""Numbers that a step holds at most for each that is written in the forward pass: itself, where the backward pass needs
it, gradients, and what lies between; on JAX, what compiling takes in the first step too."""

SLOTS = {"adam": 2, "adamw": 2, "sgd": 1}
"""Numbers that an optimizer keeps for each weight."""

BYTES = {"float32": 4, "mixed_bfloat16": 2}
"""Bytes of a number of an activation."""

FILLED = 0.75
"""Share of the memory there is that a training is expected to take at most: estimates may be a third off."""

MOST_STEPS_DOWN = 12
"""So far below a depth that a network cannot have there is one that it can."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a training takes.

    Attributes:
        process: the backend.
        weights: weights, their gradients, and what the optimizer keeps of each.
        activations: what a step keeps for the gradient, and the gradients of that.
        batch_size: samples in the step.
    """

    process: int
    weights: int
    activations: int
    batch_size: int

    @property
    def total(self) -> int:
        """All together."""
        return self.process + self.weights + self.activations

    def of_process(self, process: int) -> Memory:
        """Return the same with the bytes of the process as they were measured; none on a device with a memory of its
        own."""
        return replace(self, process=process)

    def of_batch(self, batch_size: int) -> Memory:
        """Return the same with another batch size."""
        return replace(self, activations=self.activations * batch_size // self.batch_size, batch_size=batch_size)

    def smaller(self, room: int | None) -> int:
        """Return the batch size to try next where this one did not fit: half of it, or a half of that, and so on, such
        as should fit; 0 where not even a sample does.

        A training that was expected to fit takes more than it was expected to: as much as there was, at least.

        Args:
            room: bytes that there are; None where nobody knows.
        """
        batch, fixed = self.batch_size // 2, self.process + self.weights
        if room is None:
            return batch
        each = max(self.activations, room - fixed) / self.batch_size
        while batch and fixed + batch * each > FILLED * room:
            batch //= 2
        return batch


def estimate(request: Request) -> Memory:
    """Return what a training is expected to take; the samples of its data set are not counted.

    Args:
        request: what is trained, its backend named.
    """
    return _of(request.settings, request.plan, _batch(request.settings.training, request.shape.train))


def of(settings: RunSettings, plan: Plan) -> Memory:
    """Return the same as `estimate` from settings and the plan that they come to."""
    return _of(settings, plan, batch_of(settings))


def _of(settings: RunSettings, plan: Plan, batch: int) -> Memory:
    training, cost = settings.training, plan.cost()
    written = cost.activations if training.remat == "no" else _recomputed(plan)
    return Memory(
        process=PROCESS.get(training.backend, max(PROCESS.values())),
        weights=4 * cost.parameters * (2 + _kept_of_weights(training)),
        activations=round(KEPT.get(training.backend, max(KEPT.values())) * BYTES[training.precision] * written) * batch,
        batch_size=batch,
    )


def _kept_of_weights(training: TrainingOptions) -> int:
    """Return how many numbers an optimizer keeps for each weight: its own, a sum of gradients, an average."""
    return SLOTS[training.optimizer] + (training.accumulate > 1) + (training.ema is not None)


def batch_of(settings: RunSettings) -> int:
    """Return how many samples a step has: a batch is no more than there are to train on."""
    training = settings.training
    try:
        samples = datasets.describe(training.data, training, check=False).train
    except datasets.DataError:
        # The data may be gone since they were looked at, which is told when they are read.
        return training.batch_size
    return _batch(training, samples)


def _batch(training: TrainingOptions, samples: int) -> int:
    return min(training.batch_size, max(samples - datasets.held_out(samples, training.validation_split), 1))


def _recomputed(plan: Plan) -> int:
    """Return how many numbers of a sample a step keeps where blocks are computed again: what goes into each, and all of
    the largest one while it is at that."""
    shapes = [shape for _, shape in plan.shapes()]
    costs = [block.cost(shape).activations for (_, block), shape in zip(plan.blocks(), shapes, strict=False)]
    outside = plan.cost().activations - sum(costs)
    return outside + sum(map(prod, shapes[: len(costs)])) + max(costs, default=0)


def plan_of(settings: RunSettings) -> Plan:
    """Return the plan that settings come to.

    Raises:
        OptionError, PlanError: where they come to none.
    """
    return catalogue.plan_with(settings.architecture, settings.options, settings.input_shape, settings.classes)


def advice(settings: RunSettings, room: int | None) -> str:
    """Return in words which changes would make a training fit that does not with a batch of one sample.

    Args:
        settings: of the training.
        room: bytes that there are; None where nobody knows.
    """
    found = [] if room is None else [words for words, needed in _lighter(settings) if needed <= FILLED * room]
    if found:
        # Of one option there are ever smaller values: the largest that fits.
        first = {words.split()[0]: words for words in reversed(found)}
        return f"By the estimate, it fits with a batch of 1 and {' or '.join(reversed(first.values()))}."
    return "Choose a smaller width or depth, with --precision mixed_bfloat16 and --remat yes."


def _lighter(settings: RunSettings) -> Iterator[tuple[str, int]]:
    """Yield options that make a training take less, and the bytes that it then takes with a batch of 1."""
    for name, value in (("precision", "mixed_bfloat16"), ("remat", "yes")):
        if getattr(settings.training, name) != value:
            yield f"--{name} {value}", _alone(settings, {}, {name: value})
    for name in ("width", "growth", "depth"):
        value = settings.options.get(name)
        while isinstance(value, int) and (value := value // 2):
            # Not every number is a depth.
            for near in range(value, max(value - MOST_STEPS_DOWN, 0), -1):
                with suppress(OptionError, PlanError):
                    yield f"--{name} {near}", _alone(settings, {name: near}, {})
                    break


def _alone(settings: RunSettings, options: dict[str, Any], training: dict[str, Any]) -> int:
    training = settings.training.model_copy(update={**training, "batch_size": 1})
    settings = settings.model_copy(update={"options": {**settings.options, **options}, "training": training})
    return of(settings, plan_of(settings)).total
