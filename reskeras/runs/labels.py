"""What a user says of a run: its tags and a note, in a file of their own that is written as a whole."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reskeras.files import read_json, write_whole
from reskeras.printable import printable
from reskeras.runs.errors import RunError
from reskeras.runs.settings import FORMAT

if TYPE_CHECKING:
    from reskeras.runs.folder import Run

LONGEST_TAG, MOST_TAGS, LONGEST_NOTE = 60, 100, 10_000
"""Characters of a tag, tags of a run, characters of a note."""

MOST_BYTES = 2**20

PATIENCE = 5.0
"""Seconds to wait for another process that writes labels of the same run."""


@dataclass(frozen=True)
class Labels:
    """A run's tags, in alphabetical order, and its note."""

    tags: tuple[str, ...] = ()
    note: str = ""


def read(folder: str | Path) -> Labels:
    """Return the labels of the run in a folder.

    Raises:
        RunError: where the file is damaged, or of a version this program does not know.
    """
    path = os.path.join(folder, "labels.json")
    try:
        content = read_json(path, MOST_BYTES, keep="\n")
    except FileNotFoundError:
        return Labels()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise RunError(f"{path} is not JSON.") from None
    version = content.get("format") if isinstance(content, dict) else None
    if version != FORMAT:
        raise RunError(f"{path} has format {version!r}; this version reads format {FORMAT}.")
    tags, note = content.get("tags"), content.get("note")
    if not (isinstance(note, str) and isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise RunError(f"{path} is damaged.")
    known = sorted({tag.replace("\n", " ")[:LONGEST_TAG] for tag in tags[:MOST_TAGS]})
    return Labels(tuple(known), note[:LONGEST_NOTE])


def tag(run: Run, *tags: str) -> Labels:
    """Add tags to a run and return its labels.

    Raises:
        RunError: where a tag is unfit, or the file cannot be read or written.
    """
    for each in tags:
        _check_tag(each)
    return _change(run, lambda labels: replace(labels, tags=tuple(sorted({*labels.tags, *tags}))))


def untag(run: Run, *tags: str) -> Labels:
    """Take tags from a run and return its labels.

    Raises:
        RunError: where it has not one of them, or the file cannot be read or written.
    """

    def without(labels: Labels) -> Labels:
        for each in tags:
            if each not in labels.tags:
                known = ", ".join(labels.tags) or "none"
                raise RunError(f"{run.name} has no tag {each!r} (tags: {known}).")
        return replace(labels, tags=tuple(each for each in labels.tags if each not in tags))

    return _change(run, without)


def note(run: Run, text: str) -> Labels:
    """Put a note in the place of the one a run has, and return its labels; an empty text takes the note away.

    Raises:
        RunError: where it is too long, or the file cannot be read or written.
    """
    if len(text) > LONGEST_NOTE:
        raise RunError(f"A note has at most {LONGEST_NOTE:,} characters; this one has {len(text):,}.")
    return _change(run, lambda labels: replace(labels, note=printable(text, keep="\n").strip()))


def _check_tag(text: str) -> None:
    if not text or len(text) > LONGEST_TAG or any(sign.isspace() or sign == "," for sign in text):
        raise RunError(
            f"A run cannot have the tag {text!r}: a tag is 1 to {LONGEST_TAG} characters without spaces and commas."
        )
    if not text.isprintable():
        raise RunError(f"A run cannot have the tag {text!r}: a character in it cannot be shown.")


def _change(run: Run, change: Callable[[Labels], Labels]) -> Labels:
    with _alone(run):
        labels = change(read(run.folder))
        if len(labels.tags) > MOST_TAGS:
            raise RunError(f"A run has at most {MOST_TAGS} tags; {run.name} would have {len(labels.tags)}.")
        try:
            write_whole(run.labels_path, json.dumps({"format": FORMAT, **asdict(labels)}) + "\n")
        except OSError as error:
            raise RunError(f"{run.labels_path} cannot be written: {error.strerror}.") from None
    return labels


@contextmanager
def _alone(run: Run) -> Iterator[None]:
    """Let one process at a time read labels and write them back."""
    try:
        descriptor = os.open(run.folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RunError(f"{run.folder} cannot be opened: {error.strerror}.") from None
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RunError(f"Another process keeps the folder {run.folder} locked.") from None
                time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)
