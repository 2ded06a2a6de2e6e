"""Seconds from starting a run to the first loss in its folder, by how ready a worker is.

    network           backend     kept   start         built   training first loss
    resnet-20         tensorflow  again  cold           4.32       4.32       6.64
    resnet-20         tensorflow  again  warm           0.81       0.81       3.08
    resnet-20         tensorflow  again  prepared       0.00       0.00       0.87
    resnet-20         torch       again  cold           4.23       4.23       4.37
    resnet-20         torch       again  warm           0.37       0.37       0.52
    resnet-20         torch       again  prepared       0.00       0.00       0.06
    resnet-20         jax         first  cold           8.65       8.65      14.44
    resnet-20         jax         first  warm           8.00       8.01      15.13
    resnet-20         jax         first  prepared       0.00       0.00       0.06
    resnet-20         jax         again  cold           2.79       2.79       4.16
    resnet-20         jax         again  warm           1.02       1.02       2.37
    resnet-20         jax         again  prepared       0.00       0.00       0.04
    plain-20          tensorflow  again  cold           3.96       3.96       4.63
    plain-20          tensorflow  again  warm           0.46       0.46       1.10
    plain-20          tensorflow  again  prepared       0.00       0.00       0.21
    plain-20          torch       again  cold           4.25       4.25       4.34
    plain-20          torch       again  warm           0.31       0.31       0.41
    plain-20          torch       again  prepared       0.00       0.00       0.03

    residual-mlp-1000 tensorflow  again  warm           0.68       0.68       2.44
    residual-mlp-1000 tensorflow  again  other          0.55       0.55       2.13
    residual-mlp-1000 tensorflow  again  prepared       0.03       0.03       0.90
    residual-mlp-1000 torch       again  warm           0.93       0.93       2.26
    residual-mlp-1000 torch       again  other          0.94       0.95       2.34
    residual-mlp-1000 torch       again  prepared       0.03       0.03       1.03
    residual-mlp-1000 jax         first  warm           2.10       2.10       4.66
    residual-mlp-1000 jax         first  other          1.16       1.16       3.51
    residual-mlp-1000 jax         first  prepared       0.04       0.04       0.43
    residual-mlp-1000 jax         again  warm           0.60       0.60       1.42
    residual-mlp-1000 jax         again  other          0.30       0.30       0.84
    residual-mlp-1000 jax         again  prepared       0.03       0.03       0.38

Medians of 3 (resnet-20 and plain-20 on JAX: one each), on 21 and 22 November 2026, on two cores of an AMD EPYC; Keras
3.15.1, TensorFlow 2.21.0, JAX 0.10.2, PyTorch 2.13.0. `other` is the least that the terminal UI comes to: its worker
prepares the network that is shown first, and any that is chosen then. What a start still waits for is the first step:
tracing it on TensorFlow, compiling or loading it on JAX.

Run by hand, alone on the machine: `python tests/benchmarks/bench_start.py [--repeats 5] [--backends jax torch]`.
Each number is the median of runs that are processes of their own; a worker is warm once it has said that it is ready.
JAX keeps what it compiles in a folder that is empty at first (`first`) and holds the very network afterwards (`again`);
the other backends keep nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from reskeras import runs
from reskeras.installed import installed_backends
from reskeras.request import check_request
from reskeras.runs import launch

NETWORKS = {
    "plain-20": ("plain", {"depth": 20}),
    "resnet-20": ("resnet", {"depth": 20}),
    "transformer-4": ("transformer", {"depth": 4}),
    "residual-mlp-1000": ("residual_mlp", {"depth": 1000, "normalization": "none", "skip": "scaled"}),
}
STAGES = ("built", "training")
STARTS = ("cold", "warm", "other", "prepared")
"""A worker started for the run; one that has imported Keras; one that has prepared another network, as the UI's has
where the user starts one as soon as it is chosen; and one that has compiled this network's step."""
OTHER = ("plain", {"depth": 10})


def measure(network: str, backend: str, start: str, folder: Path) -> dict[str, float]:
    """Return the seconds from the start of a run until its network is built, training begins, and a loss is seen."""
    architecture, options = NETWORKS[network]
    run = runs.create(check_request(architecture, options, {"backend": backend}).settings, folder)
    worker = None if start == "cold" else launch.WarmWorker(backend)
    if worker is not None:
        worker.ready.wait()
    if start in ("other", "prepared"):
        chosen = OTHER if start == "other" else NETWORKS[network]
        worker.prepare(check_request(*chosen, {"backend": backend}).settings)
        while worker.is_preparing():
            time.sleep(0.01)
    began = time.time()
    process = launch.start(run, worker)
    while not len(run.curve()):
        if process.poll() is not None:
            raise RuntimeError(run.log_path.read_text())
        time.sleep(0.002)
    seconds = {"loss": time.time() - began}
    process.kill()
    process.wait()
    return {event["event"]: event["time"] - began for event in run.events() if event["event"] in STAGES} | seconds


def report(network: str, backend: str, starts: list[str], repeats: int, folder: Path) -> None:
    """Print a line for each kind of start."""
    for kept in ("first", "again") if backend == "jax" else ("again",):
        for start in starts:
            found = []
            for _ in range(repeats):
                if kept == "first":
                    shutil.rmtree(folder / "caches", ignore_errors=True)
                found.append(measure(network, backend, start, folder))
            medians = [statistics.median(each[stage] for each in found) for stage in (*STAGES, "loss")]
            print(
                f"{network:<17} {backend:<11} {kept:<6} {start:<8}"
                + "".join(f"{seconds:>11.2f}" for seconds in medians),
                flush=True,
            )


def main() -> None:
    """Measure every network on every backend and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--backends", nargs="+", default=installed_backends())
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--starts", nargs="+", default=STARTS, choices=STARTS)
    arguments = parser.parse_args()
    print(f"{'network':<17} {'backend':<11} {'kept':<6} {'start':<8}{'built':>11}{'training':>11}{'first loss':>11}")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/caches"
        for network in arguments.networks:
            for backend in arguments.backends:
                report(network, backend, arguments.starts, arguments.repeats, Path(folder))


if __name__ == "__main__":
    main()
