"""What files of a user were like when they were last read: kept, for to find out takes as long as to load them."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from reskeras import caches
from reskeras.datasets.dataset import DataShape
from reskeras.files import read_json, write_whole
from reskeras.reading import Reading
from reskeras.tasks import TASKS

VERSION = 5
"""Raised when files are read in another way, so that what was kept counts no more."""

DEEPEST = 2
"""Folders below a folder of training samples that are looked into: that of a class, with its files."""

MOST = 64
_MOST_BYTES = 2**22
"""Of which nearly all are names of classes; with more of them, files are read again."""

_shapes: OrderedDict[str, DataShape] = OrderedDict()


def key(paths: Iterable[Path], reading: Reading, data: str = "") -> str:
    """Return a name for files as they are now, read in a way.

    Args:
        paths: files, and folders with what is in them.
        reading: how they are read.
        data: what is made of them, where that is not said by the paths.
    """
    told = hashlib.sha256(repr((VERSION, data, sorted(_options(reading).items()))).encode())
    for path in paths:
        for each in (path, *_inside(path, DEEPEST)):
            # What is gone, or cannot be looked at, is told when it is read.
            with suppress(OSError):
                facts = each.stat()
                told.update(repr((str(each.absolute()), facts.st_size, facts.st_mtime_ns, facts.st_ino)).encode())
    return told.hexdigest()


def _inside(folder: Path, depth: int) -> Iterator[Path]:
    """Yield what is in a folder and in the folders in it, so deep; nothing where it is a file."""
    try:
        found = sorted(folder.iterdir()) if depth and folder.is_dir() else []
    except OSError:
        found = []
    for each in found:
        yield each
        yield from _inside(each, depth - 1)


def _options(reading: Reading) -> dict[str, Any]:
    # A training's options are its data's and more.
    return {name: getattr(reading, name) for name in Reading.model_fields if name != "data"}


def shape(name: str) -> DataShape | None:
    """Return what was kept under a name; None where nothing was."""
    if name in _shapes:
        return _shapes[name]
    folder = caches.folder("data")
    if folder is None:
        return None
    try:
        return _shape(read_json(folder / f"{name}.json", _MOST_BYTES))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _shape(content: dict[str, Any]) -> DataShape:
    sizes = tuple(map(int, content["input_shape"]))
    numbers = [int(content[each]) for each in ("classes", "train", "test")]
    vocabulary, alphabet = [
        None if content[each] is None else int(content[each]) for each in ("vocabulary", "alphabet")
    ]
    if content["task"] not in TASKS:
        raise ValueError(content["task"])
    labels = tuple(map(str, content["labels"]))
    if len(labels) not in (0, numbers[0]):
        raise ValueError(f"{len(labels)} labels of {numbers[0]} classes")
    return DataShape(sizes, *numbers, content["task"], vocabulary, labels, alphabet)


def keep(name: str, found: DataShape) -> None:
    """Keep what files are like, here and for other processes."""
    _shapes[name] = found
    while len(_shapes) > MOST:
        _shapes.popitem(last=False)
    folder = caches.folder("data")
    if folder is not None:
        # Without it, files are read again.
        with suppress(OSError):
            write_whole(folder / f"{name}.json", json.dumps({**vars(found), "input_shape": list(found.input_shape)}))
