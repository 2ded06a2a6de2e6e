"""The shell command that trains what a form says."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reskeras.catalogue import ARCHITECTURES
from reskeras.options import Option, describe
from reskeras.runs import RUNS_FOLDER, RunSettings, TrainingOptions


def command_words(settings: RunSettings, runs: Path = RUNS_FOLDER) -> list[str]:
    """Return the words of `reskeras train ...` for settings; options that keep their default are left out.

    Args:
        settings: checked settings of a run.
        runs: the folder of runs.
    """
    declared = describe(ARCHITECTURES[settings.architecture].options)
    words = ["reskeras", "train", settings.architecture]
    words += _option_words(declared, settings.options)
    words += _option_words(describe(TrainingOptions), settings.training.model_dump())
    if Path(runs) != RUNS_FOLDER:
        words += ["--runs", str(runs)]
    return words


def _option_words(declared: Iterable[Option], values: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for option in declared:
        value = values.get(option.name, option.default)
        if value == option.default or value is None:
            continue
        if option.kind == "flag":
            words.append(option.flag if value else option.flag.replace("--", "--no-", 1))
        else:
            words += [option.flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return words


def command_line(settings: RunSettings, runs: Path = RUNS_FOLDER) -> str:
    """Return the command as one line that a shell takes."""
    return shlex.join(command_words(settings, runs))
