"""Classes by the names that a file has for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from reskeras.datasets.dataset import DataError

MOST = 100_000
FEW = 50
"""So many classes are never too many for the samples that there are."""

LABEL_NAMES = ("label", "class", "target", "y", "category", "labels")
"""What a column of labels may be called."""

PLAIN_NAMES = tuple(name for name in LABEL_NAMES if name != "y")
"""Those that are hardly labels themselves: yes and no are often y and n."""


def names(labels: Sequence[str], path: Path, what: str = "labels") -> tuple[str, ...]:
    """Return the different labels, numbers in their order, texts in that of their signs.

    Raises:
        DataError: where they are fewer than two, or hardly a label comes twice.
    """
    found = set(labels)
    if len(found) < 2:
        only = f"only the label {next(iter(found))!r}" if found else "no label"
        raise DataError(f"{path} holds {only}; at least 2 classes are needed.")
    if len(found) > MOST or (len(found) > FEW and 2 * len(found) > len(labels)):
        raise DataError(
            f"{path} holds {len(found):,} different {what} in {len(labels):,} samples, so they are no classes. Is the "
            "label in another column? Name it with --label."
        )
    whole = all(re.fullmatch(r"[+-]?\d{1,18}", each) for each in found)
    return tuple(sorted(found, key=lambda each: (int(each), each)) if whole else sorted(found))


def check_known(labels: Sequence[str], known: Sequence[str], path: Path, lines: Sequence[int] | None = None) -> None:
    """Raise DataError for the first label of the test that is not trained on.

    Args:
        labels: of the test's samples.
        known: those that are trained on.
        path: of the test's file.
        lines: the line of each sample; None where there are no lines.
    """
    wanted = set(known)
    for place, label in enumerate(labels):
        if label not in wanted:
            where = f": line {lines[place]:,}" if lines is not None else ""
            shown = ", ".join(known[:8]) + (" ..." if len(known) > 8 else "")
            raise DataError(f"{path}{where} holds the label {label!r}, which is not trained on (there: {shown}).")
