"""`reskeras pause`, `resume`, `stop`, `checkpoint` and `set`: what steers a run from the shell, live or over."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from reskeras.commands.common import CONTEXT, fail, runs_option
from reskeras.commands.following import follow
from reskeras.runs import Run, RunError, ScriptSettings, control, find, launch, resuming
from reskeras.runs.statistics import LEVELS

PATIENCE = 5.0
"""Seconds to wait for an answer, unless told otherwise."""

DONE = {
    "stop": "stopping after the step at hand; the network is tested and saved",
    "pause": "paused",
    "resume": "goes on",
    "checkpoint": "checkpoint taken",
    "learning_rate": "learning rate set",
    "telemetry": "telemetry set",
}
"""What a worker that has done as it was told is said to have done."""


def _options(command):
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the answer as a JSON object."),
        click.option("--wait", metavar="SECONDS", default=PATIENCE, show_default=True, help="How long to wait for it."),
        runs_option,
        click.argument("run", metavar="RUN"),
    ):
        command = option(command)
    return command


@click.command(context_settings=CONTEXT)
@_options
def pause(run: str, runs: Path, wait: float, as_json: bool) -> int:
    """Have a run sleep between two steps, without using the processor, until it is resumed or stopped.

    A checkpoint is taken first, so nothing is lost whatever happens meanwhile.

    \b
    Examples:
      reskeras pause my-run
      reskeras resume my-run
    """
    return _ask(find(run, runs), "pause", None, wait, as_json)


@click.command(context_settings=CONTEXT)
@_options
def stop(run: str, runs: Path, wait: float, as_json: bool) -> int:
    """End a run after the step at hand, with a checkpoint from which it can be resumed.

    \b
    Examples:
      reskeras stop my-run
      reskeras resume my-run
    """
    return _ask(find(run, runs), "stop", None, wait, as_json)


@click.command(context_settings=CONTEXT)
@_options
def checkpoint(run: str, runs: Path, wait: float, as_json: bool) -> int:
    """Take a checkpoint of a run now, and wait until it is written.

    \b
    Examples:
      reskeras checkpoint my-run --json
    """
    return _ask(find(run, runs), "checkpoint", None, wait, as_json)


@click.command("set", context_settings=CONTEXT)
@_options
@click.option("--learning-rate", type=float, metavar="X", help="Learning rate from the next step on.")
@click.option("--telemetry", metavar="|".join(LEVELS), help="What is measured from the next step on.")
def set_option(
    run: str, runs: Path, wait: float, as_json: bool, learning_rate: float | None, telemetry: str | None
) -> int:
    """Change an option of a run while it is trained.

    \b
    Examples:
      reskeras set my-run --learning-rate 0.0003
      reskeras set my-run --telemetry off
    """
    asked = {"learning_rate": learning_rate, "telemetry": telemetry}
    asked = {name: control.checked(name, value) for name, value in asked.items() if value is not None}
    if not asked:
        fail("There is nothing to set. Name an option: --learning-rate or --telemetry.", 2)
    return max(_ask(find(run, runs), name, value, wait, as_json) for name, value in asked.items())


@click.command(context_settings=CONTEXT)
@_options
@click.option("--epochs", type=int, metavar="N", help="Train so many epochs more than the run was to have.")
@click.option("--learning-rate", type=float, metavar="X", help="Go on with another learning rate.")
@click.option("--detach", is_flag=True, help="Start the training and return.")
def resume(
    run: str, runs: Path, wait: float, as_json: bool, epochs: int | None, learning_rate: float | None, detach: bool
) -> int:
    """Go on with a run that is paused, was stopped, broke off or was killed, from its newest whole checkpoint.

    It comes to the same numbers as if it had never been interrupted. A finished run goes on with --epochs alone.

    \b
    Examples:
      reskeras resume my-run
      reskeras resume my-run --epochs 10 --detach
      reskeras resume my-run --learning-rate 0.0003
    """
    found, console = find(run, runs), Console(stderr=as_json)
    if learning_rate is not None:
        learning_rate = control.checked("learning_rate", learning_rate)
    if found.is_live():
        if epochs is not None or learning_rate is not None:
            fail(f"{found.name} is {found.state()}: --epochs and --learning-rate are for a run that is over.", 2)
        return _ask(found, "resume", None, wait, as_json)
    if epochs is not None:
        resuming.extend(found, epochs)
    resuming.checked(found)
    resuming.prepare(found, learning_rate)
    known = len(found.events())
    return follow(found, launch.start(found), console, detach, as_json, known)


def _ask(run: Run, command: str, value: Any, wait: float, as_json: bool) -> int:
    """Send a command and tell the worker's answer; return the exit code."""
    if isinstance(run.settings, ScriptSettings):
        raise RunError(f"{run.name} is trained by a script of its own, which takes no commands.")
    if not run.is_live():
        hint = f" Go on with it: reskeras resume {run.folder}" if run.state() in ("stopped", "resumable") else ""
        raise RunError(f"{run.name} is {run.state()}: no worker is at it that could take {command!r}.{hint}")
    if command == "resume" and run.state() not in ("paused", "pausing"):
        raise RunError(f"{run.name} is {run.state()}; there is nothing to resume.")
    identifier = control.send(run.commands_path, command, value)
    answer = _answer(run, identifier, wait)
    if as_json:
        click.echo(json.dumps({"run": run.name, **answer}))
    elif answer["done"] is True:
        facts = f" (step {answer['step']:,})" if "step" in answer else ""
        click.echo(f"{run.name}: {DONE[command]}{facts}")
    if answer["done"] is not True:
        fail(f"{run.name}: {answer['refusal']}", 2 if answer["done"] is False else 1)
    return 0


def _answer(run: Run, identifier: str, wait: float) -> dict[str, Any]:
    """Return the worker's answer; `done` is None where none came."""
    until, told = time.monotonic() + wait, False
    console = Console(stderr=True)
    with console.status("Waiting for the worker, which answers between two steps ..."):
        while time.monotonic() < until:
            for event in reversed(run.events()):
                if event["event"] == "answer" and event.get("command") == identifier:
                    return {name: fact for name, fact in event.items() if name not in ("event", "time")}
            if not run.is_live():
                told = True
                break
            time.sleep(0.05)
    if told:
        control.take(run.commands_path, identifier)
        refusal = f"The worker ended before it took up the command; the run is {run.state()}."
    else:
        refusal = (
            f"No answer within {wait:g} seconds. The worker answers between two steps, and is inside a long one, "
            "compiling the first, or validating: it takes up the command once it is through."
        )
    return {"command": identifier, "done": None, "refusal": refusal}
