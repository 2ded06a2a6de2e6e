"""Images of classes, each a file in the folder of its class; read by Pillow, which is an extra."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from reskeras.datasets import class_folders, parts
from reskeras.datasets.dataset import DataError, Dataset
from reskeras.datasets.encoding import Encoding
from reskeras.datasets.plain_files import check_memory, opened
from reskeras.installed import how_to_install
from reskeras.reading import Reading

GREY = ("1", "L", "LA")
"""Pillow's names for images without colours."""

DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's names for images of more than 8 bits a colour."""

MOST_PIXELS = 2**26

Size = tuple[int, int]
"""Height and width."""


def load(found: parts.Parts, reading: Reading) -> Dataset:
    """Return the images of a folder of classes as uint8, with one channel where all are grey, else with three.

    What shows through in an image is left out. `reading.image_size` is the height and width that they are brought to.

    Raises:
        DataError: where Pillow is not installed, an image cannot be read, or they differ in size and nobody says which
            they are to have.
    """
    train, test, names, notes = class_folders.both(found, class_folders.IMAGES, reading.test_split)
    numbers = {name: number for number, name in enumerate(names)}
    images = _pillow(found.train)
    size, grey = _look(images, [*train.files, *test.files], reading.image_size)
    count = len(train.files) + len(test.files)
    check_memory(found.train, count * size[0] * size[1] * (1 if grey else 3), "its images")
    x = [_read(images, each.files, size, grey) for each in (train, test)]
    y = [np.array([numbers[label] for label in each.labels], np.int32) for each in (train, test)]
    return Dataset(x[0], y[0], x[1], y[1], len(names), encoding=Encoding(names), notes=notes)


def _pillow(path: Path):
    try:
        import PIL.Image
    except ImportError:
        raise DataError(
            f"{path}: images are read by Pillow, which is not installed: {how_to_install('data')}"
        ) from None
    return PIL.Image


def _look(images, files: list[Path], side: int | None) -> tuple[Size, bool]:
    """Return the size of all images, from their headers, and whether none has colours."""
    size, grey = None, True
    for path in files:
        with _opened(images, path) as image:
            own = (image.height, image.width)
            grey = grey and image.mode in GREY
        if side is None and size is not None and own != size:
            raise DataError(
                f"{path} has {own[0]}x{own[1]} pixels, and {files[0].name} has {size[0]}x{size[1]}; images must be of "
                "one size. --image-size brings all to one, such as --image-size 64."
            )
        size = size or own
    return (size if side is None else (side, side)), grey


def _read(images, files: list[Path], size: Size, grey: bool) -> np.ndarray:
    found = np.empty((len(files), *size, 1 if grey else 3), np.uint8)
    for place, path in enumerate(files):
        with _opened(images, path) as image:
            image = image.convert("L" if grey else "RGB")
            if (image.height, image.width) != size:
                image = image.resize((size[1], size[0]), images.Resampling.BILINEAR)
            found[place] = np.asarray(image).reshape(found.shape[1:])
    return found


@contextmanager
def _opened(images, path: Path):
    """Open an image to be read; whatever goes wrong with it comes out as a DataError."""
    with opened(path) as file:
        try:
            if not os.fstat(file.fileno()).st_size:
                raise DataError(f"{path} is empty.")
            with warnings.catch_warnings():
                # Pillow's warnings of large images, whose limit is told below, and of odd colour tables.
                warnings.simplefilter("ignore")
                image = images.open(file, formats=("PNG", "JPEG"))
                if image.width * image.height > MOST_PIXELS:
                    raise DataError(
                        f"{path} has {image.width * image.height:,} pixels, more than the {MOST_PIXELS:,} allowed."
                    )
                if image.mode in DEEP:
                    raise DataError(f"{path} has more than 8 bits a colour; save it with 8.")
                yield image
        except DataError:
            raise
        except Exception as error:
            # Damaged bytes make Pillow raise a dozen unrelated kinds, down to SyntaxError.
            raise DataError(f"{path} cannot be read as a PNG or JPEG image ({type(error).__name__}).") from None
