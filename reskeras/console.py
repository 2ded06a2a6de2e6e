"""What the command line shows: a run's progress while it trains, and tables of runs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from reskeras.runs import control
from reskeras.runs.folder import Run

SYMBOLS = {
    "starting": "…",
    "running": "▶",
    "stopping": "◼",
    "finished": "✔",
    "stopped": "◼",
    "failed": "✘",
    "crashed": "☠",
    "unreadable": "?",
}
"""A sign for each state, so that no state is told by colour alone."""

COLUMNS = ("run", "state", "backend", "parameters", "step", "loss", "validation", "test")
"""What the table of runs shows."""


class Follower:
    """Shows a run until its worker ends, and passes interruptions on to it.

    Args:
        run: the run's folder.
        process: its worker.
        console: where to show it; on a terminal a progress bar, elsewhere a line an epoch.
    """

    def __init__(self, run: Run, process: subprocess.Popen, console: Console):
        self._run, self._process, self._console = run, process, console
        self._interruptions = self._passed_on = 0
        self._shown = 0

    def follow(self) -> int:
        """Return the worker's exit code once it has ended."""
        handlers = {number: signal.signal(number, self._interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
        )
        try:
            with Progress(*columns, console=self._console, transient=True) as progress:
                task = progress.add_task("starting", total=None, facts="")
                while self._process.poll() is None:
                    self._pass_on_interruptions()
                    self._update(progress, task)
                    time.sleep(0.1)
                self._print_events()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self._process.returncode

    def _interrupt(self, *_):
        # Only counted: a signal may come in the middle of a print, and a print inside a print is an error.
        self._interruptions += 1

    def _pass_on_interruptions(self) -> None:
        while self._passed_on < self._interruptions:
            self._passed_on += 1
            if self._passed_on == 1:
                self._ask_to_stop()
            elif self._passed_on == 2:
                self._process.terminate()
            else:
                self._process.kill()

    def _ask_to_stop(self) -> None:
        try:
            control.send(self._run.commands_path, "stop")
        except OSError:
            # No room for a command, or the folder is gone: a signal asks for the same.
            self._process.terminate()
        self._console.print("Stopping after this step and saving the network; Ctrl-C again ends it at once.")

    def _update(self, progress: Progress, task) -> None:
        events = self._print_events()
        facts = {key: value for event in events for key, value in event.items()}
        curve = self._run.curve()
        if "steps" not in facts:
            progress.update(task, description="building" if "parameters" in facts else "starting")
            return
        done = int(curve["step"][-1]) if len(curve) else 0
        shown = f"step {done:,}/{facts['steps']:,}"
        if len(curve):
            recent = curve[-20:]
            shown += f"  loss {recent['loss'][-1]:.4f}  accuracy {recent['accuracy'][-1]:.1%}"
            seconds = float(recent["seconds"][-1] - recent["seconds"][0])
            if seconds > 0:
                shown += f"  {float(recent['step'][-1] - recent['step'][0]) / seconds:.1f} steps/s"
        what = "testing and exporting" if done >= facts["steps"] else "training" if done else "compiling"
        progress.update(task, description=what, total=facts["steps"], completed=done, facts=shown)

    def _print_events(self) -> list[dict[str, Any]]:
        events = self._run.events()
        for event in events[self._shown :]:
            if line := _line(event):
                self._console.print(line, highlight=False, markup=False)
        self._shown = len(events)
        return events


def _line(event: dict[str, Any]) -> str | None:
    kind = event["event"]
    if kind == "training":
        return f"{event['steps']:,} steps on {event['backend']} ({event['device_name']})"
    if kind == "epoch":
        line = f"epoch {event['epoch']}  step {event['step']:,}  loss {_number(event.get('loss'))}"
        line += f"  accuracy {_percent(event.get('accuracy'))}"
        if "validation_accuracy" in event:
            line += f"  validation {_percent(event['validation_accuracy'])}"
        return line
    if kind == "tested":
        return f"test accuracy {_percent(event['test_accuracy'])}  test loss {_number(event['test_loss'])}"
    return None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def print_runs(summaries: list[dict[str, Any]], console: Console) -> None:
    """Print a table with a line for each run: on a terminal too narrow for all columns fewer, elsewhere all."""
    unlimited = console.options.update(max_width=10_000)
    for columns in (COLUMNS, [name for name in COLUMNS if name not in ("backend", "parameters")]):
        table = _runs_table(summaries, columns)
        width = Measurement.get(console, unlimited, table).maximum
        if not console.is_terminal or width <= console.width:
            break
    if not console.is_terminal:
        console.width = width
    console.print(table)


def _runs_table(summaries: list[dict[str, Any]], columns: Iterable[str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name in ("run", "state", "backend") else "right", no_wrap=True)
    for each in summaries:
        parameters = each.get("parameters")
        cells = {
            "run": escape(each["run"]),
            "state": f"{SYMBOLS.get(each['state'], '')} {each['state']}",
            "backend": str(each.get("backend") or "-"),
            "parameters": f"{parameters:,}" if parameters else "-",
            "step": _steps(each.get("step"), each.get("steps")),
            "loss": _number(each.get("loss")),
            "validation": _percent(each.get("validation_accuracy")),
            "test": _percent(each.get("test_accuracy")),
        }
        table.add_row(*(cells[name] for name in columns))
    return table


def _steps(done: int | None, total: int | None) -> str:
    """Return how far a run is; nobody knows how many steps a generator has."""
    return f"{done:,}/{total:,}" if total else f"{done:,}" if done else "-"


def size(count: float | None) -> str:
    """Return a number of bytes as people read it."""
    return "unknown memory" if count is None else f"{count / 2**30:.0f} GiB"


def wrapped(text: str) -> str:
    """Return a paragraph broken to the width of the terminal."""
    import textwrap

    width = os.get_terminal_size(2).columns if os.isatty(2) else 100
    width = min(width or 100, 100)  # A terminal that was never given a size says 0.
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
