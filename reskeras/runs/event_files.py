"""What a run measured as event files, which TensorBoard shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reskeras.files import draft_of
from reskeras.installed import ExtraMissing, how_to_install
from reskeras.runs import results
from reskeras.runs.folder import Run
from reskeras.runs.sheets import KINDS, Meter, Progress, Sheet, sheets, spans
from reskeras.runs.tables import Table


def write_tensorboard(run: Run, folder: str | Path, by: str = "layer", progress: Progress | None = None) -> list[Path]:
    """Write a run as event files, in the place of those of an earlier call: `tensorboard --logdir logs` shows them.

        reskeras.runs.write_tensorboard(reskeras.runs.open("runs/my-run"), "logs/my-run")

    TensorBoard shows the folders as runs. `least`, `median` and `largest` have a chart for each statistic and layer,
    such as `gradient_norm/dense`, each window at its last step: a spike is in `largest`, however long the window.
    `train` has loss and accuracy over time, and `train` and `validation` have the results of the epochs, such as
    `epoch_loss`, as Keras's own callback calls them. Times between the ends of epochs are interpolated.

    Args:
        run: the run, which may still be going on.
        folder: where to; made where it is missing.
        by: `"layer"`, `"weight"` or `"block"`: what has charts. Outputs of blocks have charts for blocks always.
        progress: called with the share that is done.

    Returns:
        The files.

    Raises:
        ExtraMissing: where tensorboardX is not installed.
        RunError: where nothing was measured yet, a table is damaged, or `by` is none of these.
        OSError: where a file cannot be written; no file is left half written, whatever happens.
    """
    _library()
    found = sheets(run, by)
    events, curve = run.events(), run.curve()
    epochs = results.epochs(events)
    clock = _Clock(events, epochs, curve)
    meter = Meter(progress, len(KINDS) * sum(table.count for table in _tables(found)))
    parts: dict[str, Iterable[tuple[int, dict[str, float]]]] = {
        **{kind: _windows(found, kind, meter) for kind in KINDS},
        "train": [*_points(curve), *_results(epochs, validation=False)],
        "validation": _results(epochs, validation=True),
    }
    written = []
    for name, content in parts.items():
        if content == []:
            continue
        written.append(Path(folder) / name / f"events.out.tfevents.{int(clock.begun):010d}.reskeras")
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        with _writer(written[-1], clock) as write:
            for step, values in content:
                write(step, values)
    return written


def _library() -> tuple[Any, Any, Any]:
    """Return what writes records, and the two kinds of message."""
    try:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX.record_writer import RecordWriter
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"Event files are written by tensorboardX, which is not installed. Install it with "
            f"{how_to_install('tensorboard')}",
            name=error.name,
        ) from error
    return RecordWriter, Event, Summary


class _Clock:
    """When a step was, in seconds since 1970: known at the beginning and at the end of each epoch, and between these
    on a straight line."""

    def __init__(self, events: list[dict[str, Any]], epochs: list[dict[str, Any]], curve: np.ndarray):
        begun = [event["time"] for event in events if event["event"] == "training" and "time" in event]
        known = [(0, begun[0] if begun else 0.0), *((event["step"], event["time"]) for event in epochs)]
        if len(curve) and int(curve["step"][-1]) > known[-1][0]:
            known.append((int(curve["step"][-1]), known[0][1] + float(curve["seconds"][-1])))
        self.begun = known[0][1]
        self._steps, self._times = np.array(known, float).T

    def at(self, step: int) -> float:
        """Return the time of a step."""
        return float(np.interp(step, self._steps, self._times))


@contextmanager
def _writer(path: Path, clock: _Clock) -> Iterator[Any]:
    """Give a function that takes a step and its values by their tags."""
    records, event, summary = _library()
    with draft_of(path) as draft:
        file = records(str(draft))
        file.write(event(wall_time=clock.begun, file_version="brain.Event:2").SerializeToString())

        def write(step: int, values: dict[str, float]) -> None:
            content = summary(value=[summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
            file.write(event(wall_time=clock.at(step), step=step, summary=content).SerializeToString())

        try:
            yield write
        finally:
            file.close()


def _tables(found: list[Sheet]) -> list[Table]:
    return list(dict.fromkeys(sheet.table for sheet in found))


def _windows(found: list[Sheet], kind: str, meter: Meter) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield each window's last step, and what was measured in it."""
    for table in _tables(found):
        of_table = [sheet for sheet in found if sheet.table is table]
        tags = [
            f"{each.statistic}/{name}" if len(table.header.groups) > 1 or each.group != "run" else each.statistic
            for each in of_table
            for name in table.header.groups[each.group]
        ]
        for start, stop in spans(table):
            pieces = [table.series(each.statistic, each.group, start, stop) for each in of_table]
            values = np.concatenate([getattr(piece, kind) for piece in pieces], axis=1)
            for step, row in zip(pieces[0].last.tolist(), values.tolist(), strict=True):
                yield step, dict(zip(tags, row, strict=True))
                meter.add(1)


def _points(curve: np.ndarray) -> list[tuple[int, dict[str, float]]]:
    """Return the points of the training curve."""
    return [
        (int(point["step"]), {name: float(point[name]) for name in ("loss", "accuracy") if np.isfinite(point[name])})
        for point in curve
    ]


def _results(epochs: list[dict[str, Any]], validation: bool) -> list[tuple[int, dict[str, float]]]:
    """Return the results of the epochs on training or on validation samples."""
    found = []
    for epoch in epochs:
        values = {
            f"epoch_{name.removeprefix('validation_')}": float(value)
            for name, value in results.metrics(epoch).items()
            if value is not None and name.startswith("validation_") == validation
        }
        found += [(int(epoch["step"]), values)] if values else []
    return found
