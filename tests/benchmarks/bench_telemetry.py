"""What measuring costs: the steps of a `fit` at each level of telemetry over those of the same `fit` without it.

    python tests/benchmarks/bench_telemetry.py

Networks: `wide`, 12 residual blocks of 512 units on 256 samples; `small`, 50 blocks of 64 units on 128 samples; `deep`,
1,000 of these on 64; all three as stacks; `resnet-20` on 32 images of 32x32. Each is trained by Adam. In one process
for each network and backend, a `fit` without a monitor, one at each level, and another without (`none`) take turns,
round after round. A level's ratio is to the two without in its round, and the table has the median of the rounds: of
seconds, and of seconds of the processor, which other guests of the machine disturb less. `none` says how far to trust
both. Times are of whole epochs from their second on, when everything is compiled. "Reader" is the processor time of the
thread that writes, for each step.

On two cores of an AMD EPYC with nothing else to do, with Keras 3.15.1, TensorFlow 2.21.0, JAX 0.10.2 and PyTorch
2.13.0: medians of seven rounds on 23 November 2026, of the levels "norms" and "probes":

    network    backend     ms a step         none         norms        probes  reader, us  MB, 1e6 steps
    small      JAX              5.8  1.00 / 1.01   1.04 / 1.06   1.07 / 1.09         104            180
    small      TensorFlow      14.0  1.01 / 0.95   0.98 / 1.02   1.07 / 1.08         145            180
    small      PyTorch         12.5  1.00 / 1.00   1.04 / 1.04   1.27 / 1.27         117            180
    resnet-20  JAX            122.7  0.98 / 0.99   1.01 / 1.00   1.04 / 1.05         742            149
    resnet-20  TensorFlow      74.6  0.89 / 0.97   0.86 / 1.01   0.90 / 1.06         363            149
    resnet-20  PyTorch         88.4  1.00 / 1.00   1.00 / 1.00   1.07 / 1.07         247            149
    wide       JAX             84.4  1.02 / 1.00   1.05 / 1.05   1.03 / 1.06         157            146
    wide       TensorFlow     111.0  0.98 / 1.00   0.80 / 1.03   0.93 / 1.06         385            146
    wide       PyTorch         86.9  1.01 / 1.01   1.03 / 1.03   1.05 / 1.06         327            146
    deep       JAX            103.6  0.99 / 0.98   1.05 / 1.11   1.04 / 1.10        2282            973
    deep       TensorFlow     224.4  1.03 / 1.00   0.87 / 1.05   0.88 / 1.10        1531            973
    deep       PyTorch        159.9  0.99 / 0.99   1.08 / 1.08   1.43 / 1.32        1313            973

TensorFlow's wall time scatters by 0.2 between two equal trainings. PyTorch's `deep` with probes was 1.12 and 1.19 in
two other runs.

Level "deep", on the 22nd: `small` 1.23 on JAX and 6.27 on PyTorch, `resnet-20` 0.96, 1.05 and 1.48 in the order of
the rows, `deep` 1.25 on JAX and 9.62 on PyTorch, where it takes some fifteen operations a block.

Norms read every gradient once, every weight once or twice, and what is added to it: in `wide` 3 of 125 ms on one core
with TensorFlow. There and on JAX the optimizer comes behind what is measured, and its own change is the difference:
nothing is copied. PyTorch changes weights in place, so that they are copied, and compared with the copies, which takes
3.5 ms. It runs one operation after another: probes hold the outputs of small blocks in a row and measure many at once,
in `small` 0.9 ms of the forward pass and 1.5 of the backward pass; large outputs wait to be measured one behind
another, in `resnet-20` 0.8 and 2.9 ms, of which reading them takes 1.6. In a loop of JAX that is nothing but such
blocks, with neither norms nor an optimizer, the three sums that a block's probe is made of take 4 to 5 of 43 ms of a
thousand blocks. TensorFlow's loops begin one operation after another: of small outputs there probes keep the outputs
themselves, and take the sums of all blocks in one operation behind the loop.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from depth_tables import LONG, MISSING, table
from one_process import Failed, run

from reskeras.installed import installed_backends

NETWORKS = ("wide", "small", "deep", "resnet-20")
LEVELS = ("norms", "probes", "deep")
AGAIN = "none"
"""A second training without telemetry, whose ratio says how far to trust the others."""
KEEPS_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_MMAP_THRESHOLD_": str(2**40)}
"""On PyTorch: what glibc gives back to the system, and faults in again page by page, is another share of a step in each
process, up to a third of a step of `deep`, with telemetry or without. (JAX asks for the memory of a step in one piece,
which is given back whatever is said here; smaller ones are then not either, and what is compared differs in that.)"""
CHUNK = 1.0
"""Seconds that the steps of one level last in each round."""


def make(name: str):
    """Return a model that is not compiled, with samples and labels for one batch."""
    import keras

    import reskeras
    from reskeras.layers import Residual, Stack

    generator = np.random.default_rng(0)
    if name == "resnet-20":
        model = reskeras.build("resnet", depth=20, input_shape=(32, 32, 3), classes=10)
        return model, generator.normal(size=(32, 32, 32, 3)).astype("float32"), generator.integers(0, 10, 32)
    depth, width, batch = {"wide": (12, 512, 256), "small": (50, 64, 128), "deep": (1000, 64, 64)}[name]
    inputs = keras.Input((width,))
    start = keras.initializers.VarianceScaling(1 / depth)
    branch = [keras.layers.Dense(width, "relu"), keras.layers.Dense(width, kernel_initializer=start)]
    stream = Stack(Residual(branch), depth, name="blocks")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(10, name="head")(stream))
    return model, generator.normal(size=(batch, width)).astype("float32"), generator.integers(0, 10, batch)


class Runner:
    """One form of a training that can be gone on with again and again.

    Args:
        name: of the network.
        level: of the telemetry; None and `AGAIN` train the model as it is.
        folder: where runs are written.
    """

    def __init__(self, name: str, level: str | None, folder: Path):
        import keras

        import reskeras

        model, x, y = make(name)
        self.model = reskeras.watch(model) if level in ("probes", "deep") else model
        self.model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        self._data, self._batch = (x, y), len(x)
        self.monitor = reskeras.GradientMonitor(folder / level, level=level) if level in LEVELS else None
        self._times = _Epochs()

    def seconds(self, steps: int, epochs: int = 1) -> np.ndarray:
        """Return what a step takes in the last of some epochs of so many steps: seconds, and processor seconds."""
        x, y = (np.concatenate([each] * steps) for each in self._data)
        callbacks = [self._times, *([self.monitor] if self.monitor else [])]
        self.model.fit(x, y, batch_size=self._batch, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
        return self._times.last / steps


def _Epochs():
    import keras

    class Epochs(keras.callbacks.Callback):
        """Takes the time of each epoch."""

        async_safe = True
        last = np.zeros(2)

        def on_epoch_begin(self, epoch, logs=None):
            self._began = self._now()

        def on_epoch_end(self, epoch, logs=None):
            self.last = self._now() - self._began

        def _now(self):
            return np.array([time.perf_counter(), time.process_time()])

    return Epochs()


def measure(name: str, rounds: int, levels: Sequence[str]) -> dict:
    """Return the seconds of a step without telemetry, the ratio at each level, and what the reader costs."""
    folder = Path(tempfile.mkdtemp())
    try:
        forms = {level: Runner(name, level, folder) for level in (None, *levels, AGAIN)}
        for each in forms.values():
            each.seconds(2, 2)
        steps = max(int(CHUNK / forms[None].seconds(10, 2)[0]), 4)
        found = {level: [] for level in forms}
        for _ in range(rounds):
            for level, each in forms.items():
                found[level].append(each.seconds(steps, 2))
        found = {level: np.array(each) for level, each in found.items()}
        # What else the machine does changes slowly, and where a model's numbers lie in memory makes a difference: each
        # level is compared with two trainings without it, the one before and the one behind.
        without = (found[None] + found[AGAIN]) / 2
        ratios = {level: np.median(found[level] / without, axis=0).tolist() for level in (AGAIN, *levels)}
        costs = [event for event in forms[levels[0]].monitor.run.events() if event["event"] == "telemetry"]
        reader = sum(each["reader_seconds"] for each in costs) / sum(each["steps"] for each in costs)
        header = forms[levels[0]].monitor.run.table("weights").header
        million = header.rows_after(1_000_000) * header.row.itemsize
        step = float(np.median(without[:, 0]))
        return {"step": step, **ratios, "reader": reader, "megabytes": million / 1e6}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Measure every network on every backend and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", default=installed_backends())
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--levels", nargs="+", default=LEVELS, choices=LEVELS)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a process is given up")
    parser.add_argument("--json", type=Path, help="file to write every measurement to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.rounds, arguments.levels)))
        return
    rows, content = [], []
    for name in arguments.networks:
        for backend in arguments.backends:
            given = ["--one", name, "--rounds", str(arguments.rounds), "--levels", *arguments.levels]
            try:
                found = run(Path(__file__), given, backend, arguments.limit, KEEPS_MEMORY if backend == "torch" else {})
            except Failed as reason:
                print(f"{name:<10} {LONG[backend]:<11} {reason}", flush=True)
                rows.append([name, LONG[backend], *[MISSING] * (len(arguments.levels) + 4)])
                continue
            content.append({"network": name, "backend": backend, **found})
            ratios = [" / ".join(f"{each:.2f}" for each in found[level]) for level in (AGAIN, *arguments.levels)]
            costs = f"{found['step'] * 1e3:.1f}", *ratios, f"{found['reader'] * 1e6:.0f}", f"{found['megabytes']:.0f}"
            rows.append([name, LONG[backend], *costs])
            print(f"{name:<10} {LONG[backend]:<11} {costs}", flush=True)
    columns = [
        "network",
        "backend",
        "ms a step",
        AGAIN,
        *arguments.levels,
        "reader, µs a step",
        "MB after 1,000,000 steps",
    ]
    print("\n" + table(columns, rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
