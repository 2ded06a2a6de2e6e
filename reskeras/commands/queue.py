"""`reskeras queue`: what waits for its turn, and who works through it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from reskeras.commands.common import CONTEXT, fail, runs_option
from reskeras.printable import printable, size
from reskeras.runs import RunError, listing, queue
from reskeras.runs.folder import Run


@click.command(name="queue", context_settings=CONTEXT)
@runs_option
@click.option("--start", is_flag=True, help="Work through what waits, after an interruption.")
@click.option("--at-once", type=click.IntRange(1), metavar="N", help="With --start: train so many at the same time.")
@click.option("--clear", is_flag=True, help="Have nothing wait any longer: waiting runs go to the trash.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def show_queue(runs: Path, start: bool, at_once: int | None, clear: bool, as_json: bool) -> None:
    """Show which runs wait for their turn, in order.

    One process works through the queue and ends with it; closing the terminal does not end it. Runs are started as
    cores and memory allow. What waits stays where that process is killed: --start goes on.

    \b
    Examples:
      reskeras train resnet --depth 56 --queue
      reskeras queue
      reskeras queue --start --at-once 2
      reskeras queue --clear
    """
    if at_once and not start:
        raise click.UsageError("--at-once goes with --start.")
    if clear and start:
        raise click.UsageError("Either --start or --clear.")
    if clear:
        _clear(runs)
        return
    waiting = queue.waiting(runs)
    if start and waiting:
        if at_once and queue.is_attended(runs):
            fail("The queue is being worked through already, and goes on as it began.", 2)
        queue.ensure(runs, at_once)
    attended = bool(waiting) and (start or queue.is_attended(runs))
    live = [Run(Path(folder)).name for folder in listing.live_folders(listing.folders(runs))]
    if as_json:
        facts = [{"run": each.name, "memory": queue.memory_of(each), "folder": str(each.folder)} for each in waiting]
        click.echo(json.dumps({"waiting": facts, "live": live, "attended": attended}))
        return
    for place, each in enumerate(waiting, 1):
        click.echo(f"{place:>4}  {each.name}  about {size(queue.memory_of(each))}")
    click.echo(f"{len(waiting):,} waiting, {len(live):,} being trained{': ' if live else ''}{', '.join(live)}")
    if waiting and not attended:
        click.echo(f"Nobody works through the queue. Go on with: reskeras queue --start --runs {printable(str(runs))}")


def _clear(runs: Path) -> None:
    from reskeras.runs import keeping

    cleared = 0
    for each in queue.waiting(runs):
        try:
            keeping.delete(each)
            cleared += 1
        except RunError as error:
            # It was started a moment ago, or cannot be moved: it is told, and the others go.
            click.echo(str(error), err=True)
    click.echo(f"{cleared:,} waiting runs were moved to the trash (reskeras runs --trash).")
