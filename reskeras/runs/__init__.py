"""Runs as folders: one training, its settings and all it measured, written by one process and read by any."""

from reskeras.runs.csv_files import write_csv
from reskeras.runs.errors import RunError
from reskeras.runs.event_files import write_tensorboard
from reskeras.runs.folder import RUNS_FOLDER, Run, create, create_watched
from reskeras.runs.listing import find, list_runs, open
from reskeras.runs.settings import RunSettings, ScriptSettings, TrainingOptions
from reskeras.runs.tables import Series

__all__ = [
    "RUNS_FOLDER",
    "Run",
    "RunError",
    "RunSettings",
    "ScriptSettings",
    "Series",
    "TrainingOptions",
    "create",
    "create_watched",
    "find",
    "list_runs",
    "open",
    "write_csv",
    "write_tensorboard",
]
