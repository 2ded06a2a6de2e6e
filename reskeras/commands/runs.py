"""`reskeras runs`: the table of runs, of what is in the trash, and of what the disk is used for."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from reskeras.commands.common import CONTEXT, Bar, fail, finite, runs_option
from reskeras.run_table import SYMBOLS, cell_lines, deleted_lines, runs_lines, usage_lines
from reskeras.runs import keeping, listing
from reskeras.runs.cells import cells, write_cells
from reskeras.runs.listing import Wanted, ordered, records
from reskeras.suggestions import suggest

ON_A_SCREEN = 100
"""Runs that a table on a terminal has when nobody says how many."""

REASONS = 3
"""Of so many runs that cannot be read the reason is told."""


@click.command(context_settings=CONTEXT)
@runs_option
@click.option("--state", "states", type=click.Choice(list(SYMBOLS)), multiple=True, help="Only runs in this state.")
@click.option("--architecture", metavar="NAME", help="Only runs of this architecture.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="Only runs with this tag; several must all be there.")
@click.option("--name", "text", metavar="TEXT", default="", help="Only runs with this text in their name.")
@click.option(
    "--sort", type=click.Choice(listing.SORTS), default="made", show_default=True, help="What to sort by, best first."
)
@click.option("--reverse", is_flag=True, help="The other way round.")
@click.option("--limit", type=click.IntRange(0), metavar="N", help="At most so many; on a terminal 100, 0 for all.")
@click.option("--usage", is_flag=True, help="Show how much of the disk each run takes, by what.")
@click.option("--cells", "by_cell", is_flag=True, help="Show mean and deviation over runs that differ in seed alone.")
@click.option(
    "--csv", "csv_path", type=click.Path(path_type=Path, dir_okay=False), help="With --cells: write them here."
)
@click.option("--trash", is_flag=True, help="Show the runs that were deleted and can be restored.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one record a run.")
def runs(runs: Path, states, architecture, tags, text, sort, reverse, limit, usage, by_cell, csv_path, trash, as_json):
    """List the runs, newest first.

    \b
    Examples:
      reskeras runs
      reskeras runs --state finished --architecture resnet --sort test_accuracy --limit 10
      reskeras runs --tag paper --name 56
      reskeras runs --usage
      reskeras runs --json --runs /data/runs
    """
    if runs.exists() and not runs.is_dir():
        fail(f"{runs} is not a folder of runs. Name another one with --runs.", 2)
    if trash:
        _list_trash(runs, as_json)
        return
    with Bar(f"reading {runs}") as bar:
        known = records(runs, bar.show)
    chosen = ordered(filter(Wanted(states, architecture, tags, text), known), sort, reverse)
    most = ON_A_SCREEN if limit is None and sys.stdout.isatty() and not as_json else limit or len(chosen)
    shown = chosen[:most]
    if csv_path and not by_cell:
        raise click.UsageError("--csv goes with --cells.")
    if by_cell:
        _show_cells(chosen, csv_path, as_json)
        return
    if usage:
        with Bar("measuring") as bar:
            _measure(shown, bar)
    if as_json:
        click.echo(json.dumps([finite(each) for each in shown]))
    elif not known:
        click.echo(f"No runs in {runs} yet. Start one with: reskeras train resnet")
    elif not chosen:
        click.echo(f"None of the {len(known):,} runs in {runs} is such a run.{_hint(known, architecture, tags)}")
    else:
        _print(usage_lines if usage else runs_lines, shown)
        _tell_rest(shown, len(chosen))


def _show_cells(chosen: list[dict[str, Any]], path: Path | None, as_json: bool) -> None:
    # As they were made: the first of a sweep is the first of the table.
    found = cells(reversed(chosen))
    if path:
        write_cells(found, path)
        click.echo(f"{len(found)} cells in {path}", err=True)
    if as_json:
        click.echo(json.dumps([vars(cell) for cell in found]))
    elif not found:
        click.echo("There is no such run.")
    else:
        _print(cell_lines, found)


def _list_trash(runs: Path, as_json: bool) -> None:
    found = keeping.deleted(runs)
    if as_json:
        facts = [{"run": each.name, "deleted": each.deleted, "folder": str(each.folder)} for each in found]
        click.echo(json.dumps(facts))
    elif not found:
        click.echo(f"Nothing was deleted from {runs}.")
    else:
        _print(deleted_lines, found)


def _print(lines: Callable[[list, int | None], list[str]], rows: list) -> None:
    on_terminal = sys.stdout.isatty()
    heading, *rest = lines(rows, shutil.get_terminal_size().columns if on_terminal else None)
    click.echo("\n".join([click.style(heading, bold=True), *rest]))


def _measure(shown: list[dict[str, Any]], bar: Bar) -> None:
    for number, each in enumerate(shown):
        each["bytes"] = keeping.usage(each["folder"])
        bar.show(number / len(shown))


def _hint(known: list[dict[str, Any]], architecture: str | None, tags: tuple[str, ...]) -> str:
    """Return what is nearest to an architecture or a tag that no run has."""
    hints = ""
    if architecture is not None:
        hints += suggest(architecture, {str(each.get("architecture")) for each in known} - {architecture})
    there = {tag for each in known for tag in each.get("tags", ())}
    return hints + "".join(suggest(tag, there) for tag in tags if tag not in there)


def _tell_rest(shown: list[dict[str, Any]], total: int) -> None:
    """Say what the table leaves out, and why some runs cannot be read."""
    unreadable = [each for each in shown if each["state"] == "unreadable"]
    for each in unreadable[:REASONS]:
        click.echo(f"{each['run']} cannot be read: {each['reason']}", err=True)
    if len(unreadable) > REASONS:
        click.echo(f"{len(unreadable) - REASONS:,} more: reskeras runs --state unreadable --json", err=True)
    if len(shown) < total:
        click.echo(f"{total - len(shown):,} more of {total:,}; --limit 0 shows all.", err=True)
