"""What goes wrong with the folder of a run."""

from __future__ import annotations

from pathlib import Path

from reskeras.printable import printable


class RunError(ValueError):
    """A run is missing, or its folder cannot be read. The message can be shown as it is, whatever a file held."""

    def __init__(self, message: str):
        super().__init__(printable(message))


class FolderVanished(RunError):
    """The folder of a run is gone while it is trained."""

    def __init__(self, folder: Path):
        super().__init__(
            f"The folder {folder} vanished while its run was trained: it was removed, renamed, or its disk unplugged. "
            f"Put it back, and the run can go on from its last checkpoint: reskeras resume {folder}"
        )
