"""The command `reskeras-tui`."""

from __future__ import annotations

import gc
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from reskeras.runs import RUNS_FOLDER

EPILOG = """
\b
Examples:
  reskeras-tui                    design a run, or watch the one that is live
  reskeras-tui --runs ~/results   keep and find runs in another folder
  reskeras-tui --no-warm          import nothing before a run is started
  reskeras-tui demo               play recorded runs: no backend is needed
  reskeras-tui config             what can be set, and in which file
"""

CONTEXT = {"help_option_names": ["-h", "--help"]}


@click.group(epilog=EPILOG, context_settings=CONTEXT, invoke_without_command=True)
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=RUNS_FOLDER,
    show_default=True,
    help="The folder of runs.",
)
@click.option(
    "--warm/--no-warm",
    default=True,
    show_default=True,
    help="Keep one worker ready while a run is designed: it starts at once, and takes 0.3 to 1 GB of memory.",
)
@click.version_option(package_name="reskeras", prog_name="reskeras-tui")
@click.pass_context
def main(context: click.Context, runs: Path, warm: bool) -> None:
    """Design networks, start their training and watch every layer's gradient, in the terminal.

    A run that is live is opened at once. Closing the program never ends a run.
    """
    if context.invoked_subcommand is None:
        _need_terminal("To train without one: reskeras train")
        open_app(runs, warm=warm)


def open_app(runs: Path, **arguments: Any) -> None:
    """Open the terminal UI as the user prefers it, and return when it is left.

    Args:
        runs: the folder of runs.
        arguments: as `ReskerasApp` takes them.

    Raises:
        click.UsageError: where the file of preferences says something that is not known.
    """
    from .app import ReskerasApp
    from .preferences import load

    try:
        app = ReskerasApp(runs, preferences=load(), when_open=collect_seldom, **arguments)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    app.run()


def collect_seldom() -> None:
    """Have Python look for garbage among all objects once in 600,000 new ones, and not among what was imported.

    Each look goes through all objects, hundreds of thousands, while no key is answered: that is most of what a key, or
    the opening of a run, waits for at the longest.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 2)


@main.command(context_settings=CONTEXT)
@click.option("--write", is_flag=True, help="Write it, where there is none yet.")
def config(write: bool) -> None:
    """Show where preferences are read from, and a file with all that can be set: theme, glyphs, refresh rate, keys."""
    from . import keymap, preferences
    from .app import named_classes

    known = keymap.actions(named_classes())
    text = preferences.example(
        {name: (",".join(each.key for each in found), found[0].description) for name, found in known.items()}
    )
    file = preferences.path()
    if not write:
        hint = "" if file.exists() else " (not there yet: reskeras-tui config --write)"
        click.echo(f"# {file}{hint}\n{text}", nl=False)
        return
    if file.exists():
        raise click.UsageError(f"{file} is there already.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None
    click.echo(f"written: {file}")


@main.command(context_settings=CONTEXT)
def demo() -> None:
    """Play two recorded trainings side by side: ResNet-56, and the same network without its skips.

    Nothing is computed, and no backend is needed. Space plays and pauses, comma and full stop go back and forwards, +
    and - change the speed, 5 and enter open one of the runs alone, ? lists all keys.
    """
    _need_terminal("The README has pictures of it")
    from .demo import unpack

    with tempfile.TemporaryDirectory(prefix="reskeras-demo-") as folder:
        try:
            recorded = unpack(Path(folder))
        except OSError as error:
            raise click.ClickException(f"The recorded runs cannot be written to {folder}: {error.strerror}.") from None
        open_app(Path(folder), compared=recorded, replay=True)


def _need_terminal(otherwise: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError(f"reskeras-tui draws on a terminal, and there is none. {otherwise}")
