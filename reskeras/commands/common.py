"""What commands share: declared options as flags, groups of networks by name, JSON that every reader takes, errors."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import click

from reskeras import catalogue
from reskeras.architectures import Architecture, Preset
from reskeras.console import wrapped
from reskeras.options import Option, describe
from reskeras.runs import RUNS_FOLDER

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def fail(message: str, code: int) -> None:
    """Say in one paragraph what is wrong, and exit."""
    click.echo(wrapped(f"Error: {message}"), err=True)
    sys.exit(code)


def runs_option(command):
    """Add `--runs` to a command."""
    return click.option(
        "--runs",
        type=click.Path(path_type=Path),
        default=RUNS_FOLDER,
        show_default=True,
        metavar="DIR",
        help="Folder of runs.",
    )(command)


class NetworkGroup(click.Group):
    """A command for each family and preset of the catalogue, with options rendered from their declarations.

    Args:
        make: `(name, family, preset or None) -> command`.
        listed: the families that the help lists; all names of the catalogue are understood.
    """

    def __init__(
        self,
        *args,
        make: Callable[[str, Architecture, Preset | None], click.Command],
        listed: Iterable[str],
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self._make = make
        self._listed = list(listed)

    def list_commands(self, ctx):
        return self._listed

    def get_command(self, ctx, name):
        # A name that looks like a flag is none of ours: click tells what is wrong with it.
        return None if name.startswith("-") else self._make(name, *catalogue.find(name))


def network_options(family: Architecture, preset: Preset | None) -> list[Option]:
    """Return the options of a family; a preset's values are their defaults."""
    values = preset.options if preset else {}
    return [replace(option, default=values.get(option.name, option.default)) for option in describe(family.options)]


def network_summary(family: Architecture, preset: Preset | None) -> str:
    """Return what a network is, in a sentence or two."""
    size = f"{preset.parameters:,} parameters in the paper's setting: the options below make it. " if preset else ""
    return f"{size}{family.summary} ({family.paper})"


def option_parameter(option: Option) -> click.Option:
    """Return a declared option as a command-line option; values are checked with all others, not one by one here."""
    default = "" if option.default is None else f", default {option.default}"
    if option.kind == "flag":
        return click.Option(
            [f"{option.flag}/--no-{option.name.replace('_', '-')}", option.name], default=None, help=option.help
        )
    if option.kind == "choice":
        metavar = "|".join(option.choices)
        return click.Option([option.flag, option.name], metavar=metavar, help=f"{option.help} [{default.lstrip(', ')}]")
    metavar = {"integer": "N", "number": "X", "text": "TEXT"}[option.kind]
    return click.Option([option.flag, option.name], metavar=metavar, help=f"{option.help} [{option.allowed}{default}]")


def given(values: dict) -> dict:
    """Return the options that the user gave."""
    return {name: value for name, value in values.items() if value is not None}


def finite(summary: dict) -> dict:
    """Return a summary as JSON can say it: JSON has no NaN, so the loss of a run that diverged is null."""
    return {
        name: None if isinstance(fact, float) and not math.isfinite(fact) else fact for name, fact in summary.items()
    }
