"""Tables of runs as lines of text, quickly also where there are thousands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from reskeras.printable import size
from reskeras.runs.cells import Cell
from reskeras.runs.keeping import KINDS, Deleted

SYMBOLS = {
    "queued": "⧗",
    "starting": "…",
    "running": "▶",
    "pausing": "‖",
    "paused": "‖",
    "stopping": "◼",
    "finished": "✔",
    "stopped": "◼",
    "failed": "✘",
    "resumable": "↻",
    "crashed": "☠",
    "unreadable": "?",
}
"""A sign for each state, so that no state is told by colour alone."""

LEFT = ("run", "state", "backend", "tags", "deleted")
"""Columns of words; those of numbers are aligned at their right."""

SPARED = ("backend", "parameters", "tags")
"""Columns left out, these first, where a terminal is too narrow."""

NARROWEST_NAME = 12


def runs_lines(records: Sequence[dict[str, Any]], width: int | None = None) -> list[str]:
    """Return a heading and a line for each run.

    Args:
        records: as `Run.summary` gives them.
        width: cells of the terminal: where they are too few, some columns are left out, then names are cut; None for
            everything.
    """
    columns: dict[str, Callable[[dict[str, Any]], str]] = {
        "run": lambda each: each["run"],
        "state": _state,
        "backend": lambda each: each.get("backend") or "-",
        "parameters": lambda each: f"{each['parameters']:,}" if each.get("parameters") else "-",
        "step": lambda each: _steps(each.get("step"), each.get("steps")),
        "loss": lambda each: number(each.get("loss")),
        "validation": lambda each: percent(each.get("validation_accuracy")),
        "test": lambda each: percent(each.get("test_accuracy")),
    }
    if any(each.get("tags") for each in records):
        columns["tags"] = lambda each: " ".join(each.get("tags", ()))
    return _lines({name: [make(each) for each in records] for name, make in columns.items()}, width)


def usage_lines(records: Sequence[dict[str, Any]], width: int | None = None) -> list[str]:
    """Return a heading, a line for each run with what it takes of the disk, and a line for all of them.

    Args:
        records: as `Run.summary` gives them, with the bytes of each kind of file.
        width: as for `runs_lines`.
    """
    total = {kind: sum(each["bytes"][kind] for each in records) for kind in KINDS}
    rows = [*records, {"run": f"all {len(records):,}", "state": "", "bytes": total}]
    columns = {"run": [each["run"] for each in rows], "state": [_state(each) for each in rows]}
    columns |= {kind: [size(each["bytes"][kind]) for each in rows] for kind in KINDS}
    columns["total"] = [size(sum(each["bytes"].values())) for each in rows]
    return _lines(columns, width)


def deleted_lines(found: Sequence[Deleted], width: int | None = None) -> list[str]:
    """Return a heading and a line for each run in the trash."""
    times = [time.strftime("%Y-%m-%d %H:%M", time.localtime(each.deleted)) for each in found]
    return _lines({"run": [each.name for each in found], "deleted": times}, width)


def cell_lines(found: Sequence[Cell], width: int | None = None) -> list[str]:
    """Return a heading and a line for each cell of a sweep, with mean ± standard deviation over its seeds."""
    columns = {name: [str(each.choices[name]) for each in found] for name in (found[0].choices if found else ())}
    columns["runs"] = [f"{each.finished}/{each.runs}" for each in found]
    for name, show in (("test_accuracy", percent), ("validation_accuracy", percent), ("loss", number)):
        columns[name.removesuffix("_accuracy")] = [
            show(each.means[name]) + (f" ± {show(each.deviations[name])}" if each.deviations[name] is not None else "")
            for each in found
        ]
    return _lines(columns, width)


def _lines(columns: dict[str, list[str]], width: int | None) -> list[str]:
    wide = {name: max(map(_cells, (name, *cells))) for name, cells in columns.items()}

    def total() -> int:
        return sum(wide.values()) + 2 * (len(wide) - 1)

    for name in SPARED:
        if width is not None and total() > width:
            wide.pop(name, None)
    if width is not None and total() > width and "run" in wide:
        wide["run"] = max(wide["run"] - (total() - width), NARROWEST_NAME)
    made = [_column(name, columns[name], cells) for name, cells in wide.items()]
    return ["  ".join(cells).rstrip() for cells in zip(*made, strict=True)]


def _column(name: str, cells: Iterable[str], width: int) -> list[str]:
    found = []
    for cell in (name, *cells):
        missing = width - _cells(cell)
        if missing < 0:
            cell, missing = set_cell_size(cell, width - 1) + "…", 0
        found.append(cell + " " * missing if name in LEFT else " " * missing + cell)
    return found


def _cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def _state(record: dict[str, Any]) -> str:
    state = record["state"] or ""
    return f"{SYMBOLS.get(state, '')} {state}".strip()


def _steps(done: int | None, total: int | None) -> str:
    """Return how far a run is; nobody knows how many steps a generator has."""
    return f"{done or 0:,}/{total:,}" if total else f"{done:,}" if done else "-"


def number(value: float | None) -> str:
    """Return a measured number in a few characters."""
    return "-" if value is None else f"{value:.4g}"


def percent(value: float | None) -> str:
    """Return a share between 0 and 1 as per cent."""
    return "-" if value is None else f"{value:.2%}"
