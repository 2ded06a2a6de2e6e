"""The runs in a folder: which there are, one by its name, and what each came to, for tables and scripts."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskeras.printable import printable
from reskeras.runs import labels, liveness, summaries
from reskeras.runs.default_folder import RUNS_FOLDER
from reskeras.runs.errors import RunError
from reskeras.runs.folder import Run
from reskeras.suggestions import suggest

SORTS = (
    "made", "run", "state", "architecture", "parameters", "step", "loss", "validation_accuracy", "test_accuracy",
    "seconds",
)  # fmt: skip
"""Facts to sort a list of runs by."""

DESCENDING = ("made", "validation_accuracy", "test_accuracy")
"""Facts whose largest value comes first, unless somebody wants it the other way round."""


@dataclass(frozen=True)
class Wanted:
    """Which runs a list is to have: those that meet everything asked for.

    Attributes:
        states: such as `"finished"`; none means any.
        architecture: a name in the catalogue, or what a script called its model.
        tags: a run has them all.
        text: some part of the name, in whatever case.
    """

    states: tuple[str, ...] = ()
    architecture: str | None = None
    tags: tuple[str, ...] = ()
    text: str = ""

    def __call__(self, record: dict[str, Any]) -> bool:
        return (
            (not self.states or record["state"] in self.states)
            and self.architecture in (None, record.get("architecture"))
            and set(self.tags) <= set(record.get("tags", ()))
            and self.text.casefold() in record["run"].casefold()
        )


def open(folder: str | Path) -> Run:
    """Return the run in a folder: `reskeras.runs.open("runs/my-run").series("gradient_norm")`.

    Raises:
        RunError: where the folder holds no run.
    """
    if _made_at(str(folder)) is None:
        raise RunError(f"{folder} holds no run: there is no settings.json in it.")
    return Run(Path(folder))


def folders(parent: str | Path = RUNS_FOLDER) -> list[str]:
    """Return the paths of the runs below `parent`, newest first; folders without settings are no runs."""
    try:
        names = os.listdir(parent)
    except (OSError, ValueError):
        return []
    made = {path: time for name in names if (time := _made_at(path := os.path.join(parent, name))) is not None}
    return sorted(made, key=made.get, reverse=True)


def list_runs(parent: str | Path = RUNS_FOLDER) -> list[Run]:
    """Return the runs below `parent`, newest first; folders without settings are no runs."""
    return [Run(Path(folder)) for folder in folders(parent)]


def _made_at(folder: str) -> int | None:
    """Return when a run's settings were written; None for what is no run, or cannot be looked into."""
    try:
        facts = os.lstat(folder + "/settings.json")
    except (OSError, ValueError):
        return None
    return facts.st_mtime_ns if stat.S_ISREG(facts.st_mode) else None


def find(name: str, parent: str | Path = RUNS_FOLDER) -> Run:
    """Return the run called `name` below `parent`, or the run in the folder `name`.

    Raises:
        RunError: where there is none, with the nearest name.
    """
    for folder in (Path(parent) / name, Path(name)):
        if name and _made_at(str(folder)) is not None:
            return Run(folder)
    parent, name = (Path(parent), name) if "/" not in name.rstrip("/") else (Path(name).parent, Path(name).name)
    known = {}
    for folder in folders(parent):
        known.setdefault(printable(os.path.basename(folder)), folder)
    if name in known:
        # Called by what is shown of a name that cannot be shown as it is.
        return Run(Path(known[name]))
    listed = ", ".join(list(known)[:8]) + (", ..." if len(known) > 8 else "") if known else "none yet"
    raise RunError(f"There is no run {name!r} in {parent} (runs: {listed}).{suggest(name, known)}")


def record(folder: str) -> dict[str, Any]:
    """Return what `Run.summary` does; of a run that has ended, from what was kept of it where that still holds.

    A run that cannot be read has the state `"unreadable"`, and the reason.
    """
    live = liveness.is_held(folder + "/alive.lock")
    try:
        kept = None if live else summaries.kept(folder)
        if kept is None:
            return _fresh(folder)
        labelled = labels.read(folder)
    except (RunError, OSError) as error:
        return {
            "run": printable(os.path.basename(folder)),
            "state": "unreadable",
            "made": (_made_at(folder) or 0) / 1e9,
            "folder": folder,
            "reason": printable(str(error)),
        }
    return summaries.arranged(folder, *kept, labelled)


def _fresh(folder: str) -> dict[str, Any]:
    run, sources = Run(Path(folder)), summaries.state_of(folder)
    summary = run.summary()
    if summary["state"] in summaries.ENDED and not run.is_live():
        summaries.keep(run, summary, sources)
    return summary


def records(parent: str | Path = RUNS_FOLDER, progress: Callable[[float], None] | None = None) -> list[dict[str, Any]]:
    """Return a record for each run below `parent`, newest first.

    Args:
        parent: the folder of runs.
        progress: called now and then with the share that is done.
    """
    found, chosen = [], folders(parent)
    for number, folder in enumerate(chosen):
        if progress and number % 100 == 0:
            progress(number / len(chosen))
        found.append(record(folder))
    return found


def ordered(records: Iterable[dict[str, Any]], by: str = "made", reverse: bool = False) -> list[dict[str, Any]]:
    """Return records sorted by one of `SORTS`: names from A, losses from the least, accuracies from the best, and the
    newest run first; what has no such fact, or one that is not a number, comes last.

    Args:
        records: as `record` gives them.
        by: one of `SORTS`.
        reverse: the other way round; what has no such fact still comes last.
    """
    known, unknown = [], []
    for each in records:
        value = each.get(by)
        (unknown if value is None or value != value else known).append(each)
    known.sort(key=lambda each: each[by], reverse=(by in DESCENDING) != reverse)
    return known + unknown


def live_folders(chosen: Iterable[str]) -> Iterator[str]:
    """Yield those of some runs' folders that a worker is at."""
    return (folder for folder in chosen if liveness.is_held(folder + "/alive.lock"))
