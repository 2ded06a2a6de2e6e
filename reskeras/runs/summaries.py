"""What a run came to, in a small file beside what it was read from: a list of runs need not read the rest again."""

from __future__ import annotations

import contextlib
import json
import math
import os
import zlib
from typing import TYPE_CHECKING, Any

from reskeras.files import read_json, read_plain, write_whole
from reskeras.printable import printable
from reskeras.runs.settings import FORMAT, MOST_SETTINGS

if TYPE_CHECKING:
    from reskeras.runs.folder import Run
    from reskeras.runs.labels import Labels

NUMBERS = ("parameters", "step", "steps", "loss", "validation_accuracy", "test_accuracy", "seconds", "checkpoint")
TEXTS = ("state", "architecture", "skip", "data", "backend", "reason")
MIXED = ("depth",)
"""The facts of a summary by what they are; some architectures have several numbers for a depth."""

ORDER = (
    "run", "state", "architecture", "depth", "skip", "data", "backend", "parameters", "step", "steps", "loss",
    "validation_accuracy", "test_accuracy", "seconds", "checkpoint", "made", "tags", "note", "folder", "reason",
)  # fmt: skip
"""The facts of a summary as they are shown."""

ENDED = ("finished", "stopped", "failed", "resumable", "crashed")
"""States in which nothing more happens to a run by itself."""

SOURCES = ("settings.json", "events.jsonl", "curve.rows")
"""What a summary is read from: it holds as long as these are as they were, or copies of that."""

LONGEST_TEXT, MOST_BYTES = 2000, 2**16


def fitted(summary: dict[str, Any]) -> dict[str, Any]:
    """Return a summary in which each fact is what it is to be, whatever a file said; None where it is not."""
    found: dict[str, Any] = {}
    for name in NUMBERS:
        found[name] = number(summary.get(name))
    for name in TEXTS:
        value = summary.get(name)
        found[name] = printable(value)[:LONGEST_TEXT] if isinstance(value, str) else None
    for name in MIXED:
        value = summary.get(name)
        found[name] = value if value is None or number(value) is not None else printable(str(value))[:40]
    return found


def number(value: Any) -> int | float | None:
    """Return a number of at most 64 bits as it is, and None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if isinstance(value, float) or abs(value) < 2**63 else None


def arranged(folder: str, facts: dict[str, Any], made: float, labelled: Labels) -> dict[str, Any]:
    """Return a summary as tables and scripts have it.

    Args:
        folder: the run's.
        facts: all of `NUMBERS`, `TEXTS` and `MIXED`.
        made: when its settings were written, in seconds since 1970.
        labelled: its tags and its note.
    """
    place = {"folder": folder, "made": made, "tags": list(labelled.tags), "note": labelled.note}
    found = {**facts, **place, "run": printable(os.path.basename(folder))}
    return {name: found[name] for name in ORDER}


def state_of(folder: str) -> list[tuple[int, int] | None]:
    """Return size and time of change, in microseconds, of each of `SOURCES`."""
    found: list[tuple[int, int] | None] = []
    for name in SOURCES:
        try:
            facts = os.lstat(f"{folder}/{name}")
            found.append((facts.st_size, facts.st_mtime_ns // 1000))
        except OSError:
            found.append(None)
    return found


def _sum(folder: str) -> int | None:
    """Return a sum of the bytes of a run's settings, which can change and stay as long; None where it has none."""
    try:
        return zlib.crc32(read_plain(f"{folder}/settings.json", MOST_SETTINGS))
    except OSError:
        return None


def _holds(folder: str, content: dict[str, Any], sources: list[tuple[int, int] | None]) -> bool:
    """Return whether what was kept was read from what is there: the same files, or copies of them, which have other
    times. A log of events only grows, and with it whatever else it tells of."""
    kept, found = content.get("of"), [pair and list(pair) for pair in sources]
    if kept == found:
        return True
    if not isinstance(kept, list) or not all(each is None or isinstance(each, list) for each in kept):
        return False
    sizes = [[pair and pair[:1] for pair in pairs] for pairs in (kept, found)]
    return sizes[0] == sizes[1] and content.get("sum") is not None and content["sum"] == _sum(folder)


def keep(run: Run, summary: dict[str, Any], sources: list[tuple[int, int] | None]) -> None:
    """Write what an ended run came to into its folder; where that cannot be written, nothing is lost.

    Args:
        run: the run.
        summary: as `Run.summary` gives it.
        sources: `state_of` the folder before the summary was read.
    """
    facts = {name: summary[name] for name in (*NUMBERS, *TEXTS, *MIXED)}
    if isinstance(facts["loss"], float) and not math.isfinite(facts["loss"]):
        facts["loss"] = str(facts["loss"])
    with contextlib.suppress(OSError, ValueError):
        write_whole(
            run.summary_path,
            json.dumps({"format": FORMAT, "of": sources, "sum": _sum(str(run.folder)), **facts}, allow_nan=False)
            + "\n",
        )


def leave(run: Run) -> None:
    """Keep what a run came to that has written its end and still holds its lock."""
    sources = state_of(str(run.folder))
    with contextlib.suppress(OSError, ValueError):
        if ending := run.ending():
            keep(run, {**run.summary(), "state": ending}, sources)


def kept(folder: str) -> tuple[dict[str, Any], float] | None:
    """Return what an ended run in a folder came to, and when its settings were written, in seconds since 1970; None
    where that is to be read from its other files."""
    try:
        content = read_json(f"{folder}/summary.json", MOST_BYTES)
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("format") != FORMAT or content.get("state") not in ENDED:
        return None
    sources = state_of(folder)
    if sources[0] is None or not _holds(folder, content, sources):
        return None
    if content.get("loss") in ("nan", "inf", "-inf"):
        content["loss"] = float(content["loss"])
    return fitted(content), sources[0][1] / 1e6
