"""Peak memory of training with activations computed again in the backward pass, against keeping them.

    python tests/benchmarks/bench_recompute.py

A ResNet, of which training keeps the input of each block (`remat=True`) or in a `Stack` of every k-th, k the root of
their number (`"sqrt"`); and DenseNets of several depths, whose memory must grow by as much for each layer wherever that
is.
Each row is a process of its own. "First" is the largest resident memory during the first two steps, compiling included,
and "later" during two more, both above that of the process before training, in MB. Where blocks are recomputed, the C
library gives memory back, and has one heap, as in `reskeras train`.

On 22 November 2026, on two cores of an AMD EPYC, with Keras 3.15.1, TensorFlow 2.21.0, JAX 0.10.2 and PyTorch 2.13.0:

    ResNet-110, batch 128   remat   first MB  later MB   ratio   s a step
    JAX                     False       2263      2277    1.00       7.48
    JAX                     True         770       770    0.34       4.18
    JAX                     sqrt        1717      1718    0.76       5.94
    TensorFlow              False       1358      1371    1.00       0.87
    TensorFlow              True         457       463    0.34       1.19
    TensorFlow              sqrt         499       499    0.37       0.97
    PyTorch                 False       2200      2175    1.00       1.04
    PyTorch                 True         465       480    0.21       2.58
    PyTorch                 sqrt         506       531    0.23       2.62

    DenseNets, batch 16     remat  40 layers  70 layers  100 layers   a layer, 40 to 70   70 to 100
    JAX                     False       1347       2850        4989                50.1        71.3
    JAX                     True        1366       2193        2752            27.6       18.6
    TensorFlow              False        580       1515        2912                31.2        46.6
    TensorFlow              True         324        641         996            10.6       11.8
    PyTorch                 False        652       1843        3560                39.7        57.2
    PyTorch                 True         276        361         609             2.8        8.3

Of TensorFlow's 457 MB, some 187 are its own: as much is taken by a step of one image. With a heap for every thread, as
the C library has it otherwise, TensorFlow takes 507 MB and JAX 798. PyTorch without giving memory back
takes 805 MB at 2.0 s a step: between what is kept, gaps remain. On JAX the convolutions of a recomputed stack are
products of matrices in a loop, which are faster there than its own convolutions. (DenseNets without remat were measured
on 21 November, without giving memory back.)

A DenseNet's first step on JAX takes its memory to compile: of 2,752 MB at 100 layers, the step itself has use for 221,
and another run took 1,173, 2,174 and 2,819.
Where each layer read every layer before it by itself, compiling grew with the square of the depth: 70 layers took 2,465
MB, and 100 more than 3,800 and ten minutes; joined by eights they compile in one. What the step has use for, as XLA
tells it (`--compiled`, batch 16):

    layers                    40     70    100
    MB, with remat          86.4  153.6  220.9
    a layer                        2.24   2.24

Weights after two epochs of Adam, with remat against without, on JAX's CPU, each family at its tiny size: ten of 17 are
equal to the last bit; `gpt` and `highway_convolution` differ by 3e-8 at most, `resnet` by 7e-7, `transformer` by 2e-5,
the dense ones by 3e-7 to 8e-5. Under `XLA_FLAGS=--xla_cpu_max_isa=AVX`, which leaves out instructions that multiply and
add with one rounding, `resnet` is equal too, and a step of ResNet-20 takes no longer; the others sum in another order.

Barriers and checkpoints are gone before XLA merges operations, on a CPU, and it leaves sums to the end: each layer that
is computed again waits for its gradient by a condition on it, and gradients of pieces are summed in a loop that ends
before it begins. Without these two, a dense block of 8, 16 and 24 layers on 16 images of 32x32 took 152, 504 and 1,058
MB with remat or without; with the first alone 83, 262 and 539; with both 47, 91 and 135.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

from depth_tables import LONG, MISSING, table
from one_process import Failed, run
from resident import PeakMemory

from reskeras.installed import installed_backends


def measure(kind: str, depth: int, remat, batch: int) -> dict:
    """Return the megabytes that training takes, and the seconds of the last step."""
    import keras
    import numpy as np

    import reskeras
    from reskeras import backend

    if remat:
        # As `reskeras train` does where it is asked to recompute.
        backend.give_memory_back()
    model = reskeras.build(kind, depth=depth, input_shape=(32, 32, 3), classes=10, remat=remat)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, momentum=0.9), loss)
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(batch, 32, 32, 3)).astype("float32"), generator.integers(0, 10, batch)
    memory, found = PeakMemory(), {}
    for when in ("first", "later"):
        memory.start_anew()
        for _ in range(2):
            start = time.perf_counter()
            model.train_on_batch(x, y)
        found[when] = memory.megabytes()
    return {**found, "seconds": time.perf_counter() - start}


def compiled_step(depth: int, remat: bool, batch: int) -> float:
    """Return the megabytes that XLA sets aside for what is between the inputs and the results of a DenseNet's step."""
    import jax
    import keras
    import numpy as np

    import reskeras

    model = reskeras.build("densenet", depth=depth, input_shape=(32, 32, 3), classes=10, remat=remat)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def loss(trained, state, x, y):
        outputs, state = model.stateless_call(trained, state, x, training=True)
        return loss_of(y, outputs), state

    weights = [[each.value for each in some] for some in (model.trainable_variables, model.non_trainable_variables)]
    samples = np.zeros((batch, 32, 32, 3), "float32"), np.zeros(batch, "int64")
    step = jax.jit(jax.value_and_grad(loss, has_aux=True)).lower(*weights, *samples).compile()
    return step.memory_analysis().temp_size_in_bytes / 1e6


def measured(job: tuple, backend: str, limit: float) -> dict | None:
    """Return what `measure` finds in a process of its own, None where it fails, and print it."""
    start = f"{LONG[backend]:<11}{job[0]:>9}-{job[1]:<4} remat {job[2]!s:<6}"
    try:
        found = run(Path(__file__), ["--one", json.dumps(job)], backend, limit)
    except Failed as reason:
        print(f"{start} {reason}", flush=True)
        return None
    figures = f"first {found['first']:6.0f} MB  later {found['later']:6.0f} MB  {found['seconds']:6.2f} s a step"
    print(f"{start} {figures}", flush=True)
    return found


def resnet_table(found: dict, depth: int, backends: list[str]) -> str:
    """Return a ResNet's memory on each backend, and its ratio to keeping all activations."""
    rows = []
    for backend in backends:
        kept = found[backend, "resnet", depth, False]
        for remat in (False, True, "sqrt"):
            each = found[backend, "resnet", depth, remat]
            figures = [f"{each[name]:.0f}" for name in ("first", "later")] if each else [MISSING] * 2
            ratios = [f"{each[name] / kept[name]:.2f}" for name in each] if each and kept else [MISSING] * 3
            rows.append([LONG[backend], str(remat), *figures, *ratios])
    return table(["backend", "remat", "first MB", "later MB", "ratio, first", "ratio, later", "ratio, seconds"], rows)


def densenet_table(found: dict, depths: list[int], backends: list[str]) -> str:
    """Return the memory of DenseNets on each backend, and by how much it grows for each layer between two depths."""
    rows = []
    for backend in backends:
        for remat in (False, True):
            each = [found[backend, "densenet", depth, remat] for depth in depths]
            figures = [f"{one['first']:.0f}" if one else MISSING for one in each]
            pairs = zip(depths, depths[1:], each, each[1:], strict=False)
            growth = [f"{(b['first'] - a['first']) / (n - m):.1f}" if a and b else MISSING for m, n, a, b in pairs]
            rows.append([LONG[backend], str(remat), *figures, *growth])
    between = [f"a layer, {m} to {n}" for m, n in pairwise(depths)]
    return table(["backend", "remat", *(f"{depth} layers MB" for depth in depths), *between], rows)


def main() -> None:
    """Measure every combination and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", default=installed_backends())
    parser.add_argument("--resnet", type=int, default=110, help="layers of the ResNet")
    parser.add_argument("--resnet-batch", type=int, default=128)
    parser.add_argument("--densenets", type=int, nargs="+", default=(40, 70, 100), help="layers of each DenseNet")
    parser.add_argument("--densenet-batch", type=int, default=16)
    parser.add_argument("--limit", type=float, default=600, help="seconds after which a process is given up")
    parser.add_argument("--json", type=Path, help="file to write every measurement to")
    parser.add_argument("--compiled", action="store_true", help="with KERAS_BACKEND=jax: what XLA tells of DenseNets")
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one)))
        return
    if arguments.compiled:
        for depth in arguments.densenets:
            print(f"densenet-{depth} {compiled_step(depth, True, arguments.densenet_batch):8.1f} MB", flush=True)
        return
    jobs = [("resnet", arguments.resnet, remat, arguments.resnet_batch) for remat in (False, True, "sqrt")]
    jobs += [("densenet", n, again, arguments.densenet_batch) for n in arguments.densenets for again in (False, True)]
    found = {
        (backend, *job[:3]): measured(job, backend, arguments.limit) for job in jobs for backend in arguments.backends
    }
    print("\n" + resnet_table(found, arguments.resnet, arguments.backends))
    print("\n" + densenet_table(found, arguments.densenets, arguments.backends))
    if arguments.json:
        content = [
            dict(zip(("backend", "network", "depth", "remat"), job, strict=True), **(costs or {}))
            for job, costs in found.items()
        ]
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
