"""Runs as folders: one training, its settings and all it measured, written by one process and read by any."""

from reskeras.runs.folder import RUNS_FOLDER, Run, RunError, create, find, list_runs
from reskeras.runs.settings import RunSettings, TrainingOptions

__all__ = ["RUNS_FOLDER", "Run", "RunError", "RunSettings", "TrainingOptions", "create", "find", "list_runs"]
