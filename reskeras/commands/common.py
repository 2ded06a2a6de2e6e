"""What commands share: errors, the folder of runs, JSON that every reader takes, a bar for what takes long."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import textwrap
import time
from pathlib import Path

import click

from reskeras.printable import printable
from reskeras.runs import RUNS_FOLDER

PATIENCE = 2.0
"""Seconds after which a person wants to see how far it is."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


def fail(message: str, code: int) -> None:
    """Say in one paragraph what is wrong, and exit."""
    click.echo(_wrapped(printable(f"Error: {message}")), err=True)
    sys.exit(code)


def _wrapped(text: str) -> str:
    """Return a paragraph broken to the width of the terminal."""
    width = os.get_terminal_size(2).columns if os.isatty(2) else 100
    width = min(width or 100, 100)  # A terminal that was never given a size says 0.
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


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


def given(values: dict) -> dict:
    """Return the options that the user gave."""
    return {name: value for name, value in values.items() if value is not None}


def finite(summary: dict) -> dict:
    """Return a summary as JSON can say it: JSON has no NaN, so the loss of a run that diverged is null."""
    return {
        name: None if isinstance(fact, float) and not math.isfinite(fact) else fact for name, fact in summary.items()
    }


@contextlib.contextmanager
def reading_shown(data: str):
    """Say on a terminal that data is being read, while it is; Keras shows itself what it downloads."""
    from reskeras.datasets import KNOWN

    if data in KNOWN or not os.isatty(2):
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(f"reading {escape(printable(data))} ..."):
        yield


class Bar:
    """A progress bar that comes up after `PATIENCE`, on standard error and on a terminal only."""

    def __init__(self, title: str):
        self._title, self._begun = title, time.monotonic()
        self._progress = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, share: float) -> None:
        """Show which share is done."""
        if self._progress is None:
            if time.monotonic() - self._begun < PATIENCE:
                return
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task(self._title, total=1.0)
            self._progress.start()
        self._progress.update(self._task, completed=share)
