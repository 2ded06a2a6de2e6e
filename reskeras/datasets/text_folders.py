"""Texts of classes, each a file in the folder of its class."""

from __future__ import annotations

from dataclasses import replace

from reskeras.datasets import class_folders, labelled_text, parts, plain_files
from reskeras.datasets.dataset import Dataset
from reskeras.reading import Reading


def load(found: parts.Parts, reading: Reading) -> Dataset:
    """Return the texts of a folder of classes, in UTF-8 or as the marks at their beginnings say.

    Raises:
        DataError: where a text cannot be read or is empty, or there are fewer than two classes.
    """
    train, test, _, notes = class_folders.both(found, class_folders.TEXTS, reading.test_split)
    read = [
        labelled_text.Labelled([plain_files.text(file) for file in each.files], each.labels) for each in (train, test)
    ]
    return replace(labelled_text.dataset(*read, found, reading), notes=notes)
