"""The callback that has a language model write a little now and then, so that one sees what it has learnt."""

from __future__ import annotations

import time

import keras

from reskeras.datasets import Dataset
from reskeras.decoding import continued, scores_of
from reskeras.runs.events import EventWriter

SIGNS = 80
"""Tokens that are written."""

LEAST_SECONDS, MOST_SHARE = 5.0, 0.05
"""Seconds between two samples, and the share of the training's time that they may take."""


class Samples(keras.callbacks.Callback):
    """Writes an event `sample` with a text after an epoch, where the last one is long enough ago.

    Args:
        network: the language model that is trained, which gives logits.
        data: its data set; the beginning of a test sample is gone on with.
        events: the event log of the run.
    """

    def __init__(self, network: keras.Model, data: Dataset, events: EventWriter):
        super().__init__()
        self._network, self._data, self._events = network, data, events
        self._next = 0.0

    def on_epoch_end(self, epoch, logs=None):
        begun = time.monotonic()
        if begun < self._next:
            return
        # By `model`, which on JAX brings the weights from the training to the network's variables.
        assert self.model is not None
        self._events.write("sample", epoch=epoch + 1, text=self._text())
        taken = time.monotonic() - begun
        self._next = time.monotonic() + max(LEAST_SECONDS, taken / MOST_SHARE)

    def _text(self) -> str:
        text, length = self._data.encoding.text, self._data.x_test.shape[1]
        first = self._data.x_test[0, : max(length // 8, 1)]
        written = continued(scores_of(self._network, logits=True), first.tolist(), SIGNS, length)
        return text.decode([*first, *written])
