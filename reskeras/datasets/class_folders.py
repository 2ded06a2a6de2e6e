"""A folder for each class, with a file for each sample in it: which files there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reskeras.datasets import labelling, parts
from reskeras.datasets.dataset import DataError

IMAGES = (".png", ".jpg", ".jpeg")
TEXTS = (".txt", ".txt.gz")


@dataclass(frozen=True)
class Samples:
    """Files with the class of each.

    Attributes:
        home: the folder of the classes' folders.
        files: the samples, by class and name.
        labels: the class of each, by name.
        left: how many files there are of other kinds.
    """

    home: Path
    files: list[Path]
    labels: list[str]
    left: int = 0

    def taken(self, chosen: np.ndarray) -> Samples:
        """Return some of the samples."""
        return Samples(self.home, [self.files[place] for place in chosen], [self.labels[place] for place in chosen])


def kind_of(path: Path) -> tuple[str, ...] | None:
    """Return what the files in the folders of a folder are by their names, `IMAGES` or `TEXTS`; None for neither."""
    for folder in parts.children(path):
        if folder.is_dir():
            for file in parts.children(folder):
                for kind in (IMAGES, TEXTS):
                    if file.name.lower().endswith(kind):
                        return kind
    return None


def samples(path: Path, endings: tuple[str, ...]) -> Samples:
    """Return the files of the classes' folders.

    Args:
        path: the folder of the classes' folders.
        endings: how their names end, `IMAGES` or `TEXTS`.

    Raises:
        DataError: where a class has none.
    """
    found, left = Samples(path, [], []), 0
    for folder in parts.children(path):
        if not folder.is_dir():
            left += 1
            continue
        inside = [each for each in parts.children(folder) if each.name.lower().endswith(endings)]
        left += len(parts.children(folder)) - len(inside)
        if not inside:
            raise DataError(f"{folder} holds no sample: no file whose name ends in {', '.join(endings)}.")
        found.files.extend(inside)
        found.labels.extend([folder.name] * len(inside))
    return Samples(path, found.files, found.labels, left)


def both(found: parts.Parts, endings: tuple[str, ...], share: float) -> tuple[Samples, Samples, tuple, tuple]:
    """Return the samples to train on, those to test on, the classes' names, and notes.

    Args:
        found: the folder, or one to train and one to test on.
        endings: how the samples' names end.
        share: of each class, kept for the test where there is no folder for it.

    Raises:
        DataError: where there are fewer than two classes, or the test has one that is not trained on.
    """
    train = samples(found.train, endings)
    names = labelling.names(train.labels, found.train)
    left = train.left
    if found.test:
        test = samples(found.test, endings)
        left += test.left
        labelling.check_known(test.labels, names, found.test)
    else:
        numbers = {name: number for number, name in enumerate(names)}
        split = parts.divided([numbers[label] for label in train.labels], share, found.train)
        train, test = (train.taken(chosen) for chosen in split)
    notes = (*found.notes, *((f"{left:,} files of other kinds were left out.",) if left else ()))
    return train, test, names, notes
