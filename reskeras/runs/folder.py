"""The layout of a run's folder, and the one reader of it.

    settings.json     what was asked for: architecture, options, training options (runs/settings.py)
    events.jsonl      what happened, one JSON object a line (runs/events.py)
    weights.json      what the table of weights holds, and each weight's path, layer, block and shape (runs/tables.py)
    weights.rows      gradient norms and more of each weight, layer and block, a row for a window of steps
    blocks.*          the same of the outputs of blocks, where these are probed
    run.*             the same of the training as a whole
    curve.rows        loss and accuracy over time (runs/series.py)
    log.txt           what the worker and its libraries print
    model.keras       the trained network for plain Keras: raw samples in, class probabilities out
    encoding.json     how raw samples become its inputs, and the names of its classes; model.keras holds it too
    labels.json       tags and a note (runs/labels.py)
    summary.json      what the run came to, so that a list of runs need not read the rest (runs/summaries.py)
    alive.lock        held by the worker while it lives (runs/liveness.py)
    queued            there while the run waits for its turn (runs/queue.py)
    commands/         requests to the worker (runs/control.py)
    checkpoints/      all that the training needs to go on, the last few and the best (runs/checkpoints.py)

Everything is written by one process. All numbers are little-endian. FORMAT.md, beside this file, has every detail.
"""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from reskeras.files import read_json, size_of, write_whole
from reskeras.printable import printable
from reskeras.runs import checkpoints, control, labels, liveness, results, shortage, statistics, summaries
from reskeras.runs.default_folder import RUNS_FOLDER
from reskeras.runs.errors import RunError
from reskeras.runs.events import read_events
from reskeras.runs.series import CURVE, read_rows
from reskeras.runs.settings import FORMAT, MOST_SETTINGS, RunSettings, ScriptSettings, settings_of, text_of
from reskeras.runs.tables import Series, Table
from reskeras.suggestions import suggest

LONGEST_NAME = 200
"""Bytes of a run's name: a folder's name holds 255, and in the trash there is more to it."""

MARKER = "queued"
"""The file that says that a run waits for its turn."""

LIVE_STATES = ("starting", "running", "pausing", "paused", "stopping")
"""States in which a worker is at a run."""

BROKEN_OFF = ("resumable", "crashed")
"""States of a run whose worker ended without a word."""

TABLES = ("weights", "blocks", "run")
"""The tables that a run may have."""


@dataclass(frozen=True)
class Weight:
    """A row of the layer table: a trained weight, its layer's address, its block's address, and its shape."""

    path: str
    layer: str
    block: str
    shape: tuple[int, ...]


class Run:
    """A run's folder, read as it stands now; reading never waits for the worker and never changes anything."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.events_path = self.folder / "events.jsonl"
        self.curve_path = self.folder / "curve.rows"
        self.log_path = self.folder / "log.txt"
        self.model_path = self.folder / "model.keras"
        self.lock_path = self.folder / "alive.lock"
        self.commands_path = self.folder / "commands"
        self.checkpoints_path = self.folder / "checkpoints"
        self.settings_path = self.folder / "settings.json"
        self.encoding_path = self.folder / "encoding.json"
        self.labels_path = self.folder / "labels.json"
        self.summary_path = self.folder / "summary.json"

    @property
    def name(self) -> str:
        """The folder's name, as it can be shown."""
        return printable(self.folder.name)

    @cached_property
    def settings(self) -> RunSettings | ScriptSettings:
        """What the run was asked to do; of a run that a script of the user's does, what it trains.

        Raises:
            RunError: where the file is missing, damaged, or of a version this program does not know.
        """
        content = _read_json(self.settings_path)
        version = content.get("format") if isinstance(content, dict) else None
        if version != FORMAT:
            raise RunError(f"{self.settings_path} has format {version!r}; this version reads format {FORMAT}.")
        try:
            return settings_of(content)
        except (ValueError, TypeError) as error:
            raise RunError(f"{self.settings_path} {error}") from None

    def events(self) -> list[dict[str, Any]]:
        """Return what has happened so far."""
        return read_events(self.events_path)

    def table(self, name: str) -> Table | None:
        """Return a table of statistics as it stands now, None where there is none yet.

        Args:
            name: one of `TABLES`.

        Raises:
            RunError: where it is damaged.
        """
        path = self.folder / name
        return Table(path) if Table.exists(path) else None

    def weights(self) -> list[Weight]:
        """Return the trained weights, or an empty list before the network is built."""
        table = self.table("weights")
        if table is None:
            return []
        try:
            found = [
                Weight(str(row["path"]), str(row["layer"]), str(row["block"]), tuple(int(n) for n in row["shape"]))
                for row in table.header.facts["weights"]
            ]
            fits = len(found) == len(table.header.groups["weight"])
            fits &= all(min(each.shape, default=1) >= 0 and math.prod(each.shape) < 2**48 for each in found)
        except (KeyError, TypeError, ValueError, OverflowError):
            fits = False
        if not fits:
            raise RunError(f"The table of weights in {self.folder} is damaged.")
        return found

    def series(self, statistic: str, by: str | None = None, *, start: int = 0, stop: int | None = None) -> Series:
        """Return a statistic over the whole training.

        Args:
            statistic: such as `"gradient_norm"`, or `"backward_norm"` of probed blocks; `reskeras.runs.statistics` has
                all.
            by: of what: `"weight"`, `"layer"`, `"block"` or `"run"`; None takes layers, and blocks where it is measured
                of blocks alone.
            start: the first row to read, to go on where a reader stopped; the last row may have grown since.
            stop: the row to end before; None reads all there are.

        Returns:
            The names, shallow first, and of each window of steps the least, median and largest value. All are empty
            where nothing of the kind was measured (yet).

        Raises:
            RunError: where there is no such statistic, or a table is damaged.
        """
        if statistic not in statistics.ALL:
            raise RunError(
                f"There is no statistic {statistic!r} (statistics: {', '.join(statistics.ALL)})."
                + suggest(statistic, list(statistics.ALL))
            )
        table, is_rms = self.table(statistics.table_of(statistic)), statistic == statistics.GRADIENT_RMS.name
        stored = "gradient_norm" if is_rms else statistic
        if table is not None and stored in table.header.statistics:
            groups = table.header.groups
            group = by or next((each for each in ("layer", "block", "run") if each in groups), None)
            if group in groups:
                found = table.series(stored, group, start, stop)
                return found.divided_by(np.sqrt(_sizes(table, group))) if is_rms else found
        nothing = np.empty((0, 0), np.float32)
        return Series((), np.empty(0, np.int64), np.empty(0, np.int64), nothing, nothing, nothing)

    def curve(self, start: int = 0) -> np.ndarray:
        """Return the points of the training curve, with the fields of `series.CURVE`.

        Args:
            start: the first point, from the end where it is negative.

        Raises:
            RunError: where the file cannot be read.
        """
        try:
            return read_rows(self.curve_path, CURVE, start)
        except OSError as error:
            raise RunError(f"{self.curve_path} cannot be read: {error.strerror}.") from None

    def state(self) -> str:
        """Return the run's state, from the worker's lock and what it wrote.

        Of a live run: `starting`, `running`, `pausing` (asked for, and not yet taken up), `paused` or `stopping`. Else
        `queued`, where it waits for its turn; `finished`, `stopped` or `failed`; or where it ended without a word
        `resumable`, or `crashed` where there is no checkpoint either.
        """
        return self._state_and_events()[0]

    def _state_and_events(self) -> tuple[str, list[dict[str, Any]]]:
        """Return the state and the events that go with it. These are read last: a worker that ends after its lock was
        looked at has then told how, and a command that it takes up is answered."""
        queued, live = waits(str(self.folder)), liveness.is_held(self.lock_path)
        asked = self.requested() if live else []
        events = self.events()
        if queued:
            return "queued", events
        if live:
            return _live_state(asked, events), events
        ended = _ending(events) or ("resumable" if checkpoints.listed(self.checkpoints_path) else "crashed")
        return ended, events

    def ending(self) -> str | None:
        """Return how the last worker said that it ended: `finished`, `stopped` or `failed`; None without a word."""
        return _ending(self.events())

    def requested(self) -> list[str]:
        """Return the commands that wait for the worker to take them up, oldest first."""
        return [command.name for command in control.waiting(self.commands_path)]

    def is_live(self) -> bool:
        """Return whether a worker is at it."""
        return liveness.is_held(self.lock_path)

    def may_fit_again(self) -> bool:
        """Return whether a script keeps the `GradientMonitor` of this run, with which it may train on when a `fit` has
        ended."""
        return liveness.is_held(self.settings_path)

    def summary(self) -> dict[str, Any]:
        """Return the run as one flat record for tables and scripts.

        `loss` is the mean over the last whole epoch, which the same seed gives again; before the first epoch ends it is
        the last point of the curve, whose points are as far apart as the clock says.
        """
        settings, labelled, (state, events) = self.settings, labels.read(self.folder), self._state_and_events()
        try:
            # In microseconds, as a kept summary has it.
            made = self.settings_path.stat().st_mtime_ns // 1000 / 1e6
        except OSError as error:
            raise RunError(f"{self.settings_path} cannot be read: {error.strerror}.") from None
        curve, facts = self.curve(start=-1), results.facts(events)
        epoch = next(reversed(results.epochs(events)), {})
        training = getattr(settings, "training", None)
        options = getattr(settings, "options", {})
        found = {
            "state": state,
            "architecture": getattr(settings, "architecture", None) or settings.model,
            "depth": options.get("depth"),
            "skip": options.get("skip"),
            "data": training.data if training else None,
            "backend": facts.get("backend", training.backend if training else None),
            "parameters": facts.get("parameters"),
            "step": int(curve["step"][-1]) if len(curve) else epoch.get("step", 0),
            "steps": facts.get("steps"),
            "loss": epoch.get("loss", float(curve["loss"][-1]) if len(curve) else None),
            "validation_accuracy": results.accuracy(epoch, "validation_"),
            "test_accuracy": facts.get("test_accuracy"),
            "seconds": float(curve["seconds"][-1]) if len(curve) else None,
            "checkpoint": next(map(checkpoints.step_of, checkpoints.listed(self.checkpoints_path)), None),
            "reason": shortage.suspicion(self.log_path, events) if state in BROKEN_OFF else facts.get("reason"),
        }
        return summaries.arranged(str(self.folder), summaries.fitted(found), made, labelled)


def _live_state(asked: list[str], events: list[dict[str, Any]]) -> str:
    kinds = [event["event"] for event in results.since_start(events)]
    if "stop" in asked or "stopping" in kinds:
        return "stopping"
    if "training" not in kinds:
        return "starting"
    if [kind for kind in kinds if kind in ("paused", "continued")][-1:] == ["paused"]:
        return "paused"
    return "pausing" if "pause" in asked else "running"


def _ending(events: list[dict[str, Any]]) -> str | None:
    told = [event.get("status") for event in results.since_start(events) if event["event"] == "end"]
    return told[-1] if told and told[-1] in ("finished", "stopped", "failed") else None


def _sizes(table: Table, group: str) -> np.ndarray:
    """Return how many numbers stand behind each member of a group of weights."""
    try:
        return np.array([int(table.header.facts["sizes"][place]) for place in table.header.columns[group]])
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise RunError("The table of weights is damaged: it does not tell the sizes of the weights.") from None


def waits(folder: str) -> bool:
    """Return whether the run in a folder waits for its turn; one that was started, however it ended, does not."""
    if not os.path.lexists(f"{folder}/{MARKER}"):
        return False
    return not (size_of(f"{folder}/events.jsonl") or liveness.is_held(f"{folder}/alive.lock"))


def _read_json(path: Path) -> Any:
    try:
        return read_json(path, MOST_SETTINGS)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise RunError(f"{path} is not JSON.") from None


def create(settings: RunSettings, parent: Path = RUNS_FOLDER, name: str | None = None) -> Run:
    """Make a new run's folder with its settings and return it.

    Args:
        settings: what the run is to do.
        parent: the folder of runs; made where it is missing.
        name: the run's name; None takes the settings' title with the first free number.

    Raises:
        RunError: where the folder cannot be made or the name is taken or unfit.
    """
    parent = Path(parent)
    if name is not None:
        check_name(name)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        run = Run(_make_folder(parent, name, settings.title))
        _write_settings(run, settings)
    except OSError as error:
        if isinstance(error, FileExistsError) and name is not None and parent.is_dir():
            known = f"There is a run {name!r} in {parent} already. Choose another name, or leave it out."
            raise RunError(known) from None
        reason = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
        raise RunError(
            f"No run can be made in {parent.absolute()}: {reason}. Name another folder with --runs."
        ) from error
    return run


def check_name(name: str) -> None:
    """Raise RunError where a run cannot be called so."""
    if not name.strip() or name.startswith(".") or set(name) & set("/\\\0"):
        raise RunError(f"A run cannot be called {name!r}: its name is a folder's name, without slashes.")
    if not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        raise RunError(
            f"A run cannot be called {name[:80]!r}: its name has at most {LONGEST_NAME} bytes, and no signs "
            "that cannot be shown."
        )


def create_watched(settings: ScriptSettings, folder: Path) -> Run:
    """Make the folder of a run that a script does, with its settings, and return it.

    Args:
        settings: what it trains.
        folder: where; where there is something already, the first free number from 2 is added to its name.

    Raises:
        RunError: where the folder cannot be made.
    """
    folder, number = Path(folder), 1
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        while True:
            run = Run(folder if number == 1 else folder.with_name(f"{folder.name}-{number}"))
            try:
                run.folder.mkdir()
                break
            except FileExistsError:
                number += 1
        _write_settings(run, settings)
    except OSError as error:
        raise RunError(f"No run can be made in {folder.absolute()}: {error.strerror}.") from error
    return run


def _write_settings(run: Run, settings: RunSettings | ScriptSettings) -> None:
    try:
        write_whole(run.settings_path, text_of(settings))
    except OSError:
        # A folder without its settings would be in the way of the next run and no use to anyone.
        shutil.rmtree(run.folder, ignore_errors=True)
        raise


def _make_folder(parent: Path, name: str | None, title: str) -> Path:
    if name is not None:
        (parent / name).mkdir()
        return parent / name
    number = 1
    while True:
        try:
            (parent / f"{title}-{number}").mkdir()
            return parent / f"{title}-{number}"
        except FileExistsError:
            number += 1
