"""From what a user asks for to settings that can be trained: every check that needs neither Keras nor the samples."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reskeras import catalogue, datasets
from reskeras.architectures import Architecture, ArchitectureOptions
from reskeras.installed import BackendMissing, resolve_backend
from reskeras.options import OptionError, check
from reskeras.plan import Plan
from reskeras.runs.settings import RunSettings, TrainingOptions
from reskeras.steps import PlanError

LONGEST_CHAIN = 930
"""Layers that may follow one another in the file of a trained network: Keras goes through them by recursion, and
Python's own limit of 1,000 calls leaves room for these and for who calls Keras."""


@dataclass(frozen=True)
class Request:
    """A checked request: the settings of the run to be, and its network as data."""

    settings: RunSettings
    plan: Plan


def check_trainable(family: Architecture, name: str) -> None:
    """Raise OptionError where a network, here called `name`, cannot be trained on samples with a class each."""
    if not family.learns_classes():
        known = ", ".join(catalogue.TRAINABLE)
        raise OptionError(
            {
                "architecture": f"{name} maps {' or '.join(family.inputs)} to {family.task}; a run trains on images, "
                f"vectors or sequences with a class each (architectures that do: {known}). Build it with "
                f'reskeras.build("{name}") and train it with Keras.'
            }
        )


def check_request(architecture: str, options: Mapping[str, Any], training: Mapping[str, Any]) -> Request:
    """Check everything a user chose and return it as settings with the plan of the network.

    Args:
        architecture: a name in the catalogue, or a preset's.
        options: values for the architecture's options; text is converted, what is missing keeps its default or the
            preset's value.
        training: values for `TrainingOptions`, likewise.

    Raises:
        OptionError: with a sentence for every option that is wrong, of both groups; `architecture`, `data` and
            `backend` are among its keys.
    """
    problems: dict[str, str] = {}

    def attempt(key: str, call, *arguments):
        try:
            return call(*arguments)
        except OptionError as error:
            problems.update(error.problems)
        except (ValueError, BackendMissing) as error:
            # What the declaration says of a value, such as its choices, stands before what its use says.
            problems.setdefault(key, str(error))
        return None

    entry = preset = chosen = None
    if found := attempt("architecture", catalogue.find, architecture):
        entry, preset = found
        attempt("architecture", check_trainable, entry, architecture)
        options = {**(preset.options if preset else {}), **options}
        chosen = attempt("options", check, entry.options, options, architecture)
    trained = attempt("training", check, TrainingOptions, training)
    shape = attempt("data", datasets.describe, str(training.get("data", TrainingOptions().data)))
    attempt("backend", resolve_backend, str(training.get("backend", "auto")))
    plan = None
    if chosen and shape:
        try:
            plan = entry.plan(chosen, shape.input_shape, shape.classes)
        except PlanError as error:
            # A patch that does not fit the image is the patch's fault; any other misfit is the data's.
            key = "patch" if str(error).startswith("patch") else "data"
            problems.setdefault(key, str(error))
    if plan and not problems and (problem := _too_deep(entry, chosen, plan)):
        problems["depth"] = problem
    if problems:
        raise OptionError(problems)
    settings = RunSettings(
        architecture=entry.name,
        options=chosen.model_dump(),
        training=trained,
        input_shape=shape.input_shape,
        classes=shape.classes,
    )
    return Request(settings, plan)


def _too_deep(entry: Architecture, options: ArchitectureOptions, plan: Plan) -> str | None:
    """Return the sentence for a network whose file no Keras could load, or None."""

    def chain(depth: int) -> int:
        return entry.plan(options.model_copy(update={"depth": depth}), plan.input_shape, plan.classes).chain_length()

    if plan.chain_length() <= LONGEST_CHAIN:
        return None
    depths = options.depths()
    fitting = depths[: bisect_right(depths, LONGEST_CHAIN, key=chain)]
    return (
        f"A {entry.name} of depth {options.depth} cannot be trained: the file of the trained network would chain "
        f"{plan.chain_length():,} of Keras's layers, and Python's recursion limit leaves room for {LONGEST_CHAIN:,}."
        + (f" Did you mean {fitting[-1]}?" if fitting else "")
    )
