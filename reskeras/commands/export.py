"""`reskeras export`: what a run measured, in files for other programs."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from reskeras.commands.common import CONTEXT, runs_option
from reskeras.runs import find, write_csv, write_tensorboard
from reskeras.runs.sheets import BY

PATIENCE = 2.0
"""Seconds after which a person wants to see how far it is."""

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(context_settings=CONTEXT)
@click.argument("run", metavar="RUN")
@runs_option
@click.option("--csv", type=FOLDER, metavar="FOLDER", help="Write CSV files, one a statistic, into this folder.")
@click.option("--tensorboard", type=FOLDER, metavar="FOLDER", help="Write TensorBoard's event files into this folder.")
@click.option("--by", type=click.Choice(BY), default="layer", show_default=True, help="What has a column or a chart.")
def export(run: str, runs: Path, csv: Path | None, tensorboard: Path | None, by: str) -> None:
    """Write what a run measured as CSV files, or for TensorBoard.

    RUN is a run's folder, or a run's name in the folder of runs; it may still be going on. Files of an earlier export
    are replaced, each as a whole.

    \b
    Examples:
      reskeras export runs/my-run --csv my-run-csv
      reskeras export my-run --tensorboard logs/my-run --by weight
    """
    if csv is None and tensorboard is None:
        raise click.UsageError("Say what to write: --csv FOLDER, --tensorboard FOLDER, or both.")
    found = find(run, runs)
    for write, folder in ((write_csv, csv), (write_tensorboard, tensorboard)):
        if folder is not None:
            with _Bar(f"writing {folder}") as bar:
                written = write(found, folder, by, bar.show)
            click.echo(f"{len(written)} files in {folder}")


class _Bar:
    """A progress bar that comes up after `PATIENCE`, on standard error and on a terminal only."""

    def __init__(self, title: str):
        self._progress = Progress(console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(title, total=1.0)
        self._begun = time.monotonic()

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_) -> None:
        if self._progress.live.is_started:
            self._progress.stop()

    def show(self, share: float) -> None:
        """Show which share is done."""
        if not self._progress.live.is_started and time.monotonic() - self._begun > PATIENCE:
            self._progress.start()
        self._progress.update(self._task, completed=share)
