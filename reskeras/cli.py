"""The command line: `reskeras train`, `watch`, `runs`, `verdict`, `export`, `list`, `describe` and `doctor`."""

from __future__ import annotations

import sys

import click

from reskeras import datasets
from reskeras.commands.common import CONTEXT, fail
from reskeras.commands.describe import describe_group
from reskeras.commands.doctor import doctor
from reskeras.commands.export import export
from reskeras.commands.networks import list_networks
from reskeras.commands.runs import runs
from reskeras.commands.train import train_group
from reskeras.commands.verdict import verdict
from reskeras.commands.watch import watch
from reskeras.installed import BackendMissing, ExtraMissing
from reskeras.options import OptionError
from reskeras.runs import RunError
from reskeras.runs.liveness import AlreadyRunning

MENDABLE = (OptionError, RunError, BackendMissing, ExtraMissing, AlreadyRunning, datasets.DataError, ValueError)
"""Errors that a user can mend: exit code 2. Any other failure is 1."""


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
        fail(message + hint, error.exit_code)
    except MENDABLE as error:
        fail(str(error), 2)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        fail(f"{error.strerror or error}{place}.", 1)


@click.group(context_settings=CONTEXT)
@click.version_option(package_name="reskeras")
def cli():
    """Train deep networks with and without skips, and measure the gradient of every layer at every step.

    \b
    Examples:
      reskeras train resnet --depth 20 --epochs 5
      reskeras train resnet --depth 56 --skip none --backend jax
      reskeras list
      reskeras describe highway --depth 50
      reskeras runs
      reskeras verdict resnet-20-add-digits-1
      reskeras watch runs/my-run
      reskeras doctor
    """


for command in (train_group, watch, runs, verdict, export, list_networks, describe_group, doctor):
    cli.add_command(command)


if __name__ == "__main__":
    main()
