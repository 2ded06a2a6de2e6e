"""From what a user asks for to settings that can be trained: every check that needs neither Keras nor the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reskeras import catalogue, datasets
from reskeras.architectures import Architecture
from reskeras.installed import BackendMissing, resolve_backend
from reskeras.options import OptionError, check
from reskeras.plan import Plan
from reskeras.runs.settings import RunSettings, TrainingOptions
from reskeras.steps import PlanError


@dataclass(frozen=True)
class Request:
    """A checked request: the settings of the run to be, its network as data, and how many steps it is to take."""

    settings: RunSettings
    plan: Plan
    steps: int


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
            problems.setdefault(_at_fault(error), str(error))
    if plan and trained and trained.remat == "sqrt" and not plan.has_stacks():
        problems["remat"] = (
            f"remat=sqrt keeps inputs of some blocks of a stack; {plan.name} has no equal blocks of one shape in a "
            "row. Did you mean remat=yes?"
        )
    if problems:
        raise OptionError(problems)
    settings = RunSettings(
        architecture=entry.name,
        options=chosen.model_dump(),
        training=trained,
        input_shape=shape.input_shape,
        classes=shape.classes,
    )
    return Request(settings, plan, _steps(trained, shape.train))


def _steps(training: TrainingOptions, samples: int) -> int:
    """Return how many steps a training on so many samples takes."""
    trained_on = samples - datasets.held_out(samples, training.validation_split)
    # Whole batches, or one of all samples where they are fewer than a batch.
    return training.total_steps(max(trained_on // training.batch_size, 1))


def _at_fault(error: PlanError) -> str:
    """Return the option to blame for a plan that does not take the samples: a patch that does not fit the image, or the
    data."""
    return "patch" if str(error).startswith("patch") else "data"
