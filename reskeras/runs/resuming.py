"""Whether a run that is over can go on, and what its worker goes on from."""

from __future__ import annotations

from typing import Any

from reskeras.files import write_whole
from reskeras.options import OptionError
from reskeras.runs import checkpoints, control
from reskeras.runs.checkpoints import Checkpoint
from reskeras.runs.folder import Run, RunError
from reskeras.runs.settings import RunSettings, text_of


class Finished(RunError):
    """A run has done everything that it was to do."""


def has_begun(run: Run) -> bool:
    """Return whether a worker has trained in a run's folder before."""
    return any(event["event"] == "training" for event in run.events()) or bool(checkpoints.listed(run.checkpoints_path))


def checked(run: Run) -> tuple[Checkpoint | None, list[str]]:
    """Return what a run goes on from, and what is wrong with newer checkpoints.

    Raises:
        RunError: where it cannot go on, with what can be done.
    """
    settings = run.settings
    if not isinstance(settings, RunSettings):
        raise RunError(f"{run.folder} was trained by a script of its own: only that script can go on with it.")
    found, wrong = checkpoints.newest(run.checkpoints_path)
    if wrong and found is None:
        raise RunError(f"{' '.join(wrong)} There is no whole checkpoint in {run.folder} to go on from.")
    each = _steps_per_epoch(run)
    if run.ending() == "finished" and (
        not each or not found or found.step >= settings.training.total_steps(each) or _has_waited(run, found)
    ):
        raise Finished(
            f"{run.name} is finished: all of its steps are done. To train it for more epochs: "
            f"reskeras resume {run.folder} --epochs 5"
        )
    return found, wrong


def _has_waited(run: Run, found: Checkpoint) -> bool:
    """Return whether a run's patience was over at a checkpoint."""
    patience, waited = run.settings.training.patience, found.facts.get("waited")
    return patience is not None and isinstance(waited, int) and waited >= patience


def _steps_per_epoch(run: Run) -> int | None:
    known = [event.get("steps_per_epoch") for event in run.events() if event["event"] == "training"]
    return known[-1] if known and isinstance(known[-1], int) and known[-1] > 0 else None


def extend(run: Run, epochs: int) -> None:
    """Have a run take so many more epochs than it was to take, or than it took before its patience was over.

    Then these are trained whatever comes of them, and the best weights are taken as they were to be.

    Raises:
        RunError: where nobody knows yet how long an epoch is, or the settings cannot be written.
        OptionError: for a number of epochs that no run has.
    """
    training, each = run.settings.training, _steps_per_epoch(run)
    if each is None:
        raise RunError(f"{run.name} has not trained yet: nothing says how many steps an epoch has.")
    if epochs < 1:
        raise OptionError({"epochs": f"epochs cannot be {epochs} (allowed: 1 or more). Did you mean 1?"})
    found, _ = checkpoints.newest(run.checkpoints_path)
    early = run.ending() == "finished" and found is not None and _has_waited(run, found)
    steps = (found.step if early else training.total_steps(each)) + epochs * each
    whole = -(-steps // each)
    changed = {"epochs": whole, "steps": steps if steps % each else None}
    if early:
        changed |= {"patience": None, "final_weights": "best" if training.takes_best else "last"}
    _change(run, changed)


def change_batch(run: Run, batch_size: int) -> None:
    """Have a run be trained from its beginning with another batch size.

    Raises:
        OSError: where the settings cannot be written.
    """
    # First, for a checkpoint speaks of batches as they were.
    checkpoints.clear_after(run.checkpoints_path, 0)
    _change(run, {"batch_size": batch_size})


def _change(run: Run, training: dict[str, Any]) -> None:
    settings = run.settings.model_copy(update={"training": run.settings.training.model_copy(update=training)})
    RunSettings(**settings.model_dump())
    write_whole(run.settings_path, text_of(settings))
    run.__dict__.pop("settings", None)


def prepare(run: Run, learning_rate: float | None = None) -> None:
    """Clear away commands that a dead worker has left, and leave those that the next one is to take up first."""
    for command in control.waiting(run.commands_path):
        control.take(run.commands_path, command.identifier)
    if learning_rate is not None:
        control.send(run.commands_path, "learning_rate", learning_rate)
