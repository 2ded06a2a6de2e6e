"""Whether a run goes on with the samples that it began with."""

from __future__ import annotations

from typing import Any

from reskeras.runs.folder import Run, RunError
from reskeras.training.preparation import Prepared


def check(run: Run, prepared: Prepared) -> None:
    """Refuse to go on with other samples than those that a run began with.

    Args:
        run: the run, as it was left.
        prepared: what would be trained now.

    Raises:
        RunError: with what is another.
    """
    other = _other(run, prepared)
    if other:
        settings = prepared.settings
        raise RunError(
            f"{settings.training.data} is not what it was when {run.name} began, or this version of reskeras reads it "
            f"otherwise: {other}. The run goes on only with the samples that it began with; what it has recorded and "
            "its checkpoints stay as they are."
        )


def _other(run: Run, prepared: Prepared) -> str | None:
    settings, shape, steps = prepared.settings, prepared.data.shape, len(prepared.batches)
    words, told = settings.options.get("vocabulary"), _told(run)
    began_with, before = told.get("steps_per_epoch"), told.get("data")
    if tuple(settings.input_shape) != tuple(shape.input_shape):
        return f"samples had the shape {tuple(settings.input_shape)} and have {tuple(shape.input_shape)}"
    if settings.classes != prepared.data.classes:
        return f"there were {settings.classes:,} classes and are {prepared.data.classes:,}"
    if words and shape.vocabulary and shape.vocabulary > words:
        return f"there were {words:,} token numbers and are {shape.vocabulary:,}"
    if isinstance(began_with, int) and began_with != steps:
        return f"an epoch had {began_with:,} steps and has {steps:,}"
    if before not in (None, prepared.data.checksum):
        return f"samples, labels or their numbers are others (CRC-32 {before}, now {prepared.data.checksum})"
    return None


def _told(run: Run) -> dict[str, Any]:
    """Return what the run's worker last told of its training; nothing where none has begun."""
    known = [event for event in run.events() if event["event"] == "training"]
    return known[-1] if known else {}
