"""The recorded runs that come with the program: they show what it does where no backend is installed."""

from __future__ import annotations

import io
import os
import tarfile
from importlib import resources
from pathlib import Path

from reskeras.runs import Run, find

NAMES = ("plain-56", "resnet-56")
"""ResNet-56 without its skips and with them, trained on handwritten digits from the same seed."""


def unpack(folder: Path) -> list[Run]:
    """Write the recorded runs into a folder and return them, the one without skips first.

    Raises:
        OSError: where the folder cannot be written.
    """
    packed = resources.files(__package__).joinpath("recorded", "demo.tar.xz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:xz") as archive:
        archive.extractall(folder, filter="data")
    runs = [find(name, folder) for name in NAMES]
    for run in runs:
        os.utime(run.settings_path)
    return runs
