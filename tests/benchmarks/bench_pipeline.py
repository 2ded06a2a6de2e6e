"""How long a training waits for its next batch, as a share of its time, for each task.

    KERAS_BACKEND=jax python tests/benchmarks/bench_pipeline.py

A batch is put together by `Batches`, on PyTorch in the thread that trains; what that takes is an upper
bound of what the device waits, for steps are handed over before they are done. Networks are shallow, so that steps are
short, with the usual batch of 32; images are moved and mirrored too. Limit: 5 %.
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
        began = time.perf_counter()
        found = super().__getitem__(index)
        _Timed.seconds += time.perf_counter() - began
        return found


class _Whole(keras.callbacks.Callback):
    """Times the steps after the first few, in which everything is compiled."""

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 5:
            self.began, self.before = time.perf_counter(), _Timed.seconds

    def on_epoch_end(self, epoch, logs=None):
        self.share = (_Timed.seconds - self.before) / (time.perf_counter() - self.began)
        self.model.stop_training = True


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
    parser.add_argument("--steps", type=int, default=40, help="steps of each training [default: 40]")
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
