"""Commands with a command below them for each network, and declared options as flags."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import click

from reskeras import catalogue
from reskeras.architectures import Architecture, Preset
from reskeras.options import Option, describe


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
