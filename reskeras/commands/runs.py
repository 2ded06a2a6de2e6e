"""`reskeras runs`: the table of runs."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console

from reskeras.commands.common import CONTEXT, fail, finite, runs_option
from reskeras.console import print_runs
from reskeras.runs import Run, RunError, list_runs


@click.command(context_settings=CONTEXT)
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one record a run.")
def runs(runs: Path, as_json: bool):
    """List the runs, newest first.

    \b
    Examples:
      reskeras runs
      reskeras runs --json --runs /data/runs
    """
    if runs.exists() and not runs.is_dir():
        fail(f"{runs} is not a folder of runs. Name another one with --runs.", 2)
    summaries = [_summary(run) for run in list_runs(runs)]
    if as_json:
        click.echo(json.dumps([finite(summary) for summary in summaries]))
    elif not summaries:
        click.echo(f"No runs in {runs} yet. Start one with: reskeras train resnet")
    else:
        print_runs(summaries, Console())


def _summary(run: Run) -> dict:
    try:
        return run.summary()
    except RunError as error:
        return {"run": run.name, "state": "unreadable", "folder": str(run.folder), "reason": str(error)}
