"""How long a training waits for its next batch, as a share of its time, for each task.

    KERAS_BACKEND=jax python tests/benchmarks/bench_pipeline.py

A batch is put together by `Batches`, in the thread that trains: what that takes of the processor is an upper bound of
what the device waits, for steps are handed over before they are done. (By the clock it is up to twice as much on JAX,
where that thread waits for a core while the device computes on both.) Networks are shallow, so that steps are short,
with the usual batch of 32; images are moved and mirrored too. Limit: 5 %.

Two cores of an AMD EPYC with nothing else to do, 22 November 2026, JAX 0.10.2, TensorFlow 2.21.0, PyTorch 2.13.0, 195
steps each:

| task | network | JAX | TensorFlow | PyTorch |
|---|---|---|---|---|
| image | resnet 8 | 0.8 % | 0.7 % | 0.5 % |
| image, moved and mirrored | resnet 8 | 3.8 % | 3.3 % | 1.9 % |
| vector | residual_mlp 6 | 4.3 % | 0.9 % | 0.8 % |
| text | lstm_classifier 1 | 0.6 % | 0.5 % | 0.2 % |
| tags, with characters | lstm_tagger 1 | 0.7 % | 0.6 % | 0.3 % |
| language | gpt 2 | 0.05 % | 0.07 % | 0.07 % |
| translation | translator 2 | 0.4 % | 0.2 % | 0.2 % |
| game | alphago_zero 2 | 2.3 % | 1.0 % | 0.6 % |

No task is over the limit. Where every pixel of a moved image was indexed, the second row was 25 % on JAX. Tried
and left out: a thread that puts the next batch together ahead, with which the first two rows were 31 % and 25 % there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import keras

from reskeras.request import check_request
from reskeras.runs import create
from reskeras.runs.events import EventWriter
from reskeras.training.batches import Batches
from reskeras.training.preparation import prepare
from reskeras.training.session import Session

LIMIT = 0.05

CASES = {
    "image": ("resnet", {"depth": 8}, {}),
    "image, moved and mirrored": ("resnet", {"depth": 8}, {"pad_crop": 1, "flip": True}),
    "vector": ("residual_mlp", {"depth": 6}, {"data": "breast_cancer"}),
    "text": ("lstm_classifier", {"depth": 1}, {}),
    "tags": ("lstm_tagger", {"depth": 1}, {"class_weight": "balanced"}),
    "language": ("gpt", {"depth": 2, "width": 128}, {}),
    "translation": ("translator", {"depth": 2, "width": 128}, {}),
    "game": ("alphago_zero", {"depth": 2, "width": 64}, {}),
}
"""Task -> network, its options, training options."""


class _Timed(Batches):
    """Batches that add up how long it takes to put them together."""

    seconds = 0.0

    def __getitem__(self, index):
        began = time.thread_time()
        found = super().__getitem__(index)
        _Timed.seconds += time.thread_time() - began
        return found


class _Whole(keras.callbacks.Callback):
    """Times all steps after the first few, in which everything is compiled, through the ends of epochs."""

    began = None

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 5 and self.began is None:
            self.began, self.before = time.perf_counter(), _Timed.seconds

    def on_train_end(self, logs=None):
        self.share = (_Timed.seconds - self.before) / (time.perf_counter() - self.began)


def share(network: str, options: dict, training: dict, steps: int) -> float:
    """Return which share of a training's time its batches take."""
    asked = {"backend": keras.backend.backend(), "steps": steps, "validation_split": 0.0, **training}
    request = check_request(network, options, asked)
    prepared = prepare(request.settings)
    object.__setattr__(prepared.batches, "__class__", _Timed)
    with tempfile.TemporaryDirectory() as folder:
        run, whole = create(request.settings, Path(folder)), _Whole()
        Session(run, EventWriter(run.events_path)).fit(prepared, whole)
    return whole.share


def main() -> None:
    """Print a row for each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--steps", type=int, default=200, help="steps of each training [default: 200]")
    chosen = parser.parse_args()
    print(f"| task | network | waits, {keras.backend.backend()} |\n|---|---|---|")
    for name in chosen.cases or CASES:
        network, options, training = CASES[name]
        found = share(network, options, training, chosen.steps)
        print(
            f"| {name} | {network} {options['depth']} | {found:.2%}{'' if found < LIMIT else ', too long'} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
