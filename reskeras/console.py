"""What the command line shows of a run while it trains."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from reskeras.run_table import number, percent
from reskeras.runs import control, results
from reskeras.runs.events import SCORES
from reskeras.runs.folder import Run


class Follower:
    """Shows a run until its worker ends, and passes interruptions on to it.

    Args:
        run: the run's folder.
        process: its worker.
        console: where to show it; on a terminal a progress bar, elsewhere a line an epoch.
        known: how many of its events are from before this worker.
    """

    def __init__(self, run: Run, process: subprocess.Popen, console: Console, known: int = 0):
        self._run, self._process, self._console = run, process, console
        self._interruptions = self._passed_on = 0
        self._known = self._shown = known

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
                # With what it has started: its session is its own.
                os.killpg(self._process.pid, signal.SIGKILL)

    def _ask_to_stop(self) -> None:
        try:
            control.send(self._run.commands_path, "stop")
        except OSError:
            # No room for a command, or the folder is gone: a signal asks for the same.
            self._process.terminate()
        self._console.print("Stopping after this step and saving the network; Ctrl-C again ends it at once.")

    def _update(self, progress: Progress, task) -> None:
        events = self._print_events()
        facts = results.facts(events)
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
        return events[self._known :]


def _line(event: dict[str, Any]) -> str | None:
    kind = event["event"]
    if kind == "training":
        return f"{event.get('steps', 0):,} steps on {event.get('backend')} ({event.get('device_name')})"
    if kind == "epoch":
        line = f"epoch {event.get('epoch', 0)}  step {event.get('step', 0):,}  loss {number(event.get('loss'))}"
        line += f"  accuracy {percent(event.get('accuracy'))}"
        if "validation_accuracy" in event:
            line += f"  validation {percent(event['validation_accuracy'])}"
        return line
    if kind == "resumed":
        damaged = "".join(f"{each}\n" for each in event.get("damaged", ()))
        return f"{damaged}goes on after step {event['step']:,}"
    if kind == "paused":
        return f"paused after step {event['step']:,}"
    if kind in ("batch", "data"):
        return event.get("text")
    if kind == "warning":
        return f"warning: {event['text']}"
    if kind == "best":
        return f"tested and saved: the weights of epoch {event.get('epoch', 0)}, the best on validation samples"
    if kind == "tested":
        line = f"test accuracy {percent(event.get('test_accuracy'))}  test loss {number(event.get('test_loss'))}"
        further = (f"  {called} {number(event[name])}" for name, called in SCORES.items() if name in event)
        return line + "".join(further)
    if kind == "sample":
        return f"it writes: {' '.join(str(event.get('text', '')).split())}"
    return None


def size(count: float | None) -> str:
    """Return a number of bytes as people read it."""
    return "unknown memory" if count is None else f"{count / 2**30:.0f} GiB"
