"""The charts of a run, and of several on shared axes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reskeras.files import draft_of
from reskeras.report.courses import Course, course, depth_course, profile
from reskeras.report.svg import Line, heat_map, line_chart, log_range
from reskeras.runs import Run, RunError, results

LETTERS = "ABCDEFGH"
"""What runs are called on charts where there are several; so many fit into one."""


def charts(runs: Sequence[Run]) -> dict[str, str]:
    """Return the charts of a run, or of up to eight on shared axes: name -> SVG.

    Of one run: loss and accuracy over time, the gradient over depth, and maps of layers over time. Of several: the
    same, each chart with a line for each run, and their maps on one colour scale. What was not measured has no chart.

    Raises:
        RunError: where something is damaged, or there are no runs or more than eight.
    """
    if not 0 < len(runs) <= len(LETTERS):
        raise RunError(f"A report is of 1 to {len(LETTERS)} runs; received {len(runs)}.")
    named = list(zip(_names(runs), runs, strict=True))
    found = {}
    for name, validated in (("loss", "validation_loss"), ("accuracy", "validation_accuracy")):
        if lines := _curves(named, name, validated):
            positive = all(np.all(line.y[np.isfinite(line.y)] > 0) for line in lines)
            found[name] = line_chart(name, lines, "step", log=name == "loss" and positive)
    known = [(name, depth_course(run)) for name, run in named]
    measured = [(name, each) for name, each in known if each is not None]
    if measured:
        title = " and ".join(dict.fromkeys(f"{each.title} of each {each.by}" for _, each in measured))
        places = [Line(name, np.arange(1, len(each.names) + 1), profile(each)) for name, each in measured]
        found["profile"] = line_chart(f"{title}, now", places, f"{measured[0][1].by}, first to last", log=True)
    found |= _maps([(name, each) for name, each in measured if each.title != "gradient norm"])
    norms = [(name, course(run, "gradient_norm", "layer")) for name, run in named]
    return found | _maps([(name, each) for name, each in norms if each is not None])


def _names(runs: Sequence[Run]) -> list[str]:
    if len(runs) == 1:
        return [runs[0].name]
    return [f"{letter} {run.name}" for letter, run in zip(LETTERS, runs, strict=False)]


def _curves(named: Sequence[tuple[str, Run]], name: str, validated: str) -> list[Line]:
    lines = []
    for called, run in named:
        curve, epochs = run.curve(), results.epochs(run.events())
        lines.append(Line(called if len(named) > 1 else "training", curve["step"], curve[name].astype(float)))
        prefix = "validation_"
        values = [results.accuracy(each, prefix) if name == "accuracy" else each.get(validated) for each in epochs]
        values = [value if isinstance(value, (int, float)) else np.nan for value in values]
        if len(named) == 1:
            steps = np.array([each["step"] for each in epochs], float)
            lines.append(Line("validation", steps, np.array(values, float), True))
    return [line for line in lines if np.isfinite(line.y).any()]


def _maps(named: Sequence[tuple[str, Course]]) -> dict[str, str]:
    """Return a map for each run, all on one colour scale."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log10(np.where(each.values > 0, each.values, np.nan)).ravel() for _, each in named]
    scale = log_range(np.concatenate(logs)) if logs else None
    found = {}
    for name, each in named:
        key = f"{each.title.replace('/', '').replace(' ', '-')}-{each.by}"
        key += f"-{name[0]}" if len(named) > 1 else ""
        title = f"{each.title} of each {each.by}" + (f": {name}" if len(named) > 1 else "")
        found[key] = heat_map(title, each.names, each.steps, each.values, scale)
    return found


def write_charts(runs: Sequence[Run], folder: str | Path) -> list[Path]:
    """Write the charts of runs as SVG files, in the place of any of the same names, and return them.

    Args:
        runs: one, or up to eight on shared axes.
        folder: where to; made where it is missing.

    Raises:
        RunError: where something is damaged.
        OSError: where a file cannot be written.
    """
    folder, found = Path(folder), charts(runs)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in found.items():
        written.append(folder / f"{name}.svg")
        with draft_of(written[-1]) as draft:
            draft.write_text(text, "utf-8")
    return written
