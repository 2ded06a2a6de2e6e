"""`reskeras export`: what a run measured, in files for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from reskeras.commands.common import CONTEXT, Bar, runs_option
from reskeras.runs import find, write_csv, write_tensorboard
from reskeras.runs.sheets import BY

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
            with Bar(f"writing {folder}") as bar:
                written = write(found, folder, by, bar.show)
            click.echo(f"{len(written)} files in {folder}")
