"""What a refresh of the terminal plots costs in CPU milliseconds and in bytes; run it by hand."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable

# Textual reads these when it is imported.
os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", "truecolor")
os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")

import numpy as np
from reskeras_tui.plots.heatmap import HeatMap
from reskeras_tui.plots.lines import LinePlot, Series
from textual.app import App, ComposeResult
from textual.drivers.headless_driver import HeadlessDriver
from textual.widget import Widget

FRAMES = 24
WARM_UP = 4
SIZE = (200, 50)
COLOURS = ("cyan", "magenta", "yellow", "green", "red")


class CountingDriver(HeadlessDriver):
    """A terminal without a screen, which counts the bytes it is sent."""

    written = 0

    @property
    def is_headless(self) -> bool:
        return False

    def write(self, data: str) -> None:
        CountingDriver.written += len(data.encode())


class OneWidget(App[None]):
    """An app with nothing but the widget to measure."""

    def __init__(self, widget: Widget) -> None:
        super().__init__(driver_class=CountingDriver)
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


async def measure(
    name: str,
    widget: Widget,
    update: Callable[[int], None],
    size: tuple[int, int] = SIZE,
    frames: int = FRAMES,
) -> None:
    """Print the median times of the call alone and of the whole refresh, and its mean size.

    Args:
        name: What is measured.
        widget: The widget.
        update: Brings frame 0, 1, 2 ... to the widget.
        size: Columns and rows of the terminal.
        frames: Frames to measure.
    """
    call, whole, sent = [], [], []
    async with OneWidget(widget).run_test(headless=False, size=size) as pilot:
        await pilot.pause()
        for frame in range(WARM_UP + frames):
            written, start = CountingDriver.written, time.thread_time()
            update(frame)
            called = time.thread_time()
            await asyncio.sleep(0.04)
            await pilot.pause()
            call.append(called - start)
            whole.append(time.thread_time() - start)
            sent.append(CountingDriver.written - written)
    call, whole, sent = (values[WARM_UP:] for values in (call, whole, sent))
    call_ms, whole_ms = statistics.median(call) * 1e3, statistics.median(whole) * 1e3
    kib = statistics.mean(sent) / 1024
    print(f"{name:50s} call {call_ms:7.2f} ms   refresh {whole_ms:7.2f} ms   {kib:6.1f} KiB", flush=True)


def norms(steps: int, layers: int) -> np.ndarray:
    """Gradient norms that fall towards the shallow layers and drift, shape (steps, layers)."""
    generator = np.random.default_rng(0)
    drift = 0.3 * np.sin(np.arange(steps)[:, None] / 300)
    return 10 ** (np.linspace(-4, 0, layers) + drift + 0.1 * generator.standard_normal((steps, layers)))


async def heat_map(name: str, steps: int, layers: int, growth: int, size: tuple[int, int] = SIZE) -> None:
    """A map of a run that has some steps and gains `growth` of them with each frame."""
    values = norms(steps + growth * (WARM_UP + FRAMES), layers)
    numbers = np.arange(1, len(values) + 1)
    widget = HeatMap()
    widget.set_rows([f"stage1_block{layer}_conv1" for layer in range(layers)])

    def update(frame: int) -> None:
        length = steps + growth * frame
        widget.update_data(numbers[:length], values[:length])

    await measure(name, widget, update, size)


async def heat_map_anew(name: str, steps: int, layers: int, frames: int = FRAMES) -> None:
    """A map that is handed another run with each frame, so that all of it is computed and repainted."""
    runs = [norms(steps, layers), norms(steps, layers)[::-1]]
    numbers = np.arange(1, steps + 1)
    widget = HeatMap()
    widget.set_rows([f"stage1_block{layer}_conv1" for layer in range(layers)])
    await measure(name, widget, lambda frame: widget.update_data(numbers, runs[frame % 2]), frames=frames)


async def lines(name: str, steps: int, count: int, size: tuple[int, int] = SIZE, glyphs: str = "braille") -> None:
    """A plot of several noisy losses that grow by five steps with each frame."""
    generator = np.random.default_rng(0)
    x = np.arange(steps + 5 * (WARM_UP + FRAMES), dtype=float)
    losses = [np.exp(-x / (300 + 100 * index)) + 0.05 * generator.standard_normal(len(x)) for index in range(count)]
    widget = LinePlot("loss", glyphs=glyphs)

    def update(frame: int) -> None:
        end = steps + 5 * frame
        widget.set_series([Series(f"run {i}", x[:end], loss[:end], COLOURS[i]) for i, loss in enumerate(losses)])

    await measure(name, widget, update, size)


async def main() -> None:
    await measure("nothing changes", LinePlot(glyphs="braille"), lambda frame: None)
    await lines("lines, 1 x 2,000 points, 200x50", 2000, 1)
    await lines("lines, 5 x 2,000 points, 200x50", 2000, 5)
    await lines("lines, 5 x 2,000 points, 100x15", 2000, 5, (100, 15))
    await lines("lines, 5 x 2,000 points, 100x15, ascii", 2000, 5, (100, 15), "ascii")
    await lines("lines, 5 x 100,000 points, 100x15", 100_000, 5, (100, 15))
    await heat_map("map, 100 layers x 120 steps, one new column", 90, 100, 1)
    await heat_map("map, 11 layers x 120 steps, one new column", 90, 11, 1)
    await heat_map("map, 100 layers x 2,000 steps, 5 new steps", 2000, 100, 5)
    await heat_map("map, 100 layers x 2,000 steps, 25 new steps", 2000, 100, 25)
    await heat_map("map, 100 layers x 100,000 steps, 25 new steps", 99_000, 100, 25)
    await heat_map_anew("map, 100 layers x 2,000 steps, all new", 2000, 100)
    await heat_map_anew("map, 100 layers x 100,000 steps, all new", 100_000, 100, frames=3)


if __name__ == "__main__":
    asyncio.run(main())
