"""Handwritten digits of 8x8 pixels, from scikit-learn (Alpaydin and Kaynak 1998, UCI)."""

import numpy as np

from reskeras.datasets.dataset import Dataset, DataShape

SUMMARY = "1,797 handwritten digits, 8x8 pixels, 10 classes (scikit-learn)"
SOURCE = "Alpaydin and Kaynak 1998, UCI"
BASELINE = "the commonest class 8 %, logistic regression 96 %"
SHAPE = DataShape((8, 8, 1), 10, 1437, 360)


def load() -> Dataset:
    """Return the digits, split once and for all into 1,437 to train and 360 to test on, with values from 0 to 16."""
    from sklearn.datasets import load_digits

    source = load_digits()
    images = source.images.astype(np.float32)[..., None]
    labels = source.target.astype(np.int32)
    # The file is ordered by writer: a split in file order would test on other hands than it trains on, at another
    # difficulty in each half. The seed is a constant, so that scores of different runs compare.
    order = np.random.default_rng(1797).permutation(len(labels))
    train, test = order[: SHAPE.train], order[SHAPE.train :]
    return Dataset(images[train], labels[train], images[test], labels[test], 10)
