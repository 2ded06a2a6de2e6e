"""The trained network as a file, with what turns raw samples into its inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import keras

from reskeras.datasets.dataset import Dataset, taken
from reskeras.files import write_whole
from reskeras.loading import ENCODING, content_of
from reskeras.runs.folder import Run
from reskeras.training.answers import answers
from reskeras.training.objectives import samples_of
from reskeras.transforms.portable import save_portable

COMPARED = 32
"""Test samples on which the file's predictions are compared with the network's."""


def save_trained(
    run: Run, network: keras.Model, data: Dataset, written: Sequence[Sequence[int]]
) -> list[dict[str, Any]]:
    """Write `model.keras`, which holds the encoding too, and `encoding.json` into a run's folder; return the network's
    answers to a few test samples, as an event `answers` has them; of a translator, what it has `written`."""
    text = json.dumps(content_of(data.task, data.encoding))
    write_whole(run.encoding_path, text + "\n")
    samples = samples_of(data, taken(data.x_test, slice(COMPARED)))
    return answers(data, save_portable(network, run.model_path, samples, further={ENCODING: text}), written)
