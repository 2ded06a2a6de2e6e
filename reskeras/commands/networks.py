"""`reskeras list`: the families of networks, and the networks of papers by name."""

from __future__ import annotations

import json
from typing import Any

import click

from reskeras import catalogue
from reskeras.architectures import Architecture, Preset
from reskeras.commands.common import CONTEXT
from reskeras.installed import has_extra, how_to_install
from reskeras.request import default_data
from reskeras.tasks import TASKS


@click.command(name="list", context_settings=CONTEXT)
@click.argument("name", required=False)
@click.option("--task", type=click.Choice(TASKS), help="Only networks whose outputs are such.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object with the lists families and presets.")
def list_networks(name: str | None, task: str | None, as_json: bool):
    """List the families of networks and their presets, the networks of papers by name.

    With NAME, only that family, or that preset's. Each preset's row gives the numbers it trains, what the paper
    prints, and the paper's samples and classes (of a language model: its context and vocabulary).

    \b
    Examples:
      reskeras list
      reskeras list densenet
      reskeras list --task language --json
    """
    chosen = [catalogue.find(name)[0]] if name else catalogue.ARCHITECTURES.values()
    families = [family for family in chosen if task in (None, family.task)]
    if as_json:
        presets = [_preset(family, preset) for family in families for preset in family.presets]
        click.echo(json.dumps({"families": [_family(family) for family in families], "presets": presets}))
        return
    click.echo("\n\n".join(_text(family) for family in families) or f"No family here has the task {task}.")


def _family(family: Architecture) -> dict[str, Any]:
    return {
        "name": family.name,
        "summary": family.summary,
        "source": family.paper,
        "takes": list(family.inputs),
        "task": family.task,
        "data": default_data(family),
        "presets": [preset.name for preset in family.presets],
        "extra": family.extra or None,
    }


def _preset(family: Architecture, preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "family": family.name,
        "task": family.task,
        "parameters": preset.parameters,
        "paper": preset.paper,
        "input_shape": list(preset.input_shape),
        "classes": preset.classes,
        "options": dict(preset.options),
        "source": family.paper,
    }


def _text(family: Architecture) -> str:
    head = f"{family.name}  {family.summary}\n  {' or '.join(family.inputs)} to {family.task}; {family.paper}"
    if family.extra and not has_extra(family.extra):
        head += f"\n  not installed: {how_to_install(family.extra)}"
    rows = [
        (
            preset.name,
            f"{preset.parameters:,}",
            f"paper: {preset.paper}" if preset.paper else "",
            "x".join(map(str, preset.input_shape)),
            f"{preset.classes:,} classes" if family.task == "classes" else f"{preset.classes:,}",
        )
        for preset in family.presets
    ]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"  {name:<{wide[0]}}  {count:>{wide[1]}}  {paper:<{wide[2]}}  {shape:<{wide[3]}}  {classes:>{wide[4]}}"
        for name, count, paper, shape, classes in rows
    ]
    return "\n".join([head, *lines])
