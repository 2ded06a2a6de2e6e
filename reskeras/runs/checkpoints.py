"""Checkpoints: files with all that a training needs to go on, whole or not there, of which some are kept.

FORMAT.md, beside this file, has the layout.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reskeras.files import draft_of, open_plain
from reskeras.printable import cleaned

MAGIC = b"reskeras checkpoint 1\n"
"""What a file begins with; a reader refuses another version."""

MOST_HEADER, MOST_BYTES = 2**25, 2**38
"""Bytes that a header may have, which is read as a whole before anything else is known of the file; and the file, which
is then more than any accelerator holds."""

_NAME = re.compile(r"step-(\d{12})\.checkpoint")
_TYPE = re.compile(r"[<>|][biuf]\d{1,2}")
_DIGEST, _LENGTH, _PIECE = 32, 8, 2**20


class CheckpointError(ValueError):
    """A checkpoint is damaged, cut off, or of another version."""


@dataclass(frozen=True)
class _Place:
    """What an array is like, and at which byte of the file it begins."""

    dtype: np.dtype
    shape: tuple[int, ...]
    start: int


class Arrays(Mapping):
    """The arrays of a checkpoint by name, each read from the file, which is kept open, when it is looked at.

    They are not mapped into memory: a file that is cut, or whose disk is gone, would end the process that looks at it.
    Looking at one raises CheckpointError where that has happened.
    """

    def __init__(self, path: Path, descriptor: int, places: dict[str, _Place]):
        self._path, self._descriptor, self._places = path, os.dup(descriptor), places
        weakref.finalize(self, os.close, self._descriptor)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each, without reading it."""
        return {name: place.shape for name, place in self._places.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        place = self._places[name]
        found = np.empty(place.shape, place.dtype)
        left, start = memoryview(found.reshape(-1).view(np.uint8)), place.start
        while len(left):
            try:
                part = os.pread(self._descriptor, min(len(left), _PIECE), start)
            except OSError as error:
                raise CheckpointError(f"{self._path} cannot be read: {error.strerror}.") from None
            if not part:
                raise CheckpointError(f"{self._path} was cut off while it was read.")
            left[: len(part)] = part
            left, start = left[len(part) :], start + len(part)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        path: its file.
        facts: plain JSON values, with texts that can be shown.
        arrays: numbers by name; in memory only while they are looked at.
    """

    path: Path
    facts: dict[str, Any]
    arrays: Arrays

    @property
    def step(self) -> int:
        """After how many steps it was taken."""
        return step_of(self.path)


def step_of(path: Path) -> int:
    """Return after how many steps a checkpoint was taken, as its name says."""
    return int(_NAME.fullmatch(path.name)[1])


def listed(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, newest first, whole or not; what is called otherwise is none."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [folder / name for name in sorted(filter(_NAME.fullmatch, names), reverse=True)]


def write(folder: Path, step: int, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write a checkpoint, and return its path once it is on the disk as a whole.

    Args:
        folder: where; made where it is missing.
        step: after how many steps it was taken; one of the same step is replaced.
        facts: plain JSON values.
        arrays: by name, of real or whole numbers or truth values.

    Raises:
        OSError: where it cannot be written; the checkpoints before stay as they are.
    """
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{step:012d}.checkpoint"
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    described = [{"name": name, "dtype": each.dtype.str, "shape": np.shape(each)} for name, each in arrays.items()]
    header = json.dumps({"facts": dict(facts), "arrays": described}).encode()
    digest = hashlib.sha256()
    with draft_of(path) as draft, open(draft, "wb") as file:
        head = [MAGIC, len(header).to_bytes(_LENGTH, "little"), header]
        for part in (*head, *(memoryview(each.reshape(-1).view(np.uint8)) for each in arrays.values())):
            digest.update(part)
            file.write(part)
        file.write(digest.digest())
        file.flush()
        os.fdatasync(file.fileno())
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # Else the file might be on the disk and its name not.
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path


def read(path: Path) -> Checkpoint:
    """Return a checkpoint whose check sum holds.

    Sizes are those of the file before anything is made room for, and nothing in the file is run or followed. It takes
    as long as reading `MOST_BYTES` does at most.

    Raises:
        CheckpointError: where it is damaged, cut off, or of another version.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        facts, places = _read_header(path, file, size)
        digest, left = hashlib.sha256(), size - _DIGEST
        file.seek(0)
        while left:
            part = file.read(min(_PIECE, left))
            if not part:
                raise CheckpointError(f"{path} was cut off while it was read.")
            digest.update(part)
            left -= len(part)
        if file.read(_DIGEST) != digest.digest():
            raise CheckpointError(f"{path} is damaged: its check sum is not that of what it holds.")
        return Checkpoint(path, facts, Arrays(path, file.fileno(), places))


def read_facts(path: Path) -> dict[str, Any]:
    """Return the facts of a checkpoint from its header alone, whose check sum is not looked at.

    Raises:
        CheckpointError: as `read` does.
    """
    with _opened(path) as file:
        return _read_header(path, file, os.fstat(file.fileno()).st_size)[0]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with open(open_plain(path), "rb") as file:
            yield file
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from None


def _read_header(path: Path, file, size: int) -> tuple[dict[str, Any], dict[str, _Place]]:
    """Return the facts, and where each array is."""
    if file.read(len(MAGIC)) != MAGIC:
        raise CheckpointError(f"{path} is no checkpoint that this version reads.")
    if size > MOST_BYTES:
        raise CheckpointError(f"{path} has {size:,} bytes, more than the {MOST_BYTES:,} allowed.")
    length = int.from_bytes(file.read(_LENGTH), "little")
    start = len(MAGIC) + _LENGTH + length
    if length > MOST_HEADER or start + _DIGEST > size:
        raise CheckpointError(f"{path} is damaged or cut off: its header has no room in it.")
    places: dict[str, _Place] = {}
    try:
        header = json.loads(file.read(length))
        facts = cleaned(header["facts"])
        if not isinstance(facts, dict):
            raise ValueError("facts without names")
        for each in header["arrays"]:
            name, (dtype, shape) = str(each["name"]), _described(each)
            if name in places:
                raise ValueError(f"two arrays of the name {name}")
            places[name] = _Place(dtype, shape, start)
            start += math.prod(shape) * dtype.itemsize
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{path} is damaged: its header cannot be read.") from None
    wanted = start + _DIGEST
    if wanted != size:
        raise CheckpointError(f"{path} is damaged or cut off: it has {size:,} bytes of {wanted:,}.")
    return facts, places


def _described(entry: Mapping[str, Any]) -> tuple[np.dtype, tuple[int, ...]]:
    kind, shape = str(entry["dtype"]), tuple(entry["shape"])
    if not _TYPE.fullmatch(kind) or len(shape) > 32 or not all(type(each) is int and each >= 0 for each in shape):
        raise ValueError("an array of no numbers, or of no shape")
    dtype = np.dtype(kind)
    # An axis of length 0 hides how long the others are, and numpy looks at them all the same.
    if math.prod(max(each, 1) for each in shape) * dtype.itemsize > MOST_BYTES:
        raise ValueError("an array beyond every file")
    return dtype, shape


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest whole checkpoint, None where there is none, and what is wrong with each that is newer."""
    wrong = []
    for path in listed(folder):
        try:
            return read(path), wrong
        except CheckpointError as error:
            wrong.append(str(error))
    return None, wrong


def best(folder: Path) -> tuple[Path, float] | None:
    """Return the checkpoint of the lowest fact `score`, the first of equals, and that score, the loss of an epoch that
    ended as it was taken: one taken later has a score of before. None where there is none."""
    scores = {}
    for path in reversed(listed(folder)):
        with contextlib.suppress(CheckpointError):
            facts = read_facts(path)
            score = facts.get("score")
            if isinstance(score, (int, float)) and math.isfinite(score) and not facts.get("begun"):
                scores[path] = score
    return min(scores.items(), key=lambda each: each[1]) if scores else None


def rotate(folder: Path, keep: int) -> None:
    """Remove all checkpoints but the last few, and the `best`.

    Args:
        folder: where they are.
        keep: how many of the last are kept.
    """
    paths, found = listed(folder), best(folder)
    kept = {*paths[:keep], *([found[0]] if found else [])}
    for path in paths:
        if path not in kept:
            path.unlink(missing_ok=True)


def clear_after(folder: Path, step: int) -> None:
    """Remove what a worker left half written, and damaged checkpoints newer than the one that a run goes on from, which
    would count among the last; for whoever holds the run's lock."""
    newer = [path for path in listed(folder) if step_of(path) > step]
    for path in (*folder.glob(".*.draft"), *newer):
        with contextlib.suppress(OSError):
            path.unlink()
