"""What goes wrong with the folder of a run."""

from __future__ import annotations

from reskeras.printable import printable


class RunError(ValueError):
    """A run is missing, or its folder cannot be read. The message can be shown as it is, whatever a file held."""

    def __init__(self, message: str):
        super().__init__(printable(message))
