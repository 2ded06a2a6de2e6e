"""`reskeras rename`, `tag`, `untag`, `note`, `delete`, `restore` and `empty-trash`: order among runs."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from reskeras.commands.common import CONTEXT, Bar, fail, runs_option
from reskeras.runs import find, keeping, labels
from reskeras.runs.labels import Labels

RUN = click.argument("run", metavar="RUN")
TAGS = click.argument("tags", metavar="TAG...", nargs=-1, required=True)


@click.command(context_settings=CONTEXT)
@RUN
@click.argument("name", metavar="NAME")
@runs_option
def rename(run: str, name: str, runs: Path) -> None:
    """Give a run another name. A run that is being trained keeps its name until its end.

    \b
    Examples:
      reskeras rename resnet-20-add-digits-1 baseline
    """
    click.echo(f"renamed: {keeping.rename(find(run, runs), name).folder}")


@click.command(context_settings=CONTEXT)
@RUN
@TAGS
@runs_option
def tag(run: str, tags: tuple[str, ...], runs: Path) -> None:
    """Add tags to a run, by which reskeras runs --tag finds it.

    \b
    Examples:
      reskeras tag resnet-56-add-digits-1 paper best
    """
    _tell(run, labels.tag(find(run, runs), *tags))


@click.command(context_settings=CONTEXT)
@RUN
@TAGS
@runs_option
def untag(run: str, tags: tuple[str, ...], runs: Path) -> None:
    """Take tags from a run.

    \b
    Examples:
      reskeras untag resnet-56-add-digits-1 best
    """
    _tell(run, labels.untag(find(run, runs), *tags))


def _tell(run: str, labelled: Labels) -> None:
    click.echo(f"{run}: {', '.join(labelled.tags) or 'no tags'}")


@click.command(context_settings=CONTEXT)
@RUN
@click.argument("text", metavar="[TEXT]", required=False)
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print the note and the tags as a JSON object.")
def note(run: str, text: str | None, runs: Path, as_json: bool) -> None:
    """Show the note of a run, or write another one; an empty text takes it away.

    \b
    Examples:
      reskeras note baseline "warm-up too short, see epoch 3"
      reskeras note baseline
      reskeras note baseline ""
    """
    found = find(run, runs)
    labelled = labels.read(found.folder) if text is None else labels.note(found, text)
    if as_json:
        click.echo(json.dumps({"run": found.name, "note": labelled.note, "tags": list(labelled.tags)}))
    else:
        click.echo(labelled.note or f"{found.name} has no note.")


@click.command(context_settings=CONTEXT)
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@runs_option
def delete(names: tuple[str, ...], runs: Path) -> None:
    """Move runs to the trash, from where they can be restored.

    A run that is being trained is not deleted. The disk has its room again after reskeras empty-trash.

    \b
    Examples:
      reskeras delete resnet-20-add-digits-1
      reskeras runs --state crashed --json | jq -r '.[].run' | xargs reskeras delete
    """
    # All are looked up first: of a list with a slip in it, nothing is deleted.
    for run in [find(name, runs) for name in names]:
        gone = keeping.delete(run)
        place = gone.folder.parents[2]
        where = "" if place == Path("saved_models").absolute() else f" --runs {shlex.quote(str(place))}"
        click.echo(f"deleted: {gone.name} (reskeras restore {shlex.quote(gone.name)}{where} brings it back)")


@click.command(context_settings=CONTEXT)
@click.argument("name", metavar="RUN")
@runs_option
@click.option("--as", "as_name", metavar="NAME", help="What to call it, where its name is taken.")
def restore(name: str, runs: Path, as_name: str | None) -> None:
    """Bring a deleted run back; of several of one name, the one deleted last.

    \b
    Examples:
      reskeras runs --trash
      reskeras restore resnet-20-add-digits-1
      reskeras restore resnet-20-add-digits-1 --as older
    """
    click.echo(f"restored: {keeping.restore(name, runs, as_name).folder}")


@click.command(name="empty-trash", context_settings=CONTEXT)
@runs_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def empty_trash(runs: Path, yes: bool) -> None:
    """Remove the deleted runs for good.

    \b
    Examples:
      reskeras empty-trash
      reskeras empty-trash --yes --runs ~/results
    """
    found = keeping.deleted(runs)
    if not found:
        click.echo(f"Nothing was deleted from {runs}.")
        return
    what = f"{len(found):,} deleted run{'s' if len(found) > 1 else ''} in {runs / keeping.TRASH}"
    if not yes:
        if not sys.stdin.isatty():
            fail(f"{what} would be gone for good, and there is no terminal to ask on. Say --yes.", 2)
        click.confirm(f"Remove {what} for good?", abort=True)
    with Bar("removing") as bar:
        for number, _ in enumerate(keeping.empty_trash(runs), 1):
            bar.show(number / len(found))
    click.echo(f"removed: {what}")
