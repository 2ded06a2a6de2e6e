"""Seconds of processor time of an epoch whose batches are of samples of similar length, against all of one length.

    KERAS_BACKEND=torch python tests/benchmarks/bench_by_length.py [PATH ...]

PATH is a data set by name or a file, each learnt by a BERT or, of tags, an LSTM; without any, `python_tags`. An epoch
is of 2,000 samples at most. The first one compiles; shown is the better of the two after it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np

from reskeras import backend, datasets
from reskeras.request import check_request
from reskeras.training.preparation import prepare

SAMPLES, EPOCHS = 2_000, 3
SIZES = {"bert": {"depth": 2, "width": 64}, "lstm_tagger": {"depth": 1, "width": 64}}


def seconds(data: datasets.Dataset, settings) -> tuple[float, float]:
    """Return the seconds of the first epoch, and of the better of the others."""
    prepared = prepare(settings, data)
    found = []
    for epoch in range(EPOCHS):
        began = time.process_time()
        batches = prepared.batches.starting_at(epoch)
        prepared.model.fit(**backend.fed(batches, batches.same_length), shuffle=False, verbose=0)
        found.append(time.process_time() - began)
    return found[0], min(found[1:])


def main(paths: list[str]) -> None:
    print(f"{backend.name()}: data, network, tokens a sample (mean, longest); first epoch and others, seconds")
    for path in paths or ["python_tags"]:
        whole = datasets.load(path)
        name = "lstm_tagger" if whole.task == "tags" else "bert"
        data = replace(whole, x_train=whole.x_train[:SAMPLES], y_train=whole.y_train[:SAMPLES])
        sizes = (data.x_train != 0).sum(1)
        print(f"{path}  {name}  {np.mean(sizes):.1f} of {data.x_train.shape[1]}")
        for by_length in (False, True):
            wanted = {"data": path, "by_length": by_length, "telemetry": "off", "validation_split": 0}
            first, others = seconds(data, check_request(name, SIZES[name], wanted).settings)
            print(f"  {'by length' if by_length else 'as they come':<14} {first:7.2f} {others:7.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
