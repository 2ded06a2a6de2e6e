"""Keeping order among runs: other names, a trash folder, and how much of the disk each takes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reskeras.printable import printable
from reskeras.runs import liveness
from reskeras.runs.errors import RunError
from reskeras.runs.folder import TABLES, Run, check_name
from reskeras.suggestions import suggest

TRASH = ".trash"
"""The folder, below the folder of runs, with an entry for each run that was deleted: a folder with the run's in it."""

KINDS = ("log", "model", "tables", "checkpoints", "other")
"""What the disk is used for by a run."""


def rename(run: Run, name: str) -> Run:
    """Give a run another name, which is its folder's, and return it.

    Raises:
        RunError: where the name is taken or unfit, a worker is at the run, or the folder cannot be changed.
    """
    check_name(name)
    folder = _absolute(run)
    target = folder.with_name(name)
    with _at_rest(run, "renamed"):
        _hold_name(target, " already.", f"{run.folder} cannot be renamed")
        _move(folder, target, target)
    return Run(target)


def _hold_name(target: Path, taken: str, refused: str) -> None:
    """Make an empty folder that holds a name, and whose place a run takes in one move.

    Args:
        target: the folder.
        taken: what follows on the news that there is something of this name.
        refused: what cannot be done where no folder can be made.
    """
    try:
        target.mkdir()
    except FileExistsError:
        raise RunError(f"There is a run or a file {target.name!r} in {target.parent}{taken}") from None
    except OSError as error:
        raise RunError(f"{refused}: {error.strerror}.") from None


def _absolute(run: Run) -> Path:
    """Return a run's folder with a name at its end, which `.` has not."""
    return Path(os.path.abspath(run.folder))


@contextmanager
def _at_rest(run: Run, what: str) -> Iterator[None]:
    """Keep a run's lock, so that no worker begins, while the run is moved."""
    try:
        lock = liveness.hold(run.lock_path)
    except liveness.AlreadyRunning:
        raise RunError(
            f"{run.name} is being trained and cannot be {what} meanwhile. Stop it first (reskeras stop {run.folder}), "
            f"or wait for its end: reskeras watch {run.folder}"
        ) from None
    except OSError as error:
        raise RunError(f"{run.folder} cannot be {what}: {error.strerror}.") from None
    try:
        yield
    finally:
        os.close(lock)


def _move(source: Path, target: Path, made: Path) -> None:
    """Move a run's folder; where that fails, the folder made for it goes."""
    try:
        if source.is_symlink() and target.is_dir():
            target.rmdir()
        source.rename(target)
    except OSError as error:
        made.rmdir()
        raise RunError(f"{source} cannot be moved: {error.strerror}.") from None


@dataclass(frozen=True)
class Deleted:
    """A run in the trash.

    Attributes:
        name: what it was called.
        folder: where it is now.
        deleted: when it was deleted, in seconds since 1970.
    """

    name: str
    folder: Path
    deleted: float


def delete(run: Run) -> Deleted:
    """Move a run to the trash of its folder of runs, from where it can be restored, and return it.

    Raises:
        RunError: where a worker is at the run, or the folder cannot be changed.
    """
    with _at_rest(run, "deleted"):
        folder = _absolute(run)
        entry = _new_entry(folder.parent)
        _move(folder, entry / folder.name, entry)
    return _deleted(entry / folder.name)


def _new_entry(parent: Path) -> Path:
    try:
        trash = _trash(parent, make=True)
        while True:
            entry = trash / str(time.time_ns())
            try:
                entry.mkdir()
                return entry
            except FileExistsError:
                continue
    except OSError as error:
        raise RunError(f"Nothing can be moved to {parent / TRASH}: {error.strerror}.") from None


def _trash(parent: Path, make: bool = False) -> Path:
    trash = Path(parent) / TRASH
    if make:
        trash.mkdir(exist_ok=True)
    if trash.is_symlink():
        raise RunError(f"{trash} is a link, and leads away from the runs. Remove it.")
    return trash


def deleted(parent: str | Path) -> list[Deleted]:
    """Return the runs in the trash of a folder of runs, those deleted last first.

    Raises:
        RunError: where the trash is a link.
    """
    found = []
    for entry in _entries(Path(parent)):
        try:
            found += [_deleted(entry / name) for name in os.listdir(entry)]
        except OSError:
            continue
    return sorted(found, key=lambda each: each.deleted, reverse=True)


def _entries(parent: Path) -> list[Path]:
    trash = _trash(parent)
    try:
        names = [name for name in os.listdir(trash) if name.isascii() and name.isdigit() and len(name) < 20]
    except OSError:
        return []
    return [trash / name for name in names if not (trash / name).is_symlink()]


def _deleted(folder: Path) -> Deleted:
    return Deleted(printable(folder.name), folder, int(folder.parent.name) / 1e9)


def restore(name: str, parent: str | Path, as_name: str | None = None) -> Run:
    """Move a run from the trash back among the runs and return it; of several of one name, the one deleted last.

    Args:
        name: what it was called.
        parent: the folder of runs.
        as_name: what it is to be called; None keeps the name.

    Raises:
        RunError: where there is none in the trash, the name is taken, or the folder cannot be changed.
    """
    parent, found = Path(parent), deleted(parent)
    chosen = next((each for each in found if each.name == name), None)
    if chosen is None:
        known = list(dict.fromkeys(each.name for each in found))
        listed = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "") if known else "nothing"
        raise RunError(f"There is no run {name!r} in {parent / TRASH} (it holds {listed}).{suggest(name, known)}")
    if as_name is not None:
        check_name(as_name)
    target = parent / (as_name or chosen.folder.name)
    _hold_name(target, ". Restore it with --as NAME.", f"{chosen.folder} cannot be restored")
    _move(chosen.folder, target, target)
    _remove_empty(chosen.folder.parent)
    return Run(target)


def _remove_empty(entry: Path) -> None:
    try:
        entry.rmdir()
    except OSError:
        # What else was put there is not ours to judge.
        return


def empty_trash(parent: str | Path) -> Iterator[Deleted]:
    """Remove every run in the trash for good, and yield each one when it is gone; links are removed, not followed.

    Raises:
        RunError: where one cannot be removed; those before it are gone.
    """
    for each in deleted(parent):
        try:
            if each.folder.is_symlink() or not each.folder.is_dir():
                each.folder.unlink()
            else:
                shutil.rmtree(each.folder)
        except FileNotFoundError:
            # Somebody else is at the same.
            continue
        except OSError as error:
            raise RunError(f"{each.folder} cannot be removed: {error.strerror} ({error.filename}).") from None
        _remove_empty(each.folder.parent)
        yield each


def usage(folder: str | Path) -> dict[str, int]:
    """Return how many bytes the files of a run have, for each of `KINDS`; links count as nothing."""
    found = dict.fromkeys(KINDS, 0)
    tables = {f"{table}.{ending}" for table in TABLES for ending in ("rows", "json")} | {"curve.rows"}
    kinds = {"log.txt": "log", "model.keras": "model", "checkpoints": "checkpoints", **dict.fromkeys(tables, "tables")}
    for name, size in _sizes(str(folder)):
        found[kinds.get(name, "other")] += size
    return found


def _sizes(folder: str) -> Iterator[tuple[str, int]]:
    """Yield each entry of a folder with the bytes of the files that it is or holds."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield entry.name, sum(size for _, size in _sizes(entry.path))
            elif not entry.is_symlink():
                yield entry.name, entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
