"""`reskeras watch`: a run as it goes on, whoever trains it, in the terminal UI or line by line."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import numpy as np

from reskeras.commands.common import CONTEXT, fail, finite, runs_option
from reskeras.printable import printable
from reskeras.runs import Run, find, list_runs, results, shortage
from reskeras.runs.folder import LIVE_STATES

PERIOD = 1.0
"""Seconds between two lines."""

GOING_ON = ("queued", *LIVE_STATES)
"""States of a run that there is more to tell of."""


@click.command(context_settings=CONTEXT)
@click.argument("run", metavar="RUN")
@runs_option
@click.option("--plain", is_flag=True, help="Print lines where the terminal UI would open.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
def watch(run: str, runs: Path, plain: bool, as_json: bool) -> int:
    """Follow a run while it is trained, by reskeras or by a script with reskeras.GradientMonitor.

    RUN is a run's folder, or a run's name in the folder of runs. On a terminal the terminal UI opens; elsewhere there
    is a line a second, and one an epoch, until the run ends: gradient norm of the last step, and the layers of the
    largest and of the smallest norm in all steps since the line before. A script that keeps its GradientMonitor may
    call fit with it again, and is followed until it ends. Ctrl-C ends the watching, and never the run. The exit code is
    1 where the run failed.

    \b
    Examples:
      reskeras watch runs/my-run
      reskeras watch my-run --runs ~/results --plain
      reskeras watch runs/my-run --json | jq .gradient_norm
    """
    found = find(run, runs)
    # Damaged settings are told here, and not in the middle of everything.
    _ = found.settings
    _tell_of_a_later_run(found)
    if not (plain or as_json) and _on_terminal():
        from reskeras_tui.program import open_app

        open_app(found.folder.parent, run=found)
        return 0
    try:
        for fact in readings(found):
            click.echo(json.dumps(_strict(fact)) if as_json else line(fact))
    except KeyboardInterrupt:
        click.echo(f"\nNo longer watching; {found.name} goes on.", err=True)
        return 130
    return 0 if fact["state"] in ("finished", "stopped") else 1


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _tell_of_a_later_run(run: Run) -> None:
    """Say that a script's next run is in a folder with a number, which is easily overlooked."""
    numbered = re.compile(re.escape(run.name) + r"-\d+")
    for other in [] if run.is_live() else list_runs(run.folder.parent):
        if numbered.fullmatch(other.name) and other.is_live():
            click.echo(
                f"{run.name} is over, and {other.name} is being trained: reskeras watch {printable(str(other.folder))}",
                err=True,
            )
            return


def readings(run: Run) -> Iterator[dict[str, Any]]:
    """Yield what there is to tell of a run until it ends, and no script may go on with it any more.

    Returns:
        Of kind `"epoch"` the results of an epoch, of kind `"reading"` how the run stands, at most one in `PERIOD`
        seconds, and at last of kind `"end"` how it stood then, and why it failed if it did.
    """
    norms, told, shown = _Norms(run), [], None
    may_fit_again, state = run.may_fit_again(), run.state()
    if state == "crashed" and not run.events():
        # Whoever makes a run's folder holds its lock a moment later.
        time.sleep(PERIOD)
        may_fit_again, state = run.may_fit_again(), run.state()
    while True:
        if not run.folder.is_dir():
            fail(f"The folder {run.folder} vanished while its run was watched, and with it what was measured.", 1)
        events = run.events()
        norms.follow_back([event.get("step", 0) for event in events if event["event"] == "resumed"])
        facts, epochs = results.facts(events), results.epochs(events)
        # Those that a resumed run does once more are told once more.
        known = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(told, epochs, strict=False)))
        for each in epochs[known:]:
            when = {name: each[name] for name in ("epoch", "step")}
            yield {"kind": "epoch", "run": run.name, **when, "metrics": results.metrics(each)}
        told = epochs
        reading = {"kind": "reading", "run": run.name, "state": state, **_progress(run, facts)}
        if state not in GOING_ON and not may_fit_again:
            reason = facts.get("reason") or shortage.suspicion(run.log_path, events)
            yield {**reading, "kind": "end", **norms.read(), "reason": reason}
            return
        if (state, reading["step"]) != shown:
            shown = state, reading["step"]
            yield {**reading, **norms.read()}
        time.sleep(PERIOD)
        # First, for what is read after it belongs to it at least.
        may_fit_again, state = run.may_fit_again(), run.state()


def _progress(run: Run, facts: dict[str, Any]) -> dict[str, Any]:
    """Return how far a run is."""
    curve, measured = run.curve(start=-1), run.series("gradient_norm", "run", start=-1).last
    point = {name: curve[name][-1].item() if len(curve) else None for name in curve.dtype.names}
    accuracy = point["accuracy"]
    return {
        "step": max([point["step"] or 0, *measured.tolist()]),
        "steps": facts.get("steps") if isinstance(facts.get("steps"), int) else None,
        "epoch": point["epoch"],
        "seconds": point["seconds"],
        "loss": point["loss"],
        "accuracy": accuracy if accuracy is not None and np.isfinite(accuracy) else None,
    }


class _Norms:
    """Reads the gradient norms of a run that grows.

    Args:
        run: the run.
    """

    def __init__(self, run: Run):
        self._run, self._rows, self._step = run, 0, 0
        self._resumed = 0

    def follow_back(self, resumed: list[int]) -> None:
        """Read from the beginning where the run was resumed since last time, whose tables were cut, and count as new
        what comes after the step that it went on from.

        Args:
            resumed: after which step each worker so far has gone on.
        """
        if len(resumed) > self._resumed:
            self._rows, self._step = 0, min(self._step, *resumed[self._resumed :])
        self._resumed = len(resumed)

    def read(self) -> dict[str, Any]:
        """Return the norm of the last step, and the layers of the largest and smallest in all steps since last time."""
        # The last row known may have grown.
        start = max(self._rows - 1, 0)
        whole = self._run.series("gradient_norm", "run", start=start)
        layers = self._run.series("gradient_norm", "layer", start=start, stop=start + len(whole.last))
        found: dict[str, Any] = {"gradient_norm": None, "largest": None, "smallest": None}
        if not layers.largest.size:
            return found
        found["gradient_norm"] = float(whole.median[-1, 0])
        new = layers.last > self._step
        new[-1] = True
        # What is not finite is larger than any number.
        largest, least = (np.where(np.isnan(each[new]), np.inf, each[new]) for each in (layers.largest, layers.least))
        for name, norms, place in (
            ("largest", largest.max(0), largest.max(0).argmax()),
            ("smallest", least.min(0), least.min(0).argmin()),
        ):
            found[name] = {"layer": layers.names[place], "gradient_norm": float(norms[place])}
        self._rows, self._step = start + len(whole.last), int(whole.last[-1])
        return found


def line(fact: dict[str, Any]) -> str:
    """Return what `readings` yields as a line for people."""
    if fact["kind"] == "epoch":
        shown = "  ".join(f"{name} {_number(result)}" for name, result in fact["metrics"].items())
        return f"epoch {fact['epoch']}  step {fact['step']:,}  {shown}"
    total = f"/{fact['steps']:,}" if fact["steps"] else ""
    parts = [f"{fact['state']:<8}  step {fact['step']:,}{total}", f"loss {_number(fact['loss'])}"]
    if fact["accuracy"] is not None:
        parts.append(f"accuracy {fact['accuracy']:.2%}")
    parts.append(f"gradient {_number(fact['gradient_norm'], 3)}")
    for name in ("largest", "smallest"):
        if fact[name] is not None:
            parts.append(f"{name} {fact[name]['layer']} {_number(fact[name]['gradient_norm'], 3)}")
    if fact["kind"] == "reading" and fact["state"] not in GOING_ON:
        parts.append("its script may train on")
    if fact.get("reason"):
        parts.append(str(fact["reason"]))
    return "  ".join(parts)


def _number(value: float | None, digits: int = 4) -> str:
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if np.isfinite(value) else "not finite"


def _strict(fact: dict[str, Any]) -> dict[str, Any]:
    """Return a fact as JSON can say it: what is not finite is null."""
    return finite({name: finite(value) if isinstance(value, dict) else value for name, value in fact.items()})
