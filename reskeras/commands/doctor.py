"""`reskeras doctor`: what this machine has for training."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click
from rich.console import Console

from reskeras.commands.common import CONTEXT, runs_option
from reskeras.console import size
from reskeras.doctor import examine
from reskeras.installed import EXTRAS


@click.command(context_settings=CONTEXT)
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def doctor(runs: Path, as_json: bool):
    """Tell what this machine has for training: backends, versions, devices, and how to get what is missing.

    \b
    Examples:
      reskeras doctor
      reskeras doctor --json
    """
    console = Console(stderr=True)
    with console.status("Looking ...") as status:
        found = examine(runs, lambda what: status.update(f"Looking at {what} ..."))
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(_diagnosis(found))
    return 0 if any(backend.get("works") for backend in found["backends"].values()) else 2


def _diagnosis(found: dict) -> str:
    packages = "  ".join(f"{name} {version or 'missing'}" for name, version in found["packages"].items())
    lines = [f"python {found['python']}  {packages}", ""]
    for name, backend in found["backends"].items():
        if not backend["installed"]:
            lines.append(f"✘ {name:<11} not installed. Get it: {backend['install']}")
        elif not backend["works"]:
            lines.append(f"✘ {name:<11} does not work: {backend['reason']}")
        else:
            lines.append(f"✔ {name:<11} {backend['version']}")
            for device in backend["devices"]:
                memory = f", {size(device['memory'])}" if device["kind"] == "gpu" else ""
                lines.append(f"    {device['kind']}: {device['name']}{memory}")
            if "gpu" in backend:
                lines.append(f"    no GPU found. On a machine with one: {backend['gpu']}")
    for extra, (_, package) in EXTRAS.items():
        known = found[extra]
        told = package if known["installed"] else f"{package} is not installed. Get it: {known['install']}"
        lines.append(f"{'✔' if known['installed'] else '✘'} {extra:<12}{told}")
    folder = found["runs"]
    sign, can = ("✔", "writable") if folder["writable"] else ("✘", "cannot be written; name another with --runs")
    lines.append(f"{sign} runs        {folder['folder']}: {can}, {size(folder['free'])} free")
    return "\n".join([*lines, *_speeds(found["speeds"])])


def _speeds(found: dict) -> list[str]:
    if found["folder"] is None:
        return ["✘ speeds      the cache folder cannot be written; --backend auto measures anew each time"]
    lines = [f"✔ speeds      {found['folder']}: {found['kept']} kept for --backend auto; it may be deleted"]
    for architecture, steps in found["steps"].items():
        ranked = sorted(steps, key=lambda backend: steps[backend] or math.inf)
        told = (
            f"{backend} {1000 * steps[backend]:,.1f} ms" if steps[backend] else f"{backend} -" for backend in ranked
        )
        lines.append(f"    {architecture}, a step: {', '.join(told)}")
    return lines
