"""The shell command that trains what a form says."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reskeras import recipes
from reskeras.catalogue import ARCHITECTURES
from reskeras.options import Option, describe
from reskeras.request import Request, decided_by_data, default_data
from reskeras.runs import RUNS_FOLDER, TrainingOptions


def command_words(request: Request, runs: Path = RUNS_FOLDER) -> list[str]:
    """Return the words of `reskeras train ...` for a request; options that keep their default, and those that the data
    decides, are left out.

    Args:
        request: a checked request.
        runs: the folder of runs.
    """
    settings = request.settings
    family, training = ARCHITECTURES[settings.architecture], settings.training.model_dump()
    decided = decided_by_data(family, request.shape)
    options = {name: value for name, value in settings.options.items() if decided.get(name) != value}
    if training["data"] == default_data(family):
        del training["data"]
    words = ["reskeras", "train", settings.architecture]
    words += _option_words(describe(family.options), options)
    words += _option_words(describe(TrainingOptions), training, recipes.values_of(training["recipe"]))
    if Path(runs) != RUNS_FOLDER:
        words += ["--runs", str(runs)]
    return words


def _option_words(
    declared: Iterable[Option], values: Mapping[str, Any], usual: Mapping[str, Any] | None = None
) -> list[str]:
    """Return the words for values that are not those of a recipe, or else the defaults."""
    words: list[str] = []
    for option in declared:
        known = (usual or {}).get(option.name, option.default)
        value = values.get(option.name, known)
        if value == known or value is None:
            continue
        if option.kind == "flag":
            words.append(option.flag if value else option.flag.replace("--", "--no-", 1))
        else:
            words += [option.flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return words


def command_line(request: Request, runs: Path = RUNS_FOLDER) -> str:
    """Return the command as one line that a shell takes."""
    return shlex.join(command_words(request, runs))
