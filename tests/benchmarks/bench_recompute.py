"""Peak memory of a training step of a dense block with and without recomputation, at two depths.

Run by hand, on the backend of KERAS_BACKEND: `python tests/benchmarks/bench_recompute.py [--depths 12 24]`. Each
number comes from a process of its own: the largest resident memory after two steps less that before the first, in MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

BATCH, SIDE, CHANNELS, GROWTH = 16, 32, 16, 16


def measure(depth: int, recompute: bool) -> tuple[float, float]:
    """Return the megabytes that two training steps add, and the seconds of the second."""
    import keras
    import numpy as np

    from reskeras.layers import DenseBlock

    inputs = keras.Input((SIDE, SIDE, CHANNELS))
    features = DenseBlock(depth, GROWTH, recompute=recompute)(inputs)
    outputs = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling2D()(features))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    x, y = np.ones((BATCH, SIDE, SIDE, CHANNELS), "float32"), np.ones((BATCH, 1), "float32")
    before = _peak()
    model.train_on_batch(x, y)
    start = time.perf_counter()
    model.train_on_batch(x, y)
    return (_peak() - before) / 1e3, time.perf_counter() - start


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Measure every combination and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depths", type=int, nargs=2, default=(12, 24))
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    print(f"{'depth':>6}{'recompute':>11}{'MB':>8}{'s a step':>10}")
    for recompute in (False, True):
        for depth in arguments.depths:
            command = [sys.executable, __file__, "--one", json.dumps([depth, recompute])]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            memory, seconds = json.loads(done.stdout.splitlines()[-1])
            print(f"{depth:>6}{recompute!s:>11}{memory:>8.0f}{seconds:>10.2f}", flush=True)


if __name__ == "__main__":
    main()
