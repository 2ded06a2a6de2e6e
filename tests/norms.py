"""A table of weights with made-up gradient norms, written as a training writes it."""

from __future__ import annotations

import numpy as np

from reskeras.runs.statistics import OF_WEIGHTS
from reskeras.runs.tables import Header, TableWriter, header


def weights_header(weights: list[tuple[str, str]], shape=(3, 3)) -> Header:
    """Return the header for weights, each a path and the name of its block; a layer is a path without its end."""
    table = [
        {"path": p, "layer": p.rsplit("/", 1)[0].replace("/", "_"), "block": b, "shape": shape} for p, b in weights
    ]
    groups = {"weight": tuple(path for path, _ in weights), "run": ("all",)}
    columns, width = {"weight": tuple(range(len(weights)))}, len(weights)
    for by in ("layer", "block"):
        groups[by] = tuple(dict.fromkeys(each[by] for each in table))
        columns[by] = tuple(range(width, width + len(groups[by])))
        width += len(groups[by])
    columns["run"] = (width,)
    return header([each.name for each in OF_WEIGHTS], groups, columns, weights=table)


def write_norms(writer: TableWriter, steps, norms, ratio: float | None = None) -> None:
    """Append gradient norms of steps, (T, weights), and those of their layers, blocks and the whole.

    With a `ratio`, the other norms of each column follow: weights of norm 1 that are changed by so much of it.
    """
    known = writer.header
    norms = np.asarray(norms, np.float64)
    columns = np.zeros((len(norms), known.width))
    columns[:, : norms.shape[1]] = norms
    for by in ("layer", "block", "run"):
        names = ["all" if by == "run" else each[by] for each in known.facts["weights"]]
        for name, column in zip(known.groups[by], known.columns[by], strict=True):
            members = [place for place, each in enumerate(names) if each == name]
            columns[:, column] = np.sqrt(np.square(norms[:, members]).sum(1))
    values = np.full((len(norms), len(known.statistics), known.width), np.nan, np.float32)
    values[:, known.statistics.index("gradient_norm")] = columns
    if ratio is not None:
        for name, value in {"update_ratio": ratio, "weight_norm": 1.0, "nan_count": 0.0, "inf_count": 0.0}.items():
            values[:, known.statistics.index(name)] = value
    writer.add(np.asarray(steps), values)
