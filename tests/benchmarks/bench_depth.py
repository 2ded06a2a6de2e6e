"""What depth costs: first step, steady step and memory of networks in Keras's own layers, in ours, and by hand.

    python tests/benchmarks/bench_depth.py

Every measurement is a process of its own that trains on one batch, again and again: forward, backward, update. What
runs in Keras runs in `fit`. Times begin when the network begins to be built and the backend has trained one layer for a
step before; "first step" is until the end of the first step, and a step is the median of five groups of at least a
quarter of a second after warm ones. Memory is the largest resident one until then, above that of the process before the
network was built. First steps of stacks of 10 and of 1,000 blocks are medians of five processes.

Forms in Keras: `keras`, its own layers alone in a functional model; `unrolled`, ours with a layer for each block;
`stacked`, ours with stacks; `telemetry`, stacks and the norms of all gradients recorded; `xla`, stacks compiled by it
on TensorFlow; `keras_by_batch` and `stacked_by_batch` call `train_on_batch` in place of `fit`. By hand: PyTorch `eager`
and `compiled` (by `torch.compile`), with images also channels last; JAX with a `scan` over stacked weights, for ResNets
all blocks written out (`jit`); TensorFlow as one `function`. All train as many numbers, from starts of the same kind.

On 21 November 2026, on two cores of an AMD EPYC that reach 205 GFLOP/s in a product of matrices, with Keras 3.15.1,
TensorFlow 2.21.0, JAX 0.10.2 and PyTorch 2.13.0 (first steps of stacks of 10 and 1,000 blocks: medians of three; a
thousand blocks in Keras's own layers end in RecursionError):

    seconds to the first step   keras   stacked  telemetry   by hand
    mlp-10      JAX              1.73      1.87       1.99      0.87  scan
    mlp-10      TensorFlow       2.96      1.28       0.97
    mlp-10      PyTorch          0.07      0.11       0.11
    mlp-100     JAX              4.57      1.63       2.01      0.70  scan
    mlp-100     TensorFlow      28.15      1.20       0.97
    mlp-100     PyTorch          0.59      0.31       0.35      0.06  eager
    mlp-300     JAX             17.91      1.87       1.96      0.95  scan
    mlp-300     TensorFlow     110.93      1.58       0.99
    mlp-300     PyTorch          2.06      0.77       0.80
    mlp-1000    JAX              none      1.95       2.16      1.21  scan
    mlp-1000    TensorFlow       none      1.69       1.56
    mlp-1000    PyTorch          none      2.37       2.43
    highway-50  JAX             11.84      2.39       2.82      0.98  scan
    highway-50  TensorFlow      16.74      1.38       1.11
    highway-50  PyTorch          0.49      0.25       0.30      0.03  eager
    gpt-12      JAX             12.60      4.88       5.65      2.97  scan
    gpt-12      TensorFlow      18.98      4.37       3.36
    gpt-12      PyTorch          0.69      0.69       0.73      0.21  eager
    densenet-40 JAX             58.05                65.38
    densenet-40 TensorFlow       8.80                 6.70
    densenet-40 PyTorch          3.04                 2.43

    milliseconds a step         keras   stacked  telemetry   by hand
    mlp-100     JAX               5.7       4.1        5.3       4.3  scan
    mlp-100     TensorFlow       14.6      13.3       14.0
    mlp-100     PyTorch            79      16.6       19.4      15.1  eager
    mlp-300     JAX              22.8      17.0       16.8      17.2  scan
    mlp-300     TensorFlow       56.7      55.4       52.5
    mlp-300     PyTorch           289        46         49
    mlp-1000    JAX                          73         80        74  scan
    mlp-1000    TensorFlow                  216        223
    mlp-1000    PyTorch                     206        151
    highway-50  JAX               4.3       2.0        2.6       2.1  scan
    highway-50  TensorFlow        7.8       9.1        9.8
    highway-50  PyTorch            68      10.7       12.1       8.0  eager
    gpt-12      JAX               385       287        292       310  scan
    gpt-12      TensorFlow        201       224        223
    gpt-12      PyTorch           231       170        182       142  eager
    densenet-40 JAX              2774                 2605
    densenet-40 TensorFlow       1307                 1160
    densenet-40 PyTorch          1930                 1515
    resnet-20   JAX               614       598        594
    resnet-20   TensorFlow        254       198        204
    resnet-20   PyTorch           332       268        288       294  eager, 241 channels_last, 277 compiled
    resnet-110  TensorFlow       1564      1204       1163
    resnet-110  PyTorch          2071      1341       1413      1534  eager, 1266 channels_last

Depth 1,000 over depth 10, to the first step: JAX 1.05, TensorFlow 1.32. Keras's own layers and stacks at 300 blocks,
measured once more on 22 November in one run, groups of a second:

    milliseconds a step          keras   stacked   ratio   by hand
    by fit          JAX           19.2      11.5    0.60      11.8  scan
    by fit          TensorFlow    38.5      42.9    1.11
    the same, xla   TensorFlow              13.3    0.35
    by fit          PyTorch        230      41.6    0.18
    train_on_batch  JAX           34.5      12.2    0.35
    train_on_batch  TensorFlow    71.8      52.0    0.72
    train_on_batch  PyTorch        238      39.4    0.17

`xla` is how `reskeras train` runs a stack of a hundred blocks and more. JAX's stack takes 0.97 of the time of a
`lax.scan` written by hand, which comes to 0.61 of Keras's own layers by `fit`: a loop over blocks has no room below
that. Of the scan's 12 ms Adam takes 3, the loops forward and back the rest; written out by 2, 4, 10 or 30 blocks they
take longer.
Telemetry on, over PyTorch's `channels_last`, ResNet-20 and ResNet-110: TensorFlow 0.85 and 0.92 (74 and 82 % of the
peak), PyTorch 1.20 and 1.12, JAX 2.86. What remains: at 300 blocks JAX's step is the arithmetic and the traffic of the
weights, as by hand; JAX's convolutions on a CPU come to a quarter of the peak, unrolled or as patches times a matrix;
Keras's convolution on PyTorch turns its input from channels last to channels first and back, which copies it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from depth_networks import BY_BATCH, KERAS_FORMS, NETWORKS, PEERS, forms_of, network
from depth_tables import described, tables
from one_process import Failed, run

from reskeras.installed import installed_backends

MEASURE = Path(__file__).with_name("depth_measure.py")
BY_HAND = dict.fromkeys(form for kinds in PEERS.values() for forms in kinds.values() for form in forms)
FORMS = (*KERAS_FORMS, *BY_BATCH, *BY_HAND)
BACKENDS = ("jax", "tensorflow", "torch")
COMPILERS = ("c++", "g++", "clang++")
STARTS = tuple((name, backend, "stacked") for name in ("mlp-10", "mlp-1000") for backend in BACKENDS)
"""First steps that are compared: medians over several processes."""
MEDIANS = ("build", "first", "step", "rate", "memory")


class Benchmark:
    """All measurements, by (network, backend, form).

    Args:
        arguments: the options of the command.
        folder: for files that go from one process to another.
    """

    def __init__(self, arguments: argparse.Namespace, folder: Path):
        self._arguments = arguments
        self._folder = folder
        self.found: dict[tuple[str, str, str], list[dict]] = {}

    def measure(self, name: str) -> None:
        """Measure a network in every form, in turns, so that what else the machine does slows all alike."""
        jobs = [
            (name, backend, form)
            for backend in self._arguments.backends
            for form in forms_of(network(name).kind, backend)
            if form in self._arguments.forms
            if self._arguments.all or not is_very_slow(name, backend, form)
            if not (self._arguments.quick and is_slow(name, backend, form))
        ]
        for turn in range(self._arguments.repeats):
            for job in jobs:
                results = self.found.setdefault(job, [])
                if turn and (job not in STARTS or "error" in results[0]):
                    continue
                start = time.perf_counter()
                results.append(self._result(job))
                print(described(job, results[-1], time.perf_counter() - start), flush=True)

    def _result(self, job: tuple[str, str, str]) -> dict:
        name, backend, form = job
        arguments = [form, name, "--groups", str(self._arguments.groups), "--seconds", str(self._arguments.seconds)]
        if form.startswith("compiled") and not any(map(shutil.which, COMPILERS)):
            return {"error": "no C++ compiler"}
        try:
            if form == "keras" and network(name).kind != "mlp":
                arguments += ["--described", str(self._described(name, backend))]
            return run(MEASURE, arguments, backend, self._arguments.limit)
        except Failed as reason:
            return {"error": str(reason)}

    def _described(self, name: str, backend: str) -> Path:
        """Return the file with a network in Keras's own layers, which is written once for all backends."""
        path = self._folder / f"{name}.json"
        if not path.exists():
            run(MEASURE, ["describe", name, "--described", str(path)], backend, self._arguments.limit)
        return path

    def medians(self) -> dict[tuple[str, str, str], dict]:
        """Return for each measurement its medians, or its error."""
        return {
            job: results[0]
            if "error" in results[0]
            else {each: statistics.median(result[each] for result in results if each in result) for each in MEDIANS}
            for job, results in self.found.items()
        }


def is_very_slow(name: str, backend: str, form: str) -> bool:
    """Return whether a measurement is of little use for the minutes that it takes.

    A thousand blocks are compiled one by one, and what is compared with it takes as long: convolutions of a stack are
    written out on JAX's CPU, and a DenseNet has no equal blocks.
    """
    kind, depth = network(name).kind, network(name).depth
    if form in BY_BATCH:
        return depth != 300
    if kind == "mlp" and form == "compiled":
        return depth >= 300
    if kind == "mlp" and form == "unrolled":
        return depth >= 1000 and backend != "torch"
    if kind == "resnet" and backend == "jax":
        return depth >= 110 and form in ("keras", "unrolled", "jit")
    return kind == "densenet" and form == "stacked"


def is_slow(name: str, backend: str, form: str) -> bool:
    """Return whether a measurement takes a minute or more, most of it to compile a layer at a time."""
    kind, depth = network(name).kind, network(name).depth
    if kind == "mlp" and depth >= 300:
        return form == "function" or (form in ("keras", "unrolled", "keras_by_batch") and backend != "torch")
    return backend == "jax" and (kind == "densenet" or (kind == "resnet" and depth >= 110))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="kind and depth of each, such as mlp-30")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=installed_backends())
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    parser.add_argument("--repeats", type=int, default=5, help="processes for each first step that is compared")
    parser.add_argument("--limit", type=float, default=240, help="seconds after which a process is given up")
    parser.add_argument("--groups", type=int, default=5, help="groups of steps in each process")
    parser.add_argument("--seconds", type=float, default=0.25, help="length of such a group")
    parser.add_argument("--quick", action="store_true", help="leave out what takes a minute or more")
    parser.add_argument("--all", action="store_true", help="measure also what takes minutes and tells little")
    parser.add_argument("--json", type=Path, help="file to write every measurement to")
    return parser.parse_args()


def main() -> None:
    """Measure every network in every form, and print tables."""
    arguments = _arguments()
    for name in arguments.networks:
        network(name)
    began = time.perf_counter()
    peaks = [run(MEASURE, ["machine"], arguments.backends[0], arguments.limit)]
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Benchmark(arguments, Path(folder))
        for name in arguments.networks:
            benchmark.measure(name)
    # Before and after, for other work may have slowed either.
    peaks.append(run(MEASURE, ["machine"], arguments.backends[0], arguments.limit))
    peak = {name: max(each[name] for each in peaks) for name in peaks[0]}
    date = datetime.date.today().isoformat()
    print(f"\n{date}, {os.cpu_count()} cores, {time.perf_counter() - began:.0f} s in all\n")
    print(tables(benchmark.medians(), peak))
    if arguments.json:
        measurements = [
            {"network": job[0], "backend": job[1], "form": job[2], "results": results}
            for job, results in benchmark.found.items()
        ]
        content = {"date": date, "machine": peak, "measurements": measurements}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
