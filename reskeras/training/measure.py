"""Measure how fast a run would train, in a process of its own: some steps on made-up samples of the run's shape."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

import numpy as np

from reskeras.datasets import Dataset
from reskeras.datasets.dataset import taken
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.runs.settings import RunSettings
from reskeras.tasks import TASKS
from reskeras.training import worker

LEAST_STEPS, LEAST_SECONDS, MOST_SECONDS = 10, 1.0, 10.0
"""Steps after the first that are timed: at least so many over at least so long, and none that begins later."""

MOST_BYTES, MOST_BATCHES = 2**24, 64
"""Size of the made-up samples: one batch, or as many more as come to so much."""


def main(arguments: list[str] | None = None) -> int:
    """Print the measurement of the run in the folder given as one line of JSON; return 0."""
    parser = argparse.ArgumentParser(prog="python -m reskeras.training.measure", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of a run to be, with a backend named; its data is not read")
    parser.add_argument("seconds", type=int, help="end as by SIGALRM after so long")
    chosen = parser.parse_args(arguments)
    # Set by the system, for no Python runs while a library compiles.
    signal.alarm(chosen.seconds)
    run = Run(chosen.folder)
    worker.load(run.settings.training.backend)
    print(measure(run))
    return 0


def stand_in(settings: RunSettings, count: int) -> Dataset:
    """Return so many random samples of the kind that settings name, and labels of their task."""
    task = settings.task
    # Of a language model and a translator the classes are the words.
    words = settings.options.get("vocabulary") or (settings.classes if TASKS[task].of_tokens else None)
    generator, shape = np.random.default_rng(0), (count, *settings.input_shape)
    labels = shape[:2] if TASKS[task].of_tokens else shape[:1]
    # From 1 on, for 0 is padding.
    x = generator.integers(1, words, shape, "int32") if words else generator.integers(0, 256, shape, "uint8")
    if words and len(shape) == 3:
        x[:, :, 1:] = generator.integers(1, settings.options["alphabet"], x[:, :, 1:].shape)
    y = generator.integers(0, settings.classes, labels, "int32")
    if task == "translation":
        x = {"source": x, "samples": x}
    if task == "game":
        y = {"output": np.eye(settings.classes, dtype="float32")[y], "value": np.zeros((count, 1), "float32")}
    last = slice(-1, None)
    return Dataset(x, y, taken(x, last), taken(y, last), settings.classes, task, words)


def measure(run: Run) -> str:
    """Train some steps of a run and return the measurement as JSON; the backend is loaded."""
    import keras

    from reskeras.training.preparation import prepare
    from reskeras.training.session import Session

    class Enough(keras.callbacks.Callback):
        """Ends the training when enough is known."""

        def on_train_batch_begin(self, batch, logs=None):
            pace = session.pace
            over = pace.seconds >= MOST_SECONDS and pace.steps > 1
            if over or (pace.steps >= LEAST_STEPS and pace.seconds >= LEAST_SECONDS):
                self._model.stop_training = True

    settings = run.settings
    batch = settings.training.batch_size
    batches = MOST_BYTES // (batch * int(np.prod(settings.input_shape)))
    prepared = prepare(settings, stand_in(settings, batch * min(max(batches, 1), MOST_BATCHES)))
    session = Session(run, EventWriter(run.events_path))
    session.fit(prepared, Enough())
    return session.measurement(prepared).model_dump_json()


if __name__ == "__main__":
    sys.exit(main())
