"""Following a worker from the shell to the end of its run, and saying how that ended."""

from __future__ import annotations

import json
import subprocess

import click
from rich.console import Console

from reskeras import verdicts
from reskeras.commands.common import fail, finite
from reskeras.commands.verdict import lines, records
from reskeras.console import Follower
from reskeras.runs import Run, RunError


def follow(run: Run, process: subprocess.Popen, console: Console, detach: bool, as_json: bool, known: int = 0) -> int:
    """Show a run until its worker has ended and return the exit code, or 0 at once where it goes on by itself.

    Args:
        run: the run.
        process: its worker.
        console: where progress is shown.
        detach: whether to return at once.
        as_json: whether to print the outcome as JSON.
        known: how many of the run's events are from before this worker.
    """
    if detach:
        hint = f"Training goes on by itself. Follow it with: reskeras-tui --runs {run.folder.parent}"
        console.print(hint, highlight=False, markup=False)
        if as_json:
            click.echo(json.dumps(finite(run.summary())))
        return 0
    code = Follower(run, process, console, known).follow()
    if not run.folder.is_dir():
        fail(f"The folder {run.folder} vanished while its run was trained, and with it what was measured.", 1)
    summary, found = run.summary(), _verdicts(run)
    for line in lines(found):
        console.print(line, highlight=False, markup=False)
    if as_json:
        click.echo(json.dumps({**finite(summary), "verdicts": records(found)}))
    if summary["state"] == "finished" or (summary["state"] == "stopped" and not code):
        if summary["state"] == "finished" and summary["reason"]:
            console.print(summary["reason"], highlight=False, markup=False)
        console.print(f"{summary['state']}: {run.model_path}", highlight=False, markup=False)
        return 0
    reason = summary["reason"] or "The worker ended without a word."
    if summary["checkpoint"] is not None and summary["state"] in ("resumable", "stopped"):
        reason += f" Go on after step {summary['checkpoint']:,} with: reskeras resume {run.folder}"
    fail(f"{summary['state']}: {reason} Log: {run.log_path}", code if code in (1, 2) else 1)
    return 1


def _verdicts(run: Run) -> list[verdicts.Verdict]:
    try:
        return verdicts.of(run)
    except RunError:
        # How the training ended is told all the same.
        return []
