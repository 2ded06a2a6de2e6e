"""Seconds that a list of ten thousand runs takes: the whole command, and the terminal UI's reading of it.

    runs                                               0.75 0.81 0.85
    runs --json                                        0.77 0.85 0.95
    runs --state finished --sort loss --limit 20       0.68 0.74 0.79
    runs --usage --limit 20                            0.69 0.71 0.80
    runs, of folders copied here                       0.82 0.86 1.35
    terminal UI, each reading                          0.12 0.13 0.16
    first: runs                                        5.01

Least, median and largest of 7, on 22 November 2026, on two cores of an AMD EPYC. `first` has no summaries to read yet,
which happens where ten thousand workers were killed, and shows how far it is.

Run by hand: `python tests/benchmarks/bench_runs.py [--runs 10000] [--repeats 7]`. Every run has ended; each command is
a process of its own, from its start to its end, with what it prints thrown away.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from reskeras import runs
from reskeras.runs.events import EventWriter
from reskeras.runs.series import CURVE, RowWriter
from reskeras.runs.settings import RunSettings, TrainingOptions

COMMANDS = {
    "runs": (),
    "runs --json": ("--json",),
    "runs --state finished --sort loss --limit 20": ("--state", "finished", "--sort", "loss", "--limit", "20"),
    "runs --usage --limit 20": ("--usage", "--limit", "20"),
}
COPIED = "runs, of folders copied here"


def make(parent: Path, number: int) -> None:
    """Make a run that has ended after five epochs."""
    asked = RunSettings(
        architecture="resnet", options={"depth": 20, "skip": "add"}, training=TrainingOptions(backend="jax"),
        input_shape=(8, 8, 1), classes=10,
    )  # fmt: skip
    run = runs.create(asked, parent, f"resnet-20-add-digits-{number}")
    events, curve = EventWriter(run.events_path), RowWriter(run.curve_path, CURVE)
    events.write("starting", backend="jax", pid=1)
    events.write("training", steps=500, epochs=5, backend="jax", device="cpu", device_name="cpu")
    for epoch in range(1, 6):
        curve.write(np.array([(100 * epoch, epoch, epoch, 1 / epoch, 0.5)], CURVE))
        events.write("epoch", epoch=epoch, step=100 * epoch, loss=number / epoch, accuracy=0.5, validation_accuracy=0.5)
    events.write("end", status="finished", code=0)
    events.close()
    curve.close()
    run.lock_path.touch()


def seconds(call) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def command(parent: Path, *words: str) -> None:
    """Run `reskeras runs` to its end."""
    line = [sys.executable, "-m", "reskeras.cli", "runs", "--runs", str(parent), *words]
    subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def print_commands(parent: Path, copied: Path, repeats: int) -> None:
    """Print a line for each command; they take turns, so that a moment in which others compute falls on all of them."""
    taken = {name: [] for name in (*COMMANDS, COPIED)}
    for _ in range(repeats):
        for name, some in taken.items():
            where, words = (copied, ()) if name == COPIED else (parent, COMMANDS[name])
            some.append(seconds(lambda where=where, words=words: command(where, *words)))
    for name, some in taken.items():
        print(f"{name:<50} {min(some):.2f} {statistics.median(some):.2f} {max(some):.2f}")


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=7)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reskeras-runs-") as folder:
        parent = Path(folder)
        for number in range(chosen.runs):
            make(parent, number)
        print(f"{'first: runs':<50} {seconds(lambda: command(parent)):.2f}")
        copied = parent.with_name(parent.name + "-copied")
        try:
            shutil.copytree(parent, copied, copy_function=shutil.copyfile)
            print_commands(parent, copied, chosen.repeats)
        finally:
            shutil.rmtree(copied, ignore_errors=True)
        from reskeras_tui import run_list

        library = run_list.Library(parent)
        print(f"{'terminal UI, the newest':<50} {seconds(library.read):.2f}")
        print(f"{'terminal UI, all for the first time':<50} {seconds(library.read):.2f}")
        taken = [seconds(library.read) for _ in range(chosen.repeats)]
        print(f"{'terminal UI, each reading':<50} {min(taken):.2f} {statistics.median(taken):.2f} {max(taken):.2f}")
    print(f"{chosen.runs} runs, {os.cpu_count()} cores: least, median and largest of {chosen.repeats}")


if __name__ == "__main__":
    main()
