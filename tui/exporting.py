"""What can be written of runs: the trained network, a report, charts, and all numbers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from reskeras.files import draft_of
from reskeras.report import write_charts, write_html
from reskeras.runs import Run, RunError, write_csv


class Export(NamedTuple):
    """A kind of file: its name, what is in it, the ending of its path, and whether it is a folder of files."""

    key: str
    title: str
    meaning: str
    ending: str
    is_folder: bool = False


EXPORTS = (
    Export("network", "Trained network", "a .keras file that plain Keras loads", ".keras"),
    Export("report", "HTML report", "verdicts, results, charts and settings in one file", ".html"),
    Export("charts", "Charts", "SVG files of curves, profile and maps", "-charts", True),
    Export("csv", "Numbers", "CSV files of every statistic, of the curve and the epochs", "-csv", True),
)


def default_path(kind: Export, runs: Sequence[Run]) -> Path:
    """Return where an export goes when nobody says otherwise: into the working folder, by the name of the run."""
    name = runs[0].name if len(runs) == 1 else f"{runs[0].name}-and-{len(runs) - 1}-more"
    return Path.cwd() / f"{name}{kind.ending}"


def problem(kind: Export, runs: Sequence[Run], text: str) -> str | None:
    """Return why an export cannot go where a text says, or None."""
    if not text.strip():
        return "Name a path."
    path = Path(text).expanduser()
    if kind.is_folder and path.exists() and not path.is_dir():
        return f"{path} is a file; charts and numbers go into a folder."
    if not kind.is_folder and path.is_dir():
        return f"{path} is a folder; name a file in it, such as {path / default_path(kind, runs).name}."
    if not kind.is_folder and path.exists():
        return f"{path} is there already. Name another file."
    if kind.key == "network" and path.suffix != ".keras":
        return f"Keras loads files that end in .keras. Did you mean {path.with_name(path.name + '.keras')}?"
    return None


def write(kind: Export, runs: Sequence[Run], path: Path) -> str:
    """Write an export and return what was written, with its path.

    Raises:
        RunError: where there is nothing to export, or a run is damaged.
        OSError: where it cannot be written.
    """
    if kind.key == "network":
        [run] = runs
        if not run.model_path.is_file():
            raise RunError(f"{run.name} has no trained network: it is written at the end of a training.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(path) as draft:
            shutil.copyfile(run.model_path, draft)
        return f"trained network: {path}"
    if kind.key == "report":
        return f"report: {write_html(runs, path)}"
    if kind.key == "charts":
        return f"{len(write_charts(runs, path))} charts in {path}"
    written = [file for run in runs for file in write_csv(run, path / run.name if len(runs) > 1 else path)]
    return f"{len(written)} CSV files in {path}"
