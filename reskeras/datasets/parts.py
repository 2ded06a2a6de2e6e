"""What is trained and what is tested on: files that lie beside one another and say so, else a share of the samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reskeras.datasets.dataset import DataError

TRAIN = ("train", "training")
TEST = ("test", "testing", "eval")
ASIDE = ("dev", "val", "valid", "validation")

_PART = re.compile(rf"(?<![a-z])({'|'.join((*TRAIN, *TEST, *ASIDE))})(?![a-z])", re.IGNORECASE)

LITTER = ("Thumbs.db", "desktop.ini", "__MACOSX")
"""What other systems leave in folders and archives."""

_SEED = 2020
"""A constant, so that scores of different runs compare."""


@dataclass(frozen=True)
class Parts:
    """The files, or folders, of a data set.

    Attributes:
        train: what is trained on, and tested where there is no `test`.
        test: what is tested on, or None.
        notes: sentences that say what was taken for what.
    """

    train: Path
    test: Path | None = None
    notes: tuple[str, ...] = ()


def beside(path: Path) -> Parts:
    """Return a file with the one beside it that is for the test by its name.

    `reviews_train.tsv` goes with `reviews_test.tsv`, or, where there is none, with `reviews_dev.tsv`; so does
    `train.tsv` with `test.tsv`, `corpus_train.en` with `corpus_test_2016.en`, and `reviews.tsv` with
    `reviews_test.tsv`. A file that is itself for the test goes with none.
    """
    found = list(_PART.finditer(path.name))
    part = found[-1] if found else None
    own = part[1].lower() if part else ""
    if own in TEST:
        return Parts(path)
    stem, suffix = _cut(path.name, part)
    names = _names(path.parent)
    tests = _like(names, stem, suffix, TEST, path.name)
    aside = [name for name in _like(names, stem, suffix, ASIDE, path.name)] if own not in ASIDE else []
    if not tests and not aside:
        return Parts(path)
    test, *left = [*tests, *aside]
    notes = [f"Trained on {path.name}, tested on {test}, which lies beside it."]
    if left:
        notes.append(f"Not used: {', '.join(left[:4])}{' ...' if len(left) > 4 else ''}.")
    return Parts(path, path.parent / test, tuple(notes))


def _cut(name: str, part: re.Match | None) -> tuple[str, str]:
    """Return what a name has before the word for its part and behind it."""
    if part:
        return name[: part.start()], name[part.end() :]
    stem, dot, suffix = name.partition(".")
    return stem, dot + suffix


def _like(names: Sequence[str], stem: str, suffix: str, parts: Sequence[str], own: str) -> list[str]:
    """Return the names for a part, the shortest first: it is nearest to `<stem><part><suffix>`."""
    between = "[-_.]?" if stem and stem[-1].isalnum() else ""
    wanted = re.compile(
        rf"{re.escape(stem)}{between}(?:{'|'.join(parts)})(?:[-_.][\w-]*)?{re.escape(suffix)}", re.IGNORECASE
    )
    fitting = [name for name in names if name != own and wanted.fullmatch(name)]
    return sorted(fitting, key=lambda name: (len(name), name))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir() if each.is_file())
    except OSError:
        return []


def folders(path: Path) -> Parts | None:
    """Return the folders `train` and `test` of a folder; None where it has no `train`."""
    inside = {each.name.lower(): each for each in children(path) if each.is_dir()}
    train = next((inside[name] for name in TRAIN if name in inside), None)
    if train is None:
        return None
    tests = [inside[name] for name in (*TEST, *ASIDE) if name in inside]
    if not tests:
        return Parts(train, None, (f"Of {path.name}, {train.name} alone was taken.",))
    notes = [f"Trained on {train.name}, tested on {tests[0].name}."]
    if len(tests) > 1:
        notes.append(f"Not used: {', '.join(each.name for each in tests[1:])}.")
    return Parts(train, tests[0], tuple(notes))


def children(path: Path) -> list[Path]:
    """Return what lies in a folder, in the order of the names, without what is hidden.

    Raises:
        DataError: where it cannot be read.
    """
    try:
        return sorted(each for each in path.iterdir() if not each.name.startswith(".") and each.name not in LITTER)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def divided(groups: Sequence[int] | np.ndarray, share: float, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return which samples are trained on and which are tested on, each in their order.

    Args:
        groups: a group's number for each sample, such as its class: of every group the same share is for the test, and
            a sample that is alone in its group is trained on.
        share: of the samples, for the test.
        path: of the file, for the message.

    Raises:
        DataError: where there are fewer than two samples.
    """
    groups = np.asarray(groups)
    if len(groups) < 2:
        raise DataError(f"{path} has {len(groups)} sample{'s' * (len(groups) != 1)}; at least 2 are needed.")
    draw = np.random.default_rng(_SEED)
    order = draw.permutation(len(groups))
    order = order[np.argsort(groups[order], kind="stable")]
    kinds, sizes = np.unique(groups, return_counts=True)
    tested = np.zeros(len(groups), bool)
    start = 0
    for size in sizes:
        tested[order[start : start + min(round(share * size), size - 1)]] = True
        start += size
    if not tested.any():
        # Groups so small that none has a share: one sample of the largest, or any.
        largest = np.flatnonzero(groups == kinds[sizes.argmax()])
        tested[draw.choice(largest)] = True
    return np.flatnonzero(~tested), np.flatnonzero(tested)
