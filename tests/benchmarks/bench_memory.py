"""The memory that training takes against what `reskeras.memory` expects of it.

    python tests/benchmarks/bench_memory.py

Each row is a process of its own that does what a worker does: it imports Keras and a backend, reads the data set,
builds the network, and trains four steps on samples of its shape. "Process" is what it takes once the network is built,
"peak" the most above that until the steps are done, and "expected" what weights, gradients, optimizer and activations
were expected to take, in MB. On one batch size and on half of it, so that what grows with the batch shows by itself.

On 21 November 2026, on two cores of an AMD EPYC that others used too, with Keras 3.15.1, TensorFlow 2.21.0, JAX 0.10.2
and PyTorch 2.13.0, in MB; the ratio is that of the peak to two numbers for each that the forward pass writes, with the
weights, and gave the factors of `reskeras.memory.KEPT`. PyTorch's Transformer was not measured.

                     backend    batch  process   peak  ratio
    plain-2          JAX           32      402     46
    plain-2          TensorFlow    32      770     39
    plain-2          PyTorch       32      546     10
    resnet-20        JAX          128      465    593   0.85
    resnet-20        TensorFlow   128      791    397   0.57
    resnet-20        PyTorch      128      566    521   0.75
    residual_mlp-100 JAX         1024      415    298   0.78
    residual_mlp-100 TensorFlow  1024      782    224   0.59
    residual_mlp-100 PyTorch     1024      553    199   0.52
    transformer-4    JAX          128      421   2674   0.79
    transformer-4    TensorFlow   128      791   1787   0.53
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from one_process import Failed, run
from resident import PeakMemory

from reskeras import machine, memory
from reskeras.installed import installed_backends
from reskeras.request import check_request

IMAGES, VECTORS = (32, 32, 3), (64,)

NETWORKS = {
    "plain-2": ("plain", {"depth": 2, "width": 8}, 32, VECTORS),
    "resnet-20": ("resnet", {"depth": 20}, 128, IMAGES),
    "residual_mlp-100": ("residual_mlp", {"depth": 100}, 1024, VECTORS),
    "transformer-4": ("transformer", {"depth": 4}, 128, IMAGES),
}
"""Architecture, options, batch size and shape of a sample."""


def measure(network: str, batch: int, backend: str, remat: str = "no", precision: str = "float32") -> dict[str, float]:
    """Return what training takes and was expected to take, in units of 10^6 bytes."""
    import numpy as np

    from reskeras.datasets import Dataset
    from reskeras.training import worker

    architecture, options, _, shape = NETWORKS[network]
    worker.load(backend)
    from reskeras.training.preparation import prepare

    training = {"backend": backend, "batch_size": batch, "remat": remat, "precision": precision}
    request = check_request(architecture, options, training)
    settings = request.settings.model_copy(update={"input_shape": shape, "classes": 10})
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(4 * batch, *shape)).astype("float32"), generator.integers(0, 10, 4 * batch)
    # As many as are trained on: none is kept aside.
    settings = settings.model_copy(update={"training": settings.training.model_copy(update={"validation_split": 0.0})})
    expected = memory.of(settings, memory.plan_of(settings))
    prepared = prepare(settings, Dataset(x, y, x[:1], y[:1], 10))
    process, watched = machine.resident(), PeakMemory()
    prepared.model.fit(prepared.batches, shuffle=False, verbose=0)
    return {
        "process": process / 1e6,
        "peak": watched.megabytes(),
        "expected": (expected.weights + expected.activations) / 1e6,
    }


def main() -> None:
    """Measure each network on each backend and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", default=installed_backends())
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--remat", default="no")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a process is given up")
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    print(f"{'':<18}{'backend':<12}{'batch':>6}{'process':>9}{'peak':>8}{'expected':>10}{'ratio':>7}")
    for network in arguments.networks:
        whole = NETWORKS[network][2]
        for backend in arguments.backends:
            for batch in (whole // 2, whole):
                job = [network, batch, backend, arguments.remat, arguments.precision]
                start = f"{network:<18}{backend:<12}{batch:>6}"
                try:
                    found = run(Path(__file__), ["--one", json.dumps(job)], backend, arguments.limit)
                except Failed as reason:
                    print(f"{start}  {reason}", flush=True)
                    continue
                numbers = f"{found['process']:>9.0f}{found['peak']:>8.0f}{found['expected']:>10.0f}"
                print(f"{start}{numbers}{found['peak'] / found['expected']:>7.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
