"""The command line: `reskeras` with its commands, each in a file of `reskeras.commands`."""

from __future__ import annotations

import importlib
import sys

import click

from reskeras.commands.common import CONTEXT, fail
from reskeras.installed import BackendMissing, ExtraMissing
from reskeras.runs.liveness import AlreadyRunning

COMMANDS = {
    "train": "train:train_group",
    "sweep": "sweep:sweep_group",
    "queue": "queue:show_queue",
    "watch": "watch:watch",
    "runs": "runs:runs",
    "pause": "control:pause",
    "resume": "control:resume",
    "stop": "control:stop",
    "checkpoint": "control:checkpoint",
    "set": "control:set_option",
    "verdict": "verdict:verdict",
    "predict": "predict:predict",
    "export": "export:export",
    "report": "report:report",
    "rename": "keeping:rename",
    "tag": "keeping:tag",
    "untag": "keeping:untag",
    "note": "keeping:note",
    "delete": "keeping:delete",
    "restore": "keeping:restore",
    "empty-trash": "keeping:empty_trash",
    "list": "networks:list_networks",
    "describe": "describe:describe_group",
    "data": "data:show_data",
    "doctor": "doctor:doctor",
}
"""Each command, in the order of the help, with its module in `reskeras.commands` and its name there."""

MENDABLE = (BackendMissing, ExtraMissing, AlreadyRunning, ValueError)
"""Errors that a user can mend, `ValueError` with all that are derived from it, such as of options, runs and data: exit
code 2. Any other failure is 1."""


class Commands(click.Group):
    """Imports a command when it is asked for: a list of runs need not wait for what networks need."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        return getattr(importlib.import_module(f"reskeras.commands.{module}"), attribute)


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


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(package_name="reskeras")
def cli():
    """Train deep networks with and without skips, and measure the gradient of every layer at every step.

    \b
    Examples:
      reskeras train resnet --depth 20 --epochs 5
      reskeras train resnet --depth 56 --skip none --backend jax
      reskeras list
      reskeras describe highway --depth 50
      reskeras data my-folder-of-images
      reskeras runs --state finished --sort loss
      reskeras verdict resnet-20-add-digits-1
      reskeras predict my-run "a text"
      reskeras report resnet-20-add-digits-1
      reskeras watch runs/my-run
      reskeras pause my-run
      reskeras resume my-run
      reskeras doctor
    """


if __name__ == "__main__":
    main()
