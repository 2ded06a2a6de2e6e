"""What watching a run costs, in parts of a core and in bytes, and how long a large run takes to open.

Run it with `PYTHONPATH=tests:tests/tui`. On two cores of an AMD EPYC with nothing else to do, on 22 November 2026, at 4
readings a second on 160 x 48, with 110 layers (limits: 5 % and 50 KiB/s):

| view | part of a core | KiB/s |
|---|---|---|
| map and profile | 4.6 % | 18 |
| map and table | 4.5 % | 16 |
| blocks | 4.2 % | 18 |
| dE/dx | 3.9 % | 13 |

From starting the program to its frame, medians of nine: 0.46 s (0.40 to 0.53) where importing Textual alone takes 0.40
s, and 0.28 s where that takes 0.25 s, as other guests of the machine let it; the limit is 0.5 s. The form with the plan
beside it is there after 1.7 s, or 1.0 s: 0.3 to 0.4 s of that is importing what the frame does not wait for, as much
again making the form's 400 widgets.

A reading takes 10 to 16 ms of processor time, of which reading the folder is 2 to 3 ms; where Textual paints the screen
by itself it takes 16 to 24 ms, measured by turns. Verdicts take 67 ms at most every 6 seconds (1 %).

100,000 steps x 1,000 layers, 391 MiB, on the same machine, opened once in each way, in this order (limits: 1 s, and 50
ms a key, beside two others); large runs are judged in another process:

| others that compute | verdicts are made in | opened | verdicts after | a key, median | at most | keys over 50 ms |
|---|---|---|---|---|---|---|
| none | the same process | 0.34 s | 1.0 s | 4 ms | 7 ms | 0 of 62 |
| none | another process | 0.33 s | 1.7 s | 4 ms | 6 ms | 0 of 94 |
| 2 | the same process | 0.60 s | 2.2 s | 9 ms | 49 ms | 0 of 78 |
| 2 | another process | 0.73 s | 4.8 s | 3 ms | 20 ms | 0 of 196 |

A group opens in 16 to 36 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import multiprocessing
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import Any

# Textual reads these when it is imported.
os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "truecolor")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
# Each process that computes is to take one core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from bench_plots import CountingDriver
from norms import weights_header
from recorded import RecordedRun
from reskeras_tui import judging
from reskeras_tui.app import ReskerasApp
from reskeras_tui.courses import View
from reskeras_tui.follow import RunReader
from reskeras_tui.program import collect_seldom
from textual.events import Key

from reskeras.runs.tables import TableWriter

SIZE = (160, 48)
LARGE_BYTES = judging.LARGE_BYTES
STEPS_A_SECOND = 20


def train(folder: str, layers: int, steps: int, begun: multiprocessing.Event) -> None:
    """Write a run as a worker does, in a process of its own."""
    run = RecordedRun(Path(folder), layers=layers, steps=20_000, probes=True).begin().grow(steps)
    begun.set()
    while True:
        run.grow(STEPS_A_SECOND // 4)
        time.sleep(0.25)


async def watch(folder: Path, keys: tuple[str, ...], seconds: float) -> tuple[float, float]:
    """Return the part of a core and the KiB a second that watching a live run takes."""
    app = ReskerasApp(folder)
    app.driver_class = CountingDriver
    async with app.run_test(headless=False, size=SIZE) as pilot:
        while not app.screen.query("#heatmap") or not app.screen.query_one("#heatmap")._steps.size:
            await asyncio.sleep(0.1)
        await pilot.press(*keys)
        await asyncio.sleep(3)
        before, began, written = time.process_time(), time.monotonic(), CountingDriver.written
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        return (time.process_time() - before) / took, (CountingDriver.written - written) / took / 1024


def live(layers: int, steps: int, seconds: float) -> None:
    """Watch a run that grows, in each of the views."""
    context = multiprocessing.get_context("fork")
    for view, keys in (("map and profile", ()), ("map and table", ("v",)), ("blocks", ("b",)), ("dE/dx", ("m",))):
        with tempfile.TemporaryDirectory() as folder:
            begun = context.Event()
            worker = context.Process(target=train, args=(folder, layers, steps, begun), daemon=True)
            worker.start()
            begun.wait()
            core, kib = asyncio.run(watch(Path(folder), keys, seconds))
            worker.terminate()
            worker.join()
        print(f"{layers:5d} layers, {view:16s} {100 * core:5.1f} % of a core {kib:6.1f} KiB/s", flush=True)


def large(folder: Path, layers: int, steps: int) -> RecordedRun:
    """Write a run of so many layers and steps."""
    run = RecordedRun(folder, layers=1, steps=steps).begin()
    for ending in (".json", ".rows"):
        (run.run.folder / f"weights{ending}").unlink()
    weights = [(f"stage1_block{i + 1}_conv1/{kind}", f"stage1_block{i + 1}") for i in range(layers) for kind in "kb"]
    table = TableWriter(run.run.folder / "weights", weights_header(weights))
    numbers = np.random.default_rng(0)
    shape = (len(table.header.statistics), table.header.width)
    for first in range(1, steps + 1, 100):
        noise = numbers.random((100, 1, 1), np.float32) * np.linspace(1e-4, 1, shape[1], dtype=np.float32)
        table.add(np.arange(first, first + 100), np.broadcast_to(noise, (100, *shape)))
    run.events.write("epoch", epoch=1, step=steps, loss=1.0)
    run.finish()
    return run


async def first_map(app: ReskerasApp, run: RecordedRun) -> dict[str, Any]:
    """Return the seconds from opening a run to its map, from each key to the cursor, to the verdicts, and from a key to
    an open group."""
    async with app.run_test(size=SIZE) as pilot:
        while not app.screen.query("#start"):
            await asyncio.sleep(0.02)
        await pilot.pause()
        began = time.monotonic()
        app.open_run(run.run.name)
        while not app.screen.query("#heatmap") or not app.screen.query_one("#heatmap")._codes.size:
            await asyncio.sleep(0.005)
        found: dict[str, Any] = {"opened": time.monotonic() - began, "moved": [], "said": None}
        heatmap, reading = app.screen.query_one("#heatmap"), app.screen.query_one("#reading")
        names, said = len(heatmap._names), app.screen.query_one("#all-verdicts")
        # The first key shows the cursor on the first row, from where it can be moved.
        app.post_message(Key("down", None))
        while heatmap.row is None:
            await asyncio.sleep(0.005)
        while found["said"] is None or time.monotonic() - began < found["said"] + 1:
            for key in ("down", "up"):
                pressed, before = time.monotonic(), str(reading.content)
                app.post_message(Key(key, None))
                while str(reading.content) == before:
                    await asyncio.sleep(0.001)
                found["moved"].append(time.monotonic() - pressed)
                if found["said"] is None and said._verdicts is not None:
                    found["said"] = time.monotonic() - began
                await asyncio.sleep(0.02)
        pressed = time.monotonic()
        app.post_message(Key("enter", None))
        while len(heatmap._names) == names:
            await asyncio.sleep(0.001)
        return {**found, "group": time.monotonic() - pressed}


def first_paint(folder: Path, times: int = 9) -> tuple[list[float], list[float]]:
    """Return the seconds from starting the program to its whole frame, and to the form with the plan beside it, each in
    a terminal of its own, sorted."""
    frame, form = [], []
    command = [sys.executable, "-m", "reskeras_tui", "--runs", str(folder)]
    for _ in range(times):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        began = time.monotonic()
        program = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        shown = b""
        for part, times_of_part in ((b"Quit", frame), (b"y = x", form)):
            while part not in shown:
                shown += os.read(ours, 2**16)
            times_of_part.append(time.monotonic() - began)
        program.terminate()
        # It ends once what it draws is read.
        while program.poll() is None:
            if select.select([ours], [], [], 0.05)[0]:
                os.read(ours, 2**16)
        os.close(ours)
        os.close(theirs)
    return sorted(frame), sorted(form)


def compute() -> None:
    """Keep a core busy, as a training does."""
    numbers = np.random.default_rng(0).random((256, 256))
    while True:
        numbers = np.tanh(numbers @ numbers)


def opening(layers: int, steps: int) -> None:
    """Open a large run that has ended, on an idle machine and while two processes compute."""
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        run = large(Path(folder), layers, steps)
        size = (run.run.folder / "weights.rows").stat().st_size / 2**20
        print(f"{steps:,} steps x {layers:,} layers: {size:,.0f} MiB", flush=True)
        for view in (View(), View(by="layer")):
            reader, began = RunReader(run.run), time.monotonic()
            reader.view = view
            snapshot = reader.read()
            read = time.monotonic() - began
            again = time.monotonic()
            reader.read()
            print(f"  read by {snapshot.by}: {read:.2f} s, again {1e3 * (time.monotonic() - again):.0f} ms", flush=True)
        for where, most in (("this process", 2**62), ("another", LARGE_BYTES)):
            judging.LARGE_BYTES, began = most, time.monotonic()
            judging.judged(run.run)
            print(f"  verdicts in {where}: {time.monotonic() - began:.2f} s", flush=True)
        for busy in (0, 2):
            others = [context.Process(target=compute, daemon=True) for _ in range(busy)]
            for each in others:
                each.start()
            for where, most in (("this process", 2**62), ("another", LARGE_BYTES)):
                judging.LARGE_BYTES = most
                found = asyncio.run(first_map(ReskerasApp(Path(folder)), run))
                print(f"  {busy} others compute, judged in {where}: {told(**found)}", flush=True)
            for each in others:
                each.terminate()
                each.join()


def told(opened: float, moved: list[float], said: float, group: float) -> str:
    """Return what `first_map` found, in words."""
    middle, most = 1e3 * np.median(moved), 1e3 * max(moved)
    late = sum(each > 0.05 for each in moved)
    return (
        f"opened in {opened:.2f} s, verdicts after {said:.1f} s, keys answered in {middle:.0f} ms, {most:.0f} ms at "
        f"most, {late} of {len(moved)} in more than 50 ms; group opened in {1e3 * group:.0f} ms"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("start", "live", "opening", "all"), default="all")
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    collect_seldom()
    if chosen.what in ("start", "all"):
        with tempfile.TemporaryDirectory() as empty:
            for what, found in zip(("frame", "form and plan"), first_paint(Path(empty)), strict=True):
                print(f"{what}: {np.median(found):.2f} s, the median of {found[0]:.2f} to {found[-1]:.2f}", flush=True)
    if chosen.what in ("live", "all"):
        live(110, 1000, chosen.seconds)
    if chosen.what in ("opening", "all"):
        opening(1000, 100_000)
