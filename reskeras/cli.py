"""The command line: `reskeras train`, `runs`, `describe` and `doctor`."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from reskeras import catalogue, datasets
from reskeras.console import Follower, runs_table, size, wrapped
from reskeras.doctor import examine
from reskeras.installed import BackendMissing
from reskeras.options import Option, OptionError, describe
from reskeras.request import check_request
from reskeras.runs import RUNS_FOLDER, Run, RunError, TrainingOptions, create, launch, list_runs
from reskeras.runs.liveness import AlreadyRunning

MENDABLE = (OptionError, RunError, BackendMissing, AlreadyRunning, datasets.DataError, ValueError)
"""Errors that a user can mend: exit code 2. Any other failure is 1."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def main() -> None:
    """Run the command line and exit: 0 done, 2 where the user can mend what is wrong, 1 otherwise."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        message = error.format_message()
        if message.startswith("Usage:"):
            # A group called without a command raises its whole help as an error.
            click.echo(message, err=True)
            sys.exit(error.exit_code)
        hint = f" Try {error.ctx.command_path} --help." if getattr(error, "ctx", None) else ""
        _fail(message + hint, error.exit_code)
    except MENDABLE as error:
        _fail(str(error), 2)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        _fail(f"{error.strerror or error}{place}.", 1)


def _fail(message: str, code: int) -> None:
    click.echo(wrapped(f"Error: {message}"), err=True)
    sys.exit(code)


@click.group(context_settings=CONTEXT)
@click.version_option(package_name="reskeras")
def cli():
    """Train deep networks with and without skips, and measure the gradient of every layer at every step.

    \b
    Examples:
      reskeras train resnet --depth 20 --epochs 5
      reskeras train resnet --depth 56 --skip none --backend jax
      reskeras describe highway --depth 50
      reskeras runs
      reskeras doctor
    """


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


class ArchitectureGroup(click.Group):
    """A command for each architecture of the catalogue, with its options rendered from their declarations."""

    def __init__(self, *args, make, **kwargs):
        super().__init__(*args, **kwargs)
        self._make = make

    def list_commands(self, ctx):
        return list(catalogue.ARCHITECTURES)

    def get_command(self, ctx, name):
        return self._make(catalogue.ARCHITECTURES[name]) if name in catalogue.ARCHITECTURES else None

    def resolve_command(self, ctx, args):
        if args and args[0] not in catalogue.ARCHITECTURES and not args[0].startswith("-"):
            catalogue.architecture(args[0])
        return super().resolve_command(ctx, args)


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


def _train_command(architecture) -> click.Command:
    groups = (describe(architecture.options), describe(TrainingOptions))
    parameters = [option_parameter(option) for group in groups for option in group]
    parameters += [
        click.Option(
            ["--name"], metavar="NAME", help="The run's name. [default: made from its settings, with a number]"
        ),
        click.Option(
            ["--runs"], type=click.Path(path_type=Path), default=RUNS_FOLDER, metavar="DIR", help="Folder of runs."
        ),
        click.Option(["--detach"], is_flag=True, help="Start the training and return; follow it with reskeras-tui."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the outcome as JSON; progress goes to stderr."),
    ]
    tiny = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in architecture.tiny.items())
    text = (
        f"{architecture.summary} ({architecture.paper})\n\n\b\nExamples:\n"
        f"  reskeras train {architecture.name} --epochs 3\n"
        f"  reskeras train {architecture.name} {tiny} --data samples.npz --backend jax --json"
    )

    def callback(name, runs, detach, as_json, **values):
        given = {key: value for key, value in values.items() if value is not None}
        trained = {option.name: given.pop(option.name) for option in groups[1] if option.name in given}
        return train(architecture.name, given, trained, name, runs, detach, as_json)

    return click.Command(
        architecture.name,
        params=parameters,
        callback=callback,
        help=text,
        short_help=architecture.summary,
        context_settings=CONTEXT,
    )


def train(architecture, options, training, name, runs, detach, as_json) -> int:
    """Check everything, make the run's folder, start its worker, and follow it to its end; return the exit code."""
    request = check_request(architecture, options, training)
    console = Console(stderr=as_json)
    run = create(request.settings, runs, name)
    heading = f"[bold]{escape(run.name)}[/bold]  {request.plan.parameters():,} parameters  {escape(str(run.folder))}"
    console.print(heading, highlight=False)
    process = launch.start(run)
    if detach:
        hint = f"Training goes on by itself. Follow it with: reskeras-tui --runs {runs}"
        console.print(hint, highlight=False, markup=False)
        if as_json:
            click.echo(json.dumps(_finite(run.summary())))
        return 0
    code = Follower(run, process, console).follow()
    if not run.folder.is_dir():
        _fail(f"The folder {run.folder} vanished while its run was trained, and with it what was measured.", 1)
    summary = run.summary()
    if as_json:
        click.echo(json.dumps(_finite(summary)))
    if summary["state"] == "finished" or (summary["state"] == "stopped" and not code):
        console.print(f"{summary['state']}: {run.model_path}", highlight=False, markup=False)
        return 0
    reason = summary["reason"] or "The worker ended without a word."
    _fail(f"{summary['state']}: {reason} Log: {run.log_path}", code if code in (1, 2) else 1)
    return 1


@cli.group(cls=ArchitectureGroup, make=_train_command, name="train", context_settings=CONTEXT)
def train_group():
    """Train a network; its run is kept in a folder that reskeras-tui shows.

    \b
    Examples:
      reskeras train resnet --depth 20 --data digits --epochs 5 --backend jax
      reskeras train plain --depth 30 --activation sigmoid --steps 500
      reskeras train transformer --help
    """


def _describe_command(architecture) -> click.Command:
    parameters = [option_parameter(option) for option in describe(architecture.options)]
    parameters += [
        click.Option(
            ["--data"], default="digits", metavar="TEXT", help="Data set that gives the shapes. [default: digits]"
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="Print the plan as JSON."),
    ]

    def callback(data, as_json, **values):
        given = {key: value for key, value in values.items() if value is not None}
        shape = datasets.describe(data)
        plan = catalogue.plan(architecture.name, shape.input_shape, shape.classes, **given)
        if as_json:
            click.echo(json.dumps({"parameters": plan.parameters(), "plan": plan.to_json()}))
            return
        click.echo(f"{plan.text()}\n\n{plan.parameters():,} parameters")

    return click.Command(
        architecture.name, params=parameters, callback=callback, help=architecture.summary, context_settings=CONTEXT
    )


@cli.group(cls=ArchitectureGroup, make=_describe_command, name="describe", context_settings=CONTEXT)
def describe_group():
    """Show a network's plan and count its parameters, without building it.

    \b
    Examples:
      reskeras describe resnet --depth 56
      reskeras describe densenet --depth 100 --bottleneck --compression 0.5 --json
    """


@cli.command(context_settings=CONTEXT)
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, one record a run.")
def runs(runs: Path, as_json: bool):
    """List the runs, newest first.

    \b
    Examples:
      reskeras runs
      reskeras runs --json --runs /data/runs
    """
    summaries = [_summary(run) for run in list_runs(runs)]
    if as_json:
        click.echo(json.dumps([_finite(summary) for summary in summaries]))
    elif not summaries:
        click.echo(f"No runs in {runs} yet. Start one with: reskeras train resnet")
    else:
        Console().print(runs_table(summaries))


def _finite(summary: dict) -> dict:
    """Return a summary as JSON can say it: JSON has no NaN, so the loss of a run that diverged is null."""
    return {
        name: None if isinstance(fact, float) and not math.isfinite(fact) else fact for name, fact in summary.items()
    }


def _summary(run: Run) -> dict:
    try:
        return run.summary()
    except RunError as error:
        return {"run": run.name, "state": "unreadable", "folder": str(run.folder), "reason": str(error)}


@cli.command(context_settings=CONTEXT)
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
    text = found["text"]
    lines.append(
        f"{'✔' if text['installed'] else '✘'} text        "
        + ("keras-nlp" if text["installed"] else f"keras-nlp is not installed. Get it: {text['install']}")
    )
    folder = found["runs"]
    sign, can = ("✔", "writable") if folder["writable"] else ("✘", "cannot be written; name another with --runs")
    lines.append(f"{sign} runs        {folder['folder']}: {can}, {size(folder['free'])} free")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
