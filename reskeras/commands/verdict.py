"""`reskeras verdict`: what is wrong with a run, or that it is healthy."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from reskeras import verdicts
from reskeras.commands.common import CONTEXT, finite, runs_option
from reskeras.runs import find
from reskeras.verdicts import Verdict
from reskeras.verdicts.recorded import LEAST_STEPS

NOTHING = f"Nothing can be said yet: gradients of {LEAST_STEPS} steps at least are needed."


@click.command(context_settings=CONTEXT)
@click.argument("run", metavar="RUN")
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one record a verdict, worst first.")
def verdict(run: str, runs: Path, as_json: bool):
    """Say from the numbers of a run what is wrong with its training, or that it is healthy.

    RUN is a run's name, as in reskeras runs, or its folder. Works on runs that go on, too.

    \b
    Examples:
      reskeras verdict resnet-20-add-digits-1
      reskeras verdict runs/my-run --json
    """
    found = verdicts.of(find(run, runs))
    if as_json:
        click.echo(json.dumps(records(found)))
    else:
        click.echo("\n".join(lines(found)) or NOTHING)


def records(found: list[Verdict]) -> list[dict[str, Any]]:
    """Return verdicts as plain JSON values."""
    return [{**asdict(each), "symbol": each.symbol, "numbers": finite(each.numbers)} for each in found]


def lines(found: list[Verdict]) -> list[str]:
    """Return a line for each verdict."""
    return [f"{each.symbol} {each.kind}: {each.text}" for each in found]
