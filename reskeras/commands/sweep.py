"""`reskeras sweep`: a run for each combination of options, and each seed, worked through by the queue."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from reskeras import class_weights, datasets, memory, speeds
from reskeras.architectures import Architecture, Preset
from reskeras.catalogue import ARCHITECTURES
from reskeras.commands.common import CONTEXT, Bar
from reskeras.commands.network_group import NetworkGroup, network_options, network_summary, option_parameter
from reskeras.machine import available_memory, cores
from reskeras.memory import Memory
from reskeras.options import OptionError, describe
from reskeras.printable import size
from reskeras.request import Request, check_request
from reskeras.run_table import cell_lines
from reskeras.runs import RUNS_FOLDER, RunError, TrainingOptions, create, labels, listing, queue
from reskeras.runs.cells import cells
from reskeras.runs.folder import LIVE_STATES

MOST_RUNS = 10_000

PERIOD = 1.0
"""Seconds between two looks at how far a sweep is."""


def _command(network: str, family: Architecture, preset: Preset | None) -> click.Command:
    training = describe(TrainingOptions)
    parameters = [option_parameter(option) for option in (*network_options(family, preset), *training)]
    parameters += [
        click.Option(["--seeds"], type=click.IntRange(1), metavar="N", help="Train each combination with N seeds."),
        click.Option(["--tag"], metavar="TAG", help="Tag of all runs. [default: sweep, with a number]"),
        click.Option(
            ["--runs"], type=click.Path(path_type=Path), default=RUNS_FOLDER, metavar="DIR", help="Folder of runs."
        ),
        click.Option(["--at-once"], type=click.IntRange(1), metavar="N", help="Train so many at the same time."),
        click.Option(["--dry-run"], is_flag=True, help="Show what would be trained, and make nothing."),
        click.Option(["--detach"], is_flag=True, help="Return once everything is queued."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON; progress goes to stderr."),
    ]

    def callback(**values):
        return sweep(network, family, [option.name for option in training], **values)

    return click.Command(
        network,
        params=parameters,
        callback=callback,
        help=f"{network_summary(family, preset)}\n\nEvery option takes several values, with commas between them.",
        short_help=family.summary,
        context_settings=CONTEXT,
    )


def sweep(network, family, training, seeds, tag, runs, at_once, dry_run, detach, as_json, **values) -> int:
    """Queue a run for each combination and follow them to the end; return the exit code."""
    console = Console(stderr=as_json)
    axes = _axes(values, seeds, family.task)
    with Bar("checking") as bar:
        requests = _requests(network, training, axes, bar)
    needed = [memory.estimate(request) for request in requests]
    _say(console, _announcement(axes, needed, at_once))
    if dry_run:
        if as_json:
            click.echo(json.dumps([_planned(each, need) for each, need in zip(requests, needed, strict=True)]))
        return 0
    tag = tag or _free_tag(runs)
    folders = _queue_all(requests, needed, runs, tag)
    queue.ensure(runs, at_once)
    place = "" if runs == RUNS_FOLDER else f" --runs {runs}"
    _say(console, f"Queued with the tag {tag}. reskeras queue{place} shows what waits.")
    if not detach:
        try:
            _follow(folders, runs, console)
        except KeyboardInterrupt:
            _say(
                console,
                f"\nThe sweep goes on by itself: reskeras queue{place} shows what waits, and its --clear ends it. "
                f"Results: reskeras runs --tag {tag} --cells{place}",
            )
            return 130
    return _tell_results(folders, tag, place, console, as_json)


def _axes(values: dict[str, Any], seeds: int | None, task: str) -> dict[str, list[Any]]:
    """Return the values of each option that was given."""
    axes = {
        name: _several(name, value, task) if isinstance(value, str) else [value]
        for name, value in values.items()
        if value is not None
    }
    for name, chosen in axes.items():
        if len(set(chosen)) < len(chosen) or "" in chosen:
            flag = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{flag} takes different values with commas between them; received {values[name]}.")
    if seeds:
        if len(axes.get("seed", [])) > 1:
            raise click.UsageError("Say --seeds N, or several values of --seed, but not both.")
        first = axes.get("seed", ["0"])[0]
        if not first.isdecimal():
            raise click.UsageError(f"--seed is a whole number from 0; received {first!r}.")
        axes["seed"] = [str(int(first) + number) for number in range(seeds)]
    total = 1
    for chosen in axes.values():
        total *= len(chosen)
    if total > MOST_RUNS:
        raise click.UsageError(f"That would be {total:,} runs; a sweep has at most {MOST_RUNS:,}.")
    return axes


def _several(name: str, value: str, task: str) -> list[str]:
    if name == "class_weight":
        return class_weights.several(value)
    return datasets.several(value, task) if name == "data" else [part.strip() for part in value.split(",")]


def _requests(network: str, training: list[str], axes: dict[str, list[Any]], bar: Bar) -> list[Request]:
    """Return a checked request for each combination; where one is wrong, nothing is made of any."""
    found, combinations = [], list(itertools.product(*axes.values()))
    for number, combination in enumerate(combinations):
        chosen = dict(zip(axes, combination, strict=True))
        options = {name: value for name, value in chosen.items() if name not in training}
        trained = {name: value for name, value in chosen.items() if name in training}
        try:
            request = check_request(network, options, trained)
        except OptionError as error:
            several = {name: value for name, value in chosen.items() if len(axes[name]) > 1}
            where = ", ".join(f"{name} {value}" for name, value in several.items())
            raise RunError(f"{where}: {error}" if where else str(error)) from None
        found.append(speeds.on_backend(request, speeds.choose(request).backend))
        bar.show(number / len(combinations))
    return found


def _announcement(axes: dict[str, list[Any]], needed: list[Memory], at_once: int | None) -> str:
    """Return how many runs there will be, how much memory they take, and how many of them the machine bears."""
    several = [f"{len(chosen)} of {name.replace('_', '-')}" for name, chosen in axes.items() if len(chosen) > 1]
    total = f"{len(needed):,} run{'s' if len(needed) > 1 else ''}"
    largest = max(needed, key=lambda each: each.total)
    free = available_memory()
    left = f", {size(free)} of memory free" if free is not None else ""
    return (
        f"{' × '.join(several)} = {total}. " if several else f"{total}. "
    ) + (
        f"The largest takes about {size(largest.total)}: {size(largest.process)} for its process, "
        f"{size(largest.weights)} for weights, gradients and optimizer, {size(largest.activations)} for activations. "
        f"At most {queue.slots(at_once)} at once ({cores()} cores{left})."
    )  # fmt: skip


def _planned(request: Request, need: Memory) -> dict[str, Any]:
    settings = request.settings.model_dump(mode="json")
    return {"settings": settings, "steps": request.steps, "memory": need.total}


def _free_tag(runs: Path) -> str:
    taken = {tag for folder in listing.folders(runs) for tag in _tags(folder)}
    return next(tag for number in itertools.count(1) if (tag := f"sweep-{number}") not in taken)


def _tags(folder: str) -> tuple[str, ...]:
    try:
        return labels.read(folder).tags
    except RunError:
        return ()


def _queue_all(requests: list[Request], needed: list[Memory], runs: Path, tag: str) -> list[str]:
    """Make the folder of each run and let it wait; where one cannot be made, those before it are taken back."""
    made = []
    try:
        for request in requests:
            run = create(request.settings, runs)
            made.append(run)
            labels.tag(run, tag)
        # Only now, so that none is started of a sweep that is not whole.
        for run, need in zip(made, needed, strict=True):
            queue.put(run, need.total)
    except BaseException:
        for run in made:
            shutil.rmtree(run.folder, ignore_errors=True)
        raise
    return [str(run.folder) for run in made]


def _follow(folders: list[str], runs: Path, console: Console) -> None:
    """Show how many runs are in which state until all have ended."""
    told = None
    with console.status("queued") as status:
        while True:
            records = [listing.record(folder) for folder in folders]
            states = Counter(each["state"] for each in records)
            text = ", ".join(f"{count} {state}" for state, count in states.items())
            status.update(text)
            if text != told and not console.is_terminal:
                _say(console, text)
            told = text
            if not set(states) & {"queued", *LIVE_STATES}:
                return
            if states["queued"] and not queue.is_attended(runs):
                queue.ensure(runs)
            time.sleep(PERIOD)


def _tell_results(folders: list[str], tag: str, place: str, console: Console, as_json: bool) -> int:
    records = [listing.record(folder) for folder in folders]
    for each in records:
        if each["state"] == "failed":
            _say(console, f"{each['run']} failed: {each['reason']}")
    found = cells(records)
    if as_json:
        facts = [{"run": each["run"], "state": each["state"], "folder": each["folder"]} for each in records]
        click.echo(json.dumps({"tag": tag, "runs": facts, "cells": [vars(cell) for cell in found]}))
    else:
        click.echo("\n".join(cell_lines(found)))
        _say(console, f"Once more, or as CSV: reskeras runs --tag {tag} --cells{place} [--csv FILE]")
    return 1 if any(each["state"] in ("failed", "crashed", "resumable") for each in records) else 0


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


@click.group(cls=NetworkGroup, make=_command, listed=ARCHITECTURES, name="sweep", context_settings=CONTEXT)
def sweep_group():
    """Train a network with every combination of some options, as many at once as the machine bears.

    Each combination is a run with a folder of its own; one that fails does not stop the others. Ctrl-C ends the
    watching only.

    \b
    Examples:
      reskeras sweep resnet --depth 20,56,110 --skip add,none --seeds 3
      reskeras sweep plain --depth 10,30 --learning-rate 0.01,0.001 --dry-run
      reskeras runs --tag sweep-1 --cells --csv results.csv
    """
