"""Runs of a sweep as a table: those that differ in their seed alone are one cell, with mean and deviation."""

from __future__ import annotations

import csv
import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskeras.files import draft_of
from reskeras.runs.errors import RunError
from reskeras.runs.folder import Run
from reskeras.runs.settings import RunSettings

RESULTS = ("test_accuracy", "validation_accuracy", "loss")
"""What a cell has a mean of."""


@dataclass(frozen=True)
class Cell:
    """Runs that differ in their seed alone.

    Attributes:
        choices: what tells this cell from the others: option -> value.
        runs: how many runs it has.
        finished: how many of them are finished; only these count.
        means, deviations: of each of `RESULTS`, over finished runs; the deviation of a sample (n - 1), None below two.
    """

    choices: dict[str, Any]
    runs: int
    finished: int
    means: dict[str, float | None]
    deviations: dict[str, float | None]


def cells(records: Iterable[dict[str, Any]]) -> list[Cell]:
    """Return the cells of some runs, in the order of their first; runs that cannot be read and runs of scripts are left
    out.

    Args:
        records: as `Run.summary` gives them.
    """
    grouped: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        try:
            settings = Run(Path(record["folder"])).settings
        except RunError:
            continue
        if isinstance(settings, RunSettings):
            grouped.setdefault(json.dumps(_choices(settings)), []).append(record)
    known = [(json.loads(text), members) for text, members in grouped.items()]
    names = dict.fromkeys(name for choices, _ in known for name in choices)
    differ = [name for name in names if len({json.dumps(choices.get(name)) for choices, _ in known}) > 1]
    return [_cell({name: choices.get(name) for name in differ}, members) for choices, members in known]


def _choices(settings: RunSettings) -> dict[str, Any]:
    training = settings.training.model_dump(mode="json", exclude={"seed"})
    return {"architecture": settings.architecture, **settings.options, **training}


def _cell(choices: dict[str, Any], members: list[dict[str, Any]]) -> Cell:
    finished = [each for each in members if each["state"] == "finished"]
    means: dict[str, float | None] = {}
    deviations: dict[str, float | None] = {}
    for name in RESULTS:
        values = [each[name] for each in finished if each.get(name) is not None]
        known = len(values) > 0 and all(map(math.isfinite, values))
        means[name] = statistics.fmean(values) if known else None
        deviations[name] = statistics.stdev(values) if known and len(values) > 1 else None
    return Cell(choices, len(members), len(finished), means, deviations)


def write_cells(found: list[Cell], path: Path) -> None:
    """Write cells as a CSV file, in the place of any before it: an empty field is what there is not.

    Raises:
        OSError: where it cannot be written.
    """
    with draft_of(path) as draft, open(draft, "w", newline="") as file:
        writer = csv.writer(file)
        choices = list(found[0].choices) if found else []
        results = [f"{name}_{kind}" for name in RESULTS for kind in ("mean", "std")]
        writer.writerow([*choices, "runs", "finished", *results])
        for cell in found:
            numbers = [each.get(name) for name in RESULTS for each in (cell.means, cell.deviations)]
            writer.writerow([*cell.choices.values(), cell.runs, cell.finished, *numbers])
