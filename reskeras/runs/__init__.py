"""Runs as folders: one training, its settings and all it measured, written by one process and read by any."""

from reskeras.on_demand import on_demand

_HOMES = {
    "RUNS_FOLDER": "default_folder",
    "Run": "folder",
    "RunError": "errors",
    "RunSettings": "settings",
    "ScriptSettings": "settings",
    "Series": "tables",
    "TrainingOptions": "settings",
    "create": "folder",
    "create_watched": "folder",
    "find": "listing",
    "list_runs": "listing",
    "open": "listing",
    "write_csv": "csv_files",
    "write_tensorboard": "event_files",
}
_MODULES = ("control", "launch", "listing", "queue", "resuming")

__all__ = list(_HOMES)

__getattr__ = on_demand(__name__, _HOMES, _MODULES)


def __dir__():
    return sorted([*globals(), *__all__])
