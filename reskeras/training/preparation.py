"""All of a training that does not depend on its folder: data, network, optimizer, and the compiled step."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import keras
import numpy as np

from reskeras import backend, builder, catalogue, datasets, memory
from reskeras.plan import Plan
from reskeras.runs.settings import CHANGES, RunSettings, TrainingOptions
from reskeras.runs.statistics import reaches
from reskeras.steps import Change, Conv, Standardize
from reskeras.telemetry import make_ready, watch
from reskeras.training.augmenting import Augmentation, WordDropout
from reskeras.training.batches import Batches
from reskeras.training.buckets import BucketedBatches
from reskeras.training.objectives import objective, weights_of_classes
from reskeras.training.optimizing import make_optimizer

REMAT = {"no": False, "yes": True, "sqrt": "sqrt"}

MOST_MEMORY, MOST_ARITHMETIC = 2**30, 2e11
"""Bytes that a step keeps, and its multiply-adds: a larger one is not rehearsed while somebody is still choosing."""

LEAST_COMPILED = 100
"""Blocks, from which on the seconds that it takes XLA to compile a step are worth it."""

MOST_WRITTEN_OUT = 30
"""Blocks, where each is compiled by itself."""


@dataclass(frozen=True)
class Prepared:
    """What a run trains, before its first step.

    Attributes:
        settings: what was asked for.
        data: the data set.
        plan: the network as data.
        network: the network.
        model: what is trained, compiled: the network, with probes where its blocks are to be measured.
        batches: the training samples.
        held_out: which training samples validate.
        seconds: how long it took to build the network, and to compile its step where that was rehearsed.
    """

    settings: RunSettings
    data: datasets.Dataset
    plan: Plan
    network: keras.Model
    model: keras.Model
    batches: Batches
    held_out: np.ndarray
    seconds: float


def prepare(settings: RunSettings, data: datasets.Dataset | None = None) -> Prepared:
    """Read the data and build and compile the network of a run; the same settings give the same numbers each time.

    Args:
        settings: what is asked for.
        data: samples in the place of those that the settings name.

    Raises:
        DataError, OptionError, PlanError: where the settings cannot be met.
    """
    training = settings.training
    keras.utils.clear_session()
    backend.make_repeatable(training.seed)
    keras.config.set_dtype_policy(training.precision)
    # Settings were checked when the run was made, perhaps by a version that let more pass.
    data = datasets.load(training.data, training, check=False) if data is None else data
    train, held_out = datasets.split(data, training.validation_split, training.seed)
    batches = _batches(data, train, training)
    began = time.perf_counter()
    plan = plan_of(settings, data)
    if training.remat != "no":
        backend.give_memory_back()
    network = builder.build_plan(plan, stacked=training.stacked, remat=REMAT[training.remat])
    if training.by_length:
        # Of any length, where it is called with the batches of a training.
        network.input_spec = None
    model = watch(network) if reaches(training.telemetry, "probes") else network
    model.compile(
        make_optimizer(training, training.total_steps(len(batches))),
        **objective(data.task, training.label_smoothing),
    )
    if _gains_by_xla(plan, training):
        backend.compile_whole_step(model)
    # What draws from the backend's own generator in training finds it as a rehearsal leaves it.
    backend.make_repeatable(training.seed)
    seconds = time.perf_counter() - began
    return Prepared(settings, data, plan, network, model, batches, held_out, seconds)


def _batches(data: datasets.Dataset, train: np.ndarray, training: TrainingOptions) -> Batches:
    """Return the training samples as options ask for them."""
    weights = weights_of_classes(data, train, training.class_weight)
    changes = None
    if training.pad_crop or training.flip:
        fill = data.moments()[0] if training.pad_crop else ()
        changes = Augmentation(training.pad_crop, training.flip, fill)
    elif training.word_dropout:
        changes = WordDropout.fit(data.x_train[train], data.vocabulary, training.word_dropout)
    kind = BucketedBatches if training.by_length else Batches
    return kind(data, train, training.batch_size, training.seed, weights, changes)


def rehearse(prepared: Prepared, level: str | None = None) -> Prepared:
    """Do one training step, so that it is compiled, and leave everything else as if there had been none.

    Args:
        prepared: what is to be trained.
        level: how much is measured; None for as much as the settings say.
    """
    began = time.perf_counter()
    model = prepared.model
    # With what a run records, for the step is compiled with it.
    make_ready(model, level or prepared.settings.training.telemetry)
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    before = [np.array(backend.as_numpy(each)) for each in variables]
    # Of a copy, which alone goes on to the order of the next epoch.
    fed = backend.fed(copy.copy(prepared.batches), prepared.batches.same_length)
    model.fit(**{**fed, "steps_per_epoch": 1}, shuffle=False, verbose=0)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    backend.make_repeatable(prepared.settings.training.seed)
    return replace(prepared, seconds=prepared.seconds + time.perf_counter() - began)


def is_quick(settings: RunSettings) -> bool:
    """Return whether a step of a run takes little time and memory, and its data cannot change."""
    if settings.training.data not in datasets.EMBEDDED:
        return False
    plan = memory.plan_of(settings)
    cost, batch = plan.cost(), settings.training.batch_size
    return (
        4 * (cost.activations * batch + 4 * cost.parameters) <= MOST_MEMORY
        and 3 * cost.multiply_adds * batch <= MOST_ARITHMETIC
        and (len(plan.blocks()) <= MOST_WRITTEN_OUT or not _is_written_out(plan, settings.training))
    )


def _gains_by_xla(plan: Plan, training: TrainingOptions) -> bool:
    """Return whether a loop of many small operations on vectors is most of a step.

    On two cores TensorFlow takes 0.3 of the time for a step of such a network where XLA compiles it. There it is slow
    at convolutions, and takes no products with sequences in a loop.
    """
    vectors = all(len(shape) == 1 for _, shape in plan.shapes())
    return training.stacked and vectors and len(plan.blocks()) >= LEAST_COMPILED


def _is_written_out(plan: Plan, training: TrainingOptions) -> bool:
    """Return whether the compiler gets the arithmetic of every block, not one body of a loop."""
    steps = {type(step) for _, block in plan.blocks() for step in block.branch}
    return not training.stacked or (backend.unrolls_convolutions() and Conv in steps)


def plan_of(settings: RunSettings, data: datasets.Dataset) -> Plan:
    """Return the network that settings ask for, with the data's own mean and variance taken out at the front.

    So the trained network takes raw samples and whoever loads the file need not know how they were prepared.
    """
    plan = catalogue.plan_with(settings.architecture, settings.options, data.shape.input_shape, data.classes)
    if data.vocabulary is not None:
        return plan
    return replace(plan, stem=(*_changes(settings.training, data), Standardize(*data.moments()), *plan.stem))


def _changes(training: TrainingOptions, data: datasets.Dataset) -> Iterator[Change]:
    """Yield how images are changed in training by layers of the network itself."""
    for place, kind in enumerate(CHANGES):
        if amount := getattr(training, kind):
            seed = int(np.random.default_rng([training.seed, 4, place]).integers(2**31))
            yield Change(kind, amount, float(data.x_train.min()), float(data.x_train.max()), seed)
