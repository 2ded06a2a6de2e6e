"""A user's own samples in an .npz file with x_train, y_train, x_test and y_test."""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from reskeras.datasets.dataset import DataError, Dataset, DataShape
from reskeras.machine import available_memory
from reskeras.suggestions import suggest

NAMES = ("x_train", "y_train", "x_test", "y_test")

LONGEST_HEADER = 10_000
"""Bytes of an array's header, which says its shape: as many as numpy itself believes."""


def describe(path: Path) -> DataShape:
    """Return what a file holds from the arrays' headers and its labels; samples are not read.

    Raises:
        DataError: where the file is missing or its arrays do not fit one another.
    """
    with _reading(path) as file:
        return _described(path, file)[0]


def load(path: Path) -> Dataset:
    """Return the samples and labels of a file.

    Raises:
        DataError: where the file is missing or its arrays do not fit one another.
    """
    with _reading(path) as file:
        described, y_train, y_test = _described(path, file)
        x_train, x_test = (file[f"{name}.npy"] for name in ("x_train", "x_test"))
    for name, samples in (("x_train", x_train), ("x_test", x_test)):
        if samples.dtype.kind == "f" and not np.isfinite(samples).all():
            raise DataError(f"{path}: {name} holds values that are not finite (NaN or infinity).")
    x_train, x_test = (x.reshape(len(x), *described.input_shape) for x in (x_train, x_test))
    return Dataset(x_train, y_train.astype(np.int32), x_test, y_test.astype(np.int32), described.classes)


@contextmanager
def _reading(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """Open a file; whatever goes wrong while its bytes are read comes out as a DataError."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            # Opening a pipe or a device could wait for ever.
            what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
            raise DataError(f"{path} is {what}; it must be an .npz file with {', '.join(NAMES)}.")
        with path.open("rb") as source:
            beginning = source.read(6)
            if beginning.startswith(np.lib.format.MAGIC_PREFIX):
                raise DataError(f"{path} holds a single array; it must be an .npz file with {', '.join(NAMES)}.")
            if not beginning.startswith(b"PK"):
                # numpy takes any other bytes for a pickle, and advises to load it all the same.
                raise DataError(f"{path} cannot be read as an .npz file: it is not one that np.savez writes.")
            source.seek(0)
            with np.load(source, allow_pickle=False) as file:
                yield file
    except DataError:
        raise
    except FileNotFoundError:
        near = [each.name for each in path.parent.glob("*.npz")] if path.parent.is_dir() else []
        raise DataError(f"There is no file {path}.{suggest(path.name, near)}") from None
    except Exception as error:
        # Damaged bytes make numpy, zipfile and zlib raise a dozen unrelated kinds, down to SyntaxError and MemoryError.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{path} cannot be read as an .npz file: {reason.rstrip('.')}.") from None


def _described(path: Path, file) -> tuple[DataShape, np.ndarray, np.ndarray]:
    headers = _headers(path, file)
    shapes = {name: shape for name, (shape, _) in headers.items()}
    _check(path, shapes, {name: kind for name, (_, kind) in headers.items()})
    _check_sizes(path, file, headers)
    y_train, y_test = (_labels(path, name, file) for name in ("y_train", "y_test"))
    classes = _classes(path, y_train, y_test)
    return DataShape(_with_channels(shapes["x_train"]), classes, len(y_train), len(y_test)), y_train, y_test


def _headers(path: Path, file) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    members = file.zip.namelist()
    if missing := [name for name in NAMES if f"{name}.npy" not in members]:
        held = ", ".join(file.files[:8]) or "nothing"
        raise DataError(f"{path} lacks {', '.join(missing)} (it must hold {', '.join(NAMES)}; it holds {held}).")
    headers = {}
    for name in NAMES:
        if members.count(f"{name}.npy") > 1:
            raise DataError(f"{path} holds {name} more than once, and nothing says which is meant.")
        with file.zip.open(f"{name}.npy") as member:
            try:
                version = np.lib.format.read_magic(member)
                reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                _check_header(path, name, member, 2 if version == (1, 0) else 4)
                shape, _, kind = reader[version](member)
            except DataError:
                raise
            except (ValueError, KeyError):
                raise DataError(f"{path}: {name} is not a numpy array.") from None
        headers[name] = (shape, kind)
    return headers


def _check_header(path: Path, name: str, member, size: int) -> None:
    """Raise DataError for a header of more than `LONGEST_HEADER` bytes, which numpy would unpack before it looks at how
    long it is: few megabytes can become four gigabytes.

    Args:
        path, name: what is told.
        member: read up to the header's length, and left there.
        size: bytes of that length.
    """
    place = member.tell()
    length = int.from_bytes(member.read(size), "little")
    member.seek(place)
    if length > LONGEST_HEADER:
        raise DataError(f"{path}: {name} has a header of {length:,} bytes, more than the {LONGEST_HEADER:,} allowed.")


def _check(path: Path, shapes, kinds) -> None:
    for name in ("x_train", "x_test"):
        shape = shapes[name]
        if kinds[name].kind not in "iufb":
            raise DataError(f"{path}: {name} must hold numbers; it holds {kinds[name]}.")
        if len(shape) not in (2, 3, 4) or 0 in shape:
            raise DataError(
                f"{path}: {name} has shape {shape}; samples must be (samples, features), (samples, height, width) or "
                "(samples, height, width, channels), and none of them 0."
            )
    if shapes["x_train"][1:] != shapes["x_test"][1:]:
        raise DataError(
            f"{path}: samples of x_train have shape {shapes['x_train'][1:]} and samples of x_test "
            f"{shapes['x_test'][1:]}; they must be alike."
        )
    for part in ("train", "test"):
        x, y = shapes[f"x_{part}"], shapes[f"y_{part}"]
        if y not in ((x[0],), (x[0], 1)):
            raise DataError(f"{path}: y_{part} has shape {y}; it must be ({x[0]},), one label for each of x_{part}.")


def _check_sizes(path: Path, file, headers) -> None:
    """Raise DataError where memory would be taken for more than is in the file, or than there is."""
    sizes = {name: math.prod(shape) * kind.itemsize for name, (shape, kind) in headers.items()}
    for name, size in sizes.items():
        held = file.zip.getinfo(f"{name}.npy").file_size
        if size > held:
            raise DataError(f"{path}: {name} is to have {size:,} bytes, and the file holds {held:,} of it.")
    free, needed = available_memory(), sum(sizes.values())
    if free is not None and needed > free:
        raise DataError(
            f"{path} holds {needed / 2**30:,.1f} GiB of samples, and this machine has {free / 2**30:,.1f} GiB of "
            "memory left. Train on fewer samples, or on smaller numbers such as float32 or uint8."
        )


def _labels(path: Path, name: str, file) -> np.ndarray:
    try:
        labels = file[f"{name}.npy"].reshape(-1)
    except ValueError as error:
        raise DataError(f"{path}: {name} cannot be read: {str(error).rstrip('.')}.") from None
    whole = labels.dtype.kind == "f" and (np.isfinite(labels) & (labels == np.round(labels))).all()
    if labels.dtype.kind not in "iub" and not whole:
        names = " numpy.unique(names, return_inverse=True)[1] makes them of names." if labels.dtype.kind in "US" else ""
        raise DataError(f"{path}: {name} must hold whole class numbers from 0; it holds {labels.dtype} values.{names}")
    return labels


def _classes(path: Path, y_train: np.ndarray, y_test: np.ndarray) -> int:
    low, high = int(y_train.min()), int(y_train.max())
    if low < 0:
        raise DataError(f"{path}: y_train holds the label {low}; labels must be class numbers from 0.")
    if high < 1:
        raise DataError(f"{path}: y_train holds only the label {high}; at least 2 classes are needed.")
    if high >= len(y_train) or high > 100_000:
        raise DataError(
            f"{path}: y_train holds the label {high}, which is more than its {len(y_train)} samples can tell apart; "
            "labels must be class numbers from 0 without large gaps."
        )
    if int(y_test.min()) < 0 or int(y_test.max()) > high:
        outside = int(y_test.min()) if int(y_test.min()) < 0 else int(y_test.max())
        raise DataError(f"{path}: y_test holds the label {outside}; the labels of y_train are 0 to {high}.")
    return high + 1


def _with_channels(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[1:], 1) if len(shape) == 3 else shape[1:]
