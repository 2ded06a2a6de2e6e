"""`reskeras report`: one run, or several side by side, as an HTML file or as charts."""

from __future__ import annotations

from pathlib import Path

import click

from reskeras.commands.common import CONTEXT, runs_option
from reskeras.report import write_charts, write_html
from reskeras.runs import find


@click.command(context_settings=CONTEXT)
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@runs_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The HTML file. [default: the first run's name, with .html, here]",
)
@click.option(
    "--svg", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER", help="Write SVG charts there instead."
)
def report(names: tuple[str, ...], runs: Path, out: Path | None, svg: Path | None) -> None:
    """Write a report of a run, or of up to eight side by side: verdicts, results, charts, settings.

    The HTML file holds everything and needs no network. RUN is a run's name, as in reskeras runs, or its folder; it may
    still be going on. A file of the same name is replaced.

    \b
    Examples:
      reskeras report resnet-56-add-digits-1
      reskeras report plain-56 resnet-56 --out comparison.html
      reskeras report resnet-56 --svg charts
    """
    if out is not None and svg is not None:
        raise click.UsageError("--out and --svg exclude each other.")
    found = [find(name, runs) for name in names]
    if svg is not None:
        click.echo(f"{len(write_charts(found, svg))} charts in {svg}")
        return
    click.echo(f"report: {write_html(found, out or Path(f'{found[0].name}.html'))}")
