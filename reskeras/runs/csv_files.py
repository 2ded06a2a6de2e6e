"""What a run measured as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from reskeras.files import draft_of
from reskeras.runs import results
from reskeras.runs.folder import Run
from reskeras.runs.sheets import KINDS, Meter, Progress, Sheet, sheets, spans


def write_csv(run: Run, folder: str | Path, by: str = "layer", progress: Progress | None = None) -> list[Path]:
    """Write a run as CSV files, in the place of any of the same names.

        reskeras.runs.write_csv(reskeras.runs.open("runs/my-run"), "csv")

    A file for each statistic that was measured: `gradient_norm.layer.csv` of each layer, `gradient_norm.run.csv` of
    all together. A row for each window of steps: its first and last step, and three columns for each name, such as
    `dense least`, `dense median` and `dense largest`, equal where a window is one step. `curve.csv` has the points of
    the training curve, `epochs.csv` the results of the epochs. Numbers have as many digits as it takes to read the
    very same float32; `nan` is what was not measured, or is not a number.

    Args:
        run: the run, which may still be going on.
        folder: where to; made where it is missing.
        by: `"layer"`, `"weight"` or `"block"`: what has columns. Outputs of blocks have columns for blocks always.
        progress: called with the share that is done.

    Returns:
        The files.

    Raises:
        RunError: where nothing was measured yet, a table is damaged, or `by` is none of these.
        OSError: where a file cannot be written; no file is left half written, whatever happens.
    """
    folder, found = Path(folder), sheets(run, by)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    meter = Meter(progress, sum(len(spans(sheet.table)) for sheet in found))
    for sheet in found:
        written.append(folder / f"{sheet.statistic}.{sheet.group}.csv")
        _write_sheet(sheet, written[-1], meter)
    curve, epochs = run.curve(), results.epochs(run.events())
    if len(curve):
        written.append(folder / "curve.csv")
        _write(written[-1], curve.dtype.names, ([_text(each) for each in point] for point in curve))
    if epochs:
        written.append(folder / "epochs.csv")
        names = list(dict.fromkeys(("epoch", "step", *(name for each in epochs for name in results.metrics(each)))))
        _write(written[-1], names, ([_text(each.get(name)) for name in names] for each in epochs))
    return written


def _write_sheet(sheet: Sheet, path: Path, meter: Meter) -> None:
    names = sheet.table.header.groups[sheet.group]
    with draft_of(path) as draft, open(draft, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["first", "last", *(f"{name} {kind}" for name in names for kind in KINDS)])
        line = ",".join(["%d", "%d", *["%.9g"] * (3 * len(names))]) + "\r\n"
        for piece in sheet.pieces():
            values = np.stack([piece.least, piece.median, piece.largest], axis=2).reshape(len(piece.last), -1)
            for first, last, row in zip(piece.first.tolist(), piece.last.tolist(), values.tolist(), strict=True):
                file.write(line % (first, last, *row))
            meter.add(1)


def _write(path: Path, names: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    with draft_of(path) as draft, open(draft, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def _text(value: Any) -> str:
    if value is None:
        return "nan"
    return f"{float(value):.9g}" if isinstance(value, np.floating) else str(value)
