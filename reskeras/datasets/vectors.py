"""Small tables of measurements that come with scikit-learn.

Their baselines are test accuracies, the regression's on standardised features.
"""

from __future__ import annotations

import numpy as np

from reskeras.datasets.dataset import Dataset, DataShape
from reskeras.datasets.encoding import Encoding

WINE_SUMMARY = "178 wines by 13 chemical measurements, 3 growers (scikit-learn)"
WINE_SOURCE = "Aeberhard and Forina 1991, UCI"
WINE_BASELINE = "the commonest class 39 %, logistic regression 100 %"
WINE = DataShape((13,), 3, 142, 36, labels=("class_0", "class_1", "class_2"))

CANCER_SUMMARY = "569 tumours by 30 measurements of cell nuclei, malignant or benign (scikit-learn)"
CANCER_SOURCE = "Wolberg, Street and Mangasarian 1995, UCI"
CANCER_BASELINE = "the commonest class 63 %, logistic regression 98 %"
CANCER = DataShape((30,), 2, 455, 114, labels=("malignant", "benign"))


def load_wine() -> Dataset:
    """Return the wines, split once and for all, each grower's in the same share."""
    from sklearn.datasets import load_wine as source

    return _split(source(), WINE)


def load_breast_cancer() -> Dataset:
    """Return the tumours, split once and for all, malignant and benign ones in the same share."""
    from sklearn.datasets import load_breast_cancer as source

    return _split(source(), CANCER)


def _split(source, shape: DataShape) -> Dataset:
    from sklearn.model_selection import train_test_split

    x, y = source.data.astype(np.float32), source.target.astype(np.int32)
    # The seed is a constant, so that scores of different runs compare.
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=shape.test, random_state=0, stratify=y)
    labels = tuple(map(str, source.target_names))
    return Dataset(x_train, y_train, x_test, y_test, shape.classes, encoding=Encoding(labels))
