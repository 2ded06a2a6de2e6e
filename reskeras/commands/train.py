"""`reskeras train`: check everything, make the run's folder, start its worker and follow it."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from reskeras import memory, speeds
from reskeras.architectures import Architecture, Preset
from reskeras.catalogue import ARCHITECTURES
from reskeras.commands.choosing import choose_backend
from reskeras.commands.common import CONTEXT, finite, given, reading_shown
from reskeras.commands.following import follow
from reskeras.commands.network_group import NetworkGroup, network_options, network_summary, option_parameter
from reskeras.options import describe
from reskeras.printable import size
from reskeras.request import check_request
from reskeras.runs import RUNS_FOLDER, TrainingOptions, create, launch, queue


def _command(network: str, family: Architecture, preset: Preset | None) -> click.Command:
    training = describe(TrainingOptions)
    parameters = [option_parameter(option) for option in (*network_options(family, preset), *training)]
    parameters += [
        click.Option(
            ["--name"], metavar="NAME", help="The run's name. [default: made from its settings, with a number]"
        ),
        click.Option(
            ["--runs"], type=click.Path(path_type=Path), default=RUNS_FOLDER, metavar="DIR", help="Folder of runs."
        ),
        click.Option(["--queue"], is_flag=True, help="Let it wait for its turn: see reskeras queue."),
        click.Option(["--detach"], is_flag=True, help="Start the training and return; follow it with reskeras-tui."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the outcome as JSON; progress goes to stderr."),
    ]
    tiny = "" if preset else "".join(f"--{name.replace('_', '-')} {value} " for name, value in family.tiny.items())
    text = (
        f"{network_summary(family, preset)}\n\n\b\nExamples:\n"
        f"  reskeras train {network} --epochs 3\n"
        f"  reskeras train {network} {tiny}--data samples.npz --backend jax --json"
    )

    def callback(name, runs, queue, detach, as_json, **values):
        options = given(values)
        trained = {option.name: options.pop(option.name) for option in training if option.name in options}
        if queue:
            return enqueue(network, options, trained, name, runs, as_json)
        return train(network, options, trained, name, runs, detach, as_json)

    return click.Command(
        network,
        params=parameters,
        callback=callback,
        help=text,
        short_help=family.summary,
        context_settings=CONTEXT,
    )


def enqueue(network, options, training, name, runs, as_json) -> int:
    """Have a network of the catalogue wait for its turn to be trained; return the exit code."""
    with reading_shown(str(training.get("data", "data"))):
        request = check_request(network, options, training)
    request = speeds.on_backend(request, speeds.choose(request).backend)
    needed = memory.estimate(request).total
    run = create(request.settings, runs, name)
    queue.put(run, needed)
    queue.ensure(runs)
    if as_json:
        click.echo(json.dumps(finite(run.summary())))
    else:
        click.echo(f"queued: {run.folder} (about {size(needed)} of memory); reskeras queue shows what waits")
    return 0


def train(network, options, training, name, runs, detach, as_json) -> int:
    """Train a network of the catalogue to the end of its run, or start it only; return the exit code."""
    console = Console(stderr=as_json)
    with reading_shown(str(training.get("data", "data"))):
        request = check_request(network, options, training)
    request = choose_backend(request, console)
    run = create(request.settings, runs, name)
    heading = f"[bold]{escape(run.name)}[/bold]  {request.plan.parameters():,} parameters  {escape(str(run.folder))}"
    console.print(heading, highlight=False)
    return follow(run, launch.start(run), console, detach, as_json)


@click.group(cls=NetworkGroup, make=_command, listed=ARCHITECTURES, name="train", context_settings=CONTEXT)
def train_group():
    """Train a network; its run is kept in a folder that reskeras-tui shows.

    A network is one of the families below, or a preset of theirs: see reskeras list.

    \b
    Examples:
      reskeras train resnet --depth 20 --data digits --epochs 5 --backend jax
      reskeras train plain --depth 30 --activation sigmoid --steps 500
      reskeras train transformer --help
    """
