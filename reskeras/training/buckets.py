"""Batches of samples of similar length, no longer than these are, in an order that only the seed decides."""

from __future__ import annotations

import keras
import numpy as np

from reskeras.datasets import Dataset
from reskeras.datasets.dataset import Arrays, first
from reskeras.datasets.encoding import PADDING, words_of
from reskeras.training.batches import Batches

BUCKETS = 4
"""Different lengths of batches: each takes JAX the compilation of a step."""


class BucketedBatches(Batches):
    """Batches as `Batches` has them, as many and as large, each of samples of similar length.

    Which samples wait for the next order is drawn first, whatever their length. The others are laid out by length, cut
    into batches, and these are shuffled. A batch is as long as its longest sample, rounded up to one of few lengths.

    Args:
        data: the data set, of tokens.
        indices: which samples to train on.
        *more: as `Batches` takes it.
    """

    same_length = False

    def __init__(self, data: Dataset, indices: np.ndarray, *more):
        found = lengths(data.x_train)
        steps = buckets(found[indices], first(data.x_train).shape[1])
        self._lengths = steps[np.searchsorted(steps, found)]
        super().__init__(data, indices, *more)

    def _shuffle(self):
        super()._shuffle()
        chosen = self._order[: len(self._order) // self.batch_size * self.batch_size]
        chosen = chosen[np.argsort(self._lengths[chosen], kind="stable")]
        draw = np.random.default_rng([self._seed, 3, self._epoch])
        self._order = draw.permutation(chosen.reshape(-1, self.batch_size)).reshape(-1)

    def batch(self, index):
        longest = self._lengths[self.chosen(index)].max()
        whole = super().batch(index)
        # Labels of classes are no longer than one number a sample.
        return keras.tree.map_structure(lambda each: each[:, :longest] if each.ndim > 1 else each, whole)


def lengths(x: Arrays) -> np.ndarray:
    """Return how many tokens each sample has, of several inputs the longest; 1 at the least."""
    found = [_lengths(each) for each in (x.values() if isinstance(x, dict) else [x])]
    return np.maximum(np.max(found, 0), 1)


def _lengths(tokens: np.ndarray) -> np.ndarray:
    words = words_of(tokens)
    return np.where(words != PADDING, np.arange(1, words.shape[1] + 1), 0).max(1)


def buckets(found: np.ndarray, longest: int) -> np.ndarray:
    """Return at most `BUCKETS` lengths that batches are rounded up to, from short to long.

    As many samples have the one as the other; the last is `longest`, so that any sample fits.
    """
    shares = np.arange(1, BUCKETS) / BUCKETS
    return np.unique([*np.quantile(found, shares, method="higher"), longest]).astype(int)
