"""From what a user asks for to settings that can be trained: every check that needs neither Keras nor the samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reskeras import catalogue, class_weights, datasets, recipes
from reskeras.architectures import Architecture, Preset
from reskeras.datasets import DataShape
from reskeras.installed import EXTRAS, BackendMissing, has_extra, how_to_install, resolve_backend
from reskeras.options import OptionError, Options, check
from reskeras.plan import Plan
from reskeras.runs.settings import CHANGES, RunSettings, TrainingOptions
from reskeras.steps import PlanError
from reskeras.suggestions import suggest
from reskeras.tasks import TASKS


@dataclass(frozen=True)
class Request:
    """A checked request: the settings of the run to be, its network as data, how many steps it is to take, and what its
    data is like."""

    settings: RunSettings
    plan: Plan
    steps: int
    shape: DataShape


def default_data(family: Architecture) -> str:
    """Return the data set that a family is trained on when nobody says which: the first embedded one that fits."""
    return next(iter(_fitting_data(family)), TrainingOptions().data)


def _fitting_data(family: Architecture) -> list[str]:
    """Return the embedded data sets that a family learns from."""
    return [name for name, each in datasets.EMBEDDED.items() if family.fits(each.shape.task, each.shape.kind)]


def check_fit(family: Architecture, name: str, data: str, shape: DataShape) -> None:
    """Raise OptionError where a network, here called `name`, does not learn what a data set has to teach."""
    if family.fits(shape.task, shape.kind):
        return
    networks = [each.name for each in catalogue.ARCHITECTURES.values() if each.fits(shape.task, shape.kind)]
    sets = _fitting_data(family)
    raise OptionError(
        {
            "data": f"{name} learns {TASKS[family.task].answer} from {' or '.join(family.inputs)} samples; {data} has "
            f"{shape.kind} samples of shape {shape.input_shape} with {TASKS[shape.task].answer} "
            f"(networks for it: {', '.join(networks) or 'none'}; embedded data for {name}: "
            f"{', '.join(sets) or 'none'}).{suggest(data, sets)}"
        }
    )


def decided_by_data(family: Architecture, shape: DataShape) -> dict[str, Any]:
    """Return the options that a data set decides where nobody does, with their values: how many numbers of tokens and
    of characters there are, and that samples have no segments."""
    decided = {"vocabulary": shape.vocabulary, "alphabet": shape.alphabet, "segments": 0}
    return {name: value for name, value in decided.items() if name in family.options.model_fields and value is not None}


def _with_data(family: Architecture, preset: Preset | None, chosen: Options, shape: DataShape) -> Options:
    """Return options with those that the data decides, where they stand at their defaults.

    A preset keeps the words that it has, if they suffice.
    """
    changed = {}
    for name, value in decided_by_data(family, shape).items():
        stands = getattr(chosen, name) == family.options.model_fields[name].default
        if stands and not (preset and name == "vocabulary" and getattr(chosen, name) >= value):
            changed[name] = value
    return chosen.model_copy(update=changed)


def _check_use(chosen: Options, shape: DataShape) -> dict[str, str]:
    """Return what is wrong with options of a network that fits the task: option name -> sentence."""
    problems = {}
    for name, what in (("vocabulary", "token numbers"), ("alphabet", "numbers of characters")):
        size, needed = getattr(chosen, name, None), getattr(shape, name)
        if size is not None and needed and size < needed:
            problems[name] = f"The data has {needed:,} {what}; received {name} {size:,}. Did you mean {needed}?"
    if getattr(chosen, "segments", 0):
        problems["segments"] = f"Samples have no segments here; received segments {chosen.segments}. Did you mean 0?"
    if getattr(chosen, "head", "classes") != "classes":
        problems["head"] = f"A run learns classes; received head={chosen.head}. Did you mean head=classes?"
    return problems


def _check_training(trained: TrainingOptions, shape: DataShape, name: str) -> dict[str, str]:
    """Return what is wrong with training options for a data set: option name -> sentence."""
    problems = {}
    if trained.class_weight != class_weights.NONE and shape.task not in ("classes", "tags"):
        problems["class_weight"] = (
            f"class_weight={trained.class_weight} is for classes and tags; {name} learns {TASKS[shape.task].answer}. "
            "Did you mean class_weight=none?"
        )
    elif shape.classes is not None:
        try:
            class_weights.of_classes(trained.class_weight, shape.labels, shape.classes, trained.data)
        except ValueError as error:
            problems["class_weight"] = str(error)
    for option, plain in (("pad_crop", 0), ("flip", False), *((name, 0.0) for name in CHANGES)):
        # What a board shows is not the same when it is moved, and its best move is another.
        if getattr(trained, option) != plain and (shape.kind != "image" or shape.task != "classes"):
            problems[option] = (
                f"{option} changes images that are told apart; received {option}={getattr(trained, option)} for "
                f"{shape.kind} samples of shape {shape.input_shape} with {TASKS[shape.task].answer}. "
                f"Did you mean {option}={plain}?"
            )
    if trained.word_dropout and (shape.vocabulary is None or shape.task not in ("classes", "tags")):
        problems["word_dropout"] = (
            f"word_dropout is for texts with classes or tags; received word_dropout={trained.word_dropout:g} for "
            f"{shape.kind} samples with {TASKS[shape.task].answer}. Did you mean word_dropout=0?"
        )
    return problems


def check_request(architecture: str, options: Mapping[str, Any], training: Mapping[str, Any]) -> Request:
    """Check everything a user chose and return it as settings with the plan of the network.

    Args:
        architecture: a name in the catalogue, or a preset's.
        options: values for the architecture's options; text is converted, what is missing keeps its default or the
            preset's value.
        training: values for `TrainingOptions`, likewise; with a `recipe`, its values stand for those that are missing.

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

    entry, preset = attempt("architecture", catalogue.find, architecture) or (None, None)
    training = {
        "data": default_data(entry) if entry else TrainingOptions().data,
        **recipes.values_of(training.get("recipe")),
        **training,
    }
    data = str(training["data"])
    if entry and training.get("task", "auto") == "auto":
        training["task"] = datasets.read_for(data, entry.task)
    trained = attempt("training", check, TrainingOptions, training)
    shape = attempt("data", datasets.describe, data, trained)
    plan = chosen = None
    if entry:
        options = {**(preset.options if preset else {}), **options}
        chosen = attempt("options", check, entry.options, options, architecture)
        if shape:
            attempt("data", check_fit, entry, architecture, data, shape)
            chosen = chosen and _with_data(entry, preset, chosen, shape)
    if entry and entry.extra and not has_extra(entry.extra):
        problems["architecture"] = (
            f"{entry.name} is built by {EXTRAS[entry.extra][1]}, which is not installed. Install it with "
            f"{how_to_install(entry.extra)}"
        )
    attempt("backend", resolve_backend, str(training.get("backend", "auto")))
    if chosen and shape and "data" not in problems:
        problems.update(_check_use(chosen, shape))
        try:
            plan = entry.plan(chosen, shape.input_shape, shape.classes)
        except PlanError as error:
            problems.setdefault(_at_fault(error), str(error))
    if trained and shape:
        for name, problem in _check_training(trained, shape, architecture).items():
            problems.setdefault(name, problem)
    if plan and trained and trained.remat == "sqrt" and not plan.has_stacks():
        problems["remat"] = (
            f"remat=sqrt keeps inputs of some blocks of a stack; {plan.name} has no equal blocks of one shape in a "
            "row. Did you mean remat=yes?"
        )
    if plan and trained and trained.by_length and not plan.passes_over_padding():
        problems["by_length"] = (
            f"by_length needs a network that passes over the padding behind a sample; {plan.name} takes it for a "
            "part of it. Did you mean by_length=False?"
        )
    if plan and trained and trained.remat != "no" and plan.backbone:
        problems["remat"] = (
            f"keras-hub keeps all that it computes; received remat={trained.remat}. Did you mean remat=no?"
        )
    if problems:
        raise OptionError(problems)
    settings = RunSettings(
        architecture=entry.name,
        options=chosen.model_dump(),
        training=trained,
        input_shape=shape.input_shape,
        classes=shape.classes,
        task=entry.task,
    )
    return Request(settings, plan, _steps(trained, shape.train), shape)


def _steps(training: TrainingOptions, samples: int) -> int:
    """Return how many steps a training on so many samples takes."""
    trained_on = samples - datasets.held_out(samples, training.validation_split)
    # Whole batches, or one of all samples where they are fewer than a batch.
    return training.total_steps(max(trained_on // training.batch_size, 1))


def _at_fault(error: PlanError) -> str:
    """Return the option to blame for a plan that does not take the samples: a patch that does not fit the image,
    weights of other tokens, or the data."""
    first = str(error).split(" ", 1)[0]
    return first if first in ("patch", "weights") else "data"
