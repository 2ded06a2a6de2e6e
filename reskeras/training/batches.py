"""Training samples in batches, in an order that only the seed decides, whatever the backend."""

from __future__ import annotations

import copy

import keras
import numpy as np

from reskeras.datasets import Dataset
from reskeras.training.augmenting import Augmentation, WordDropout
from reskeras.training.objectives import training_batch


class Batches(keras.utils.PyDataset):
    """Whole batches of samples, shuffled anew each epoch; what is left over in an epoch waits for the next order.

    Every batch has one size: a last smaller one would make compilers build the whole training step a second time.

    Args:
        data: the data set.
        indices: which samples to train on.
        batch_size: samples in a batch; with fewer samples, a batch is all of them.
        seed: of the order, and of what is drawn for each batch.
        class_weights: what each class counts in the loss; None for 1.
        augmentation: how samples are changed; None for as they are.
    """

    same_length = True
    """Whether all batches of tokens are equally long."""

    def __init__(
        self,
        data: Dataset,
        indices: np.ndarray,
        batch_size: int,
        seed: int,
        class_weights: np.ndarray | None = None,
        augmentation: Augmentation | WordDropout | None = None,
    ):
        super().__init__()
        self._class_weights, self._augmentation = class_weights, augmentation
        self._data, self._indices = data, indices
        self.batch_size = min(batch_size, len(indices))
        self._seed = seed
        self._epoch = self._skipped = 0
        self._shuffle()

    def starting_at(self, epoch: int, skipped: int = 0) -> Batches:
        """Return the batches for a `fit` that begins at an epoch, counted from 0.

        Args:
            epoch: the first epoch.
            skipped: how many batches of it are left out, and of any after it.
        """
        found = copy.copy(self)
        # Keras ends an epoch before the first one, which brings the next order.
        found._epoch, found._skipped = epoch, skipped
        found._shuffle()
        return found

    def _shuffle(self):
        self._order = np.random.default_rng([self._seed, 1, self._epoch]).permutation(self._indices)

    def __len__(self):
        return len(self._order) // self.batch_size - self._skipped

    def chosen(self, index: int) -> np.ndarray:
        """Return which samples are in a batch, by its number in the epoch."""
        return self._order[index * self.batch_size : (index + 1) * self.batch_size]

    def __getitem__(self, index):
        return self.batch(index + self._skipped)

    def batch(self, index: int) -> tuple:
        """Return a batch by its number in the epoch."""
        x, *rest = training_batch(self._data, self.chosen(index), self._class_weights)
        if self._augmentation is not None:
            # By its place alone, so that a run that goes on draws the same.
            x = self._augmentation.changed(x, np.random.default_rng([self._seed, 2, self._epoch, index]))
        return x, *rest

    def on_epoch_end(self):
        self._epoch += 1
        self._shuffle()
