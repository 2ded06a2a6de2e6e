"""Which reader a path of a user's data is for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reskeras.datasets import (
    class_folders,
    conll,
    fitting,
    image_folders,
    labelled_text,
    parallel,
    parts,
    plain_text,
    tables,
    text_folders,
)
from reskeras.datasets.dataset import DataError, Dataset, DataShape
from reskeras.reading import Reading
from reskeras.suggestions import suggest

TABLES = (".csv", ".parquet", ".pq")
SENTENCES = (".conllu", ".conll", ".bio", ".iob", ".iob2")
PLAIN = (".txt", ".text", ".md", ".rst")

OTHER_IMAGES = {".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".ppm", ".pgm"}

ADVICE = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "Save the sheet as .csv."),
    **dict.fromkeys((".json", ".jsonl"), "Write it as a .csv table with a column called label."),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z"), "Unpack it, and give the path of what was in it."),
    ".npy": "numpy.savez writes an .npz file of x_train, y_train, x_test and y_test.",
}
"""What to do with files of kinds that are not read, by how their names end."""

FORMATS = (
    "an .npz file of arrays; a .csv or .parquet table with a label; a .tsv file of texts and labels; a .conll or "
    ".conllu file of words and tags; a .txt file to learn language from; a.en,a.de for translation; a folder with a "
    "folder of images or .txt files for each class"
)


def is_readable(name: str) -> bool:
    """Return whether a file's name is that of a kind that can be read without a word on the task."""
    name = name.lower()
    plain = name.removesuffix(".gz")
    if plain.endswith((*SENTENCES, *PLAIN, ".tsv", ".csv")):
        return True
    return name.endswith((".npz", *TABLES))


_TAKES = {
    tables.load: ("label",),
    conll.load: ("label",),
    labelled_text.load: ("label",),
    image_folders.load: ("image_size",),
}
"""Options that a reader goes by, besides those of text and of the test."""


@dataclass(frozen=True)
class Source:
    """Where a user's samples are, and how they are read.

    Attributes:
        title: what it is, in a few words.
        found: the files or folders, as the reader takes them.
        reader: returns the data set of `found` and a `Reading`.
    """

    title: str
    found: Any
    reader: Callable[[Any, Reading], Dataset]

    def load(self, reading: Reading) -> Dataset:
        """Return the data set."""
        return self.reader(self.found, reading)

    def check(self, data: str, reading: Reading, shape: DataShape) -> None:
        """Raise OptionError for options that were given and change nothing of what was found."""
        takes = {*_TAKES.get(self.reader, ()), *(fitting.TEXT if shape.vocabulary else ())}
        tested = next((str(each.test) for each in self._parts() if each.test), None)
        fitting.check(data, reading, shape, takes if tested else takes | {"test_split"}, tested=tested)

    def paths(self) -> list[Path]:
        """Return the files and folders that are read."""
        return [path for each in self._parts() for path in (each.train, each.test) if path]

    def _parts(self) -> tuple[parts.Parts, ...]:
        return self.found if isinstance(self.found, tuple) else (self.found,)


def source(data: str, path: Path, reading: Reading) -> Source:
    """Return where the samples of a path are, and how they are read.

    Args:
        data: what the user gave: a path, or two with a comma between.
        path: the same as a path.
        reading: `reading.task` decides where a file can be read in several ways.

    Raises:
        DataError: where there is no such file, it is of no known kind, or cannot be read for the task.
    """
    if "," in data and not path.exists():
        return _pair(data, reading)
    if path.is_dir():
        return _folder(path, reading)
    if path.is_symlink() and not path.exists():
        raise DataError(f"{path} is a link to {os.readlink(path)}, which is not there, or leads back to it.")
    if not path.exists():
        raise DataError(f"There is no file {path}.{_nearest(path)}")
    return _file(path, reading)


def _pair(data: str, reading: Reading) -> Source:
    try:
        paths = [Path(each.strip()).expanduser() for each in data.split(",")]
    except RuntimeError:
        # The home of a user who does not exist.
        raise DataError(f"There are no such files: {data}.") from None
    if len(paths) != 2:
        raise DataError(f"{len(paths)} files are given; two are read as texts and their translations, a.en,a.de.")
    for path in paths:
        if not _there(path):
            raise DataError(f"There is no file {path}.{_nearest(path)}")
    _fits(data, "translation", reading, "two files are")
    return Source("two files of texts in two languages", tuple(map(parts.beside, paths)), parallel.load)


def several(data: str, task: str) -> list[str]:
    """Return the data sets that a list with commas names: for translation, two files of texts in a row are one.

    Args:
        data: names of data sets and paths, with commas between them.
        task: what the network is for, a name in `tasks.TASKS`.
    """
    found = []
    for each in map(str.strip, data.split(",")):
        if found and task == "translation" and _is_half(found[-1]) and (_is_half(each) or _is_no_name(each)):
            found[-1] += f",{each}"
        else:
            found.append(each)
    return found


def read_for(data: str, task: str) -> str:
    """Return the task for which a network of `task` has data read where nobody says it, `"auto"` where that is the
    data's own: two columns of texts are labels to some and translations to others."""
    return task if task == "translation" and data.lower().removesuffix(".gz").endswith(".tsv") else "auto"


def _is_no_name(path: str) -> bool:
    """Return whether a path is that of a file which is not there: one of two, of which the name has a slip."""
    return bool(Path(path).suffix) and not os.path.lexists(os.path.expanduser(path))


def _is_half(path: str) -> bool:
    """Return whether a path can be of texts whose translations are in another file."""
    return os.path.isfile(os.path.expanduser(path)) and read_for(path, "translation") == "auto"


def _folder(path: Path, reading: Reading) -> Source:
    found = parts.folders(path) or parts.Parts(path)
    kind = class_folders.kind_of(found.train)
    if kind:
        _fits(path, "classes", reading, "a folder of classes is")
        if kind == class_folders.IMAGES:
            return Source("a folder of images for each class", found, image_folders.load)
        return Source("a folder of texts for each class", found, text_folders.load)
    inside = [each for each in parts.children(path) if each.is_file()]
    named = [each for each in inside if each.name.lower().startswith("train")]
    if len(named) == 2:
        return _pair(",".join(map(str, sorted(named, reverse=_backwards(named)))), reading)
    if len(named) == 1:
        return _file(named[0], reading)
    files = [each for each in parts.children(found.train) if each.is_file()]
    if files and all(each.name.lower().endswith(class_folders.TEXTS) for each in files):
        _fits(path, "language", reading, "a folder of .txt files is")
        return Source("a folder of texts", found, plain_text.load)
    raise DataError(f"{path} is a folder, and nothing in it can be read.{_odd(path)} What can be: {FORMATS}.")


def _odd(path: Path) -> str:
    """Return what to do with a folder of folders whose files are of no kind that is read; nothing of others."""
    inside = [each for folder in parts.children(path) if folder.is_dir() for each in parts.children(folder)]
    images = sorted({each.suffix.lower() for each in inside} & OTHER_IMAGES)
    if images:
        return f" Images of the kind {', '.join(images)} are in it: save them as .png or .jpg."
    if inside and all(each.is_dir() for each in inside):
        return " Its folders hold folders: samples lie in the folder of their class."
    return ""


def _backwards(named: list[Path]) -> bool:
    """Return whether the second file in the order of names is what is translated: English is, beside another."""
    return sorted(named)[1].name.lower().removesuffix(".gz").endswith(".en")


def _file(path: Path, reading: Reading) -> Source:
    name = path.name.lower().removesuffix(".gz")
    ending = Path(name).suffix
    task = reading.task
    found = parts.beside(path)
    if ending in TABLES and (ending == ".csv" or path.suffix.lower() != ".gz"):
        _fits(path, "classes", reading, "a table is")
        return Source("a table with a label", found, tables.load)
    if ending in SENTENCES or task == "tags":
        _fits(path, "tags", reading, "words with tags are")
        return Source("words with tags", found, conll.load)
    if task == "translation":
        return Source("a file of texts in two languages", (found,), parallel.load)
    if ending == ".tsv":
        _fits(path, "classes", reading, "texts with labels are") if task != "language" else None
    if (ending == ".tsv" and task != "language") or task == "classes":
        return Source("texts with labels", found, labelled_text.load)
    if ending in PLAIN or task == "language":
        return Source("a text", found, plain_text.load)
    advice = f" {ADVICE[ending]}" if ending in ADVICE else ""
    raise DataError(
        f"{path} is of no kind that is known by its name.{advice} What can be read: {FORMATS}; any file of text with "
        "--task classes, tags, language or translation."
    )


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # A name too long for a file.
        return False


def _fits(data: object, task: str, reading: Reading, what: str) -> None:
    if reading.task not in ("auto", task):
        raise DataError(f"{data} cannot be read for the task {reading.task}: {what} read for {task}.")


def _nearest(path: Path) -> str:
    try:
        return suggest(path.name, [each.name for each in path.parent.iterdir()])
    except (OSError, ValueError):
        return ""
