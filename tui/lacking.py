"""Why a run has nothing of a quantity, and how to get it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reskeras.runs import RunSettings, ScriptSettings
from reskeras.runs.folder import LIVE_STATES
from reskeras.runs.statistics import ALL, LEVELS, reaches


def level_of(events: Iterable[dict[str, Any]], settings: RunSettings | ScriptSettings | None) -> str | None:
    """Return the level of telemetry that is in force; None where nobody has said it."""
    level = settings.training.telemetry if isinstance(settings, RunSettings) else None
    for event in events:
        if event["event"] == "starting" and isinstance(settings, RunSettings):
            level = settings.training.telemetry
        elif event["event"] == "telemetry" and event.get("level") in LEVELS:
            level = event["level"]
    return level


def why_lacking(quantity: str, level: str | None, settings: RunSettings | ScriptSettings | None, state: str) -> str:
    """Return why nothing of a quantity was measured; nothing where it may still come.

    Args:
        quantity: the statistic.
        level: the level of telemetry in force.
        settings: of the run.
        state: of the run.
    """
    title, needed = ALL[quantity].title, ALL[quantity].level
    live = state in LIVE_STATES
    if isinstance(settings, ScriptSettings):
        if needed == "norms":
            return "" if live else f"The script has measured no {title}."
        return (
            f"The script has measured no {title}: have it train reskeras.watch(model) with "
            f'GradientMonitor(..., level="{needed}").'
        )
    if level is None:
        return ""
    if reaches(level, needed):
        return "" if live or state == "queued" else f"Nothing was measured: the run ended before it had any {title}."
    told = f"{title} is measured from telemetry {needed} on, and this run has {level}."
    if live and settings is not None and (needed == "norms" or reaches(settings.training.telemetry, "probes")):
        return f"{told} Press a and set it to {needed}."
    return f"{told} Start a run with --telemetry {needed} to see it."
