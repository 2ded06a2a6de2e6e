"""What a network is trained towards: samples and labels as Keras takes them, and loss and accuracy of each task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from reskeras.class_weights import BALANCED, of_classes
from reskeras.datasets.dataset import Arrays, Dataset, taken
from reskeras.tasks import TASKS

NO_LABEL = -1
"""The label of a token that counts neither in the loss nor in the accuracy."""


class TokenAccuracy(keras.metrics.SparseCategoricalAccuracy):
    """The share of tokens that are right, among those of a weight above 0; each counts alike, whatever its weight."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            sample_weight = keras.ops.cast(sample_weight > 0, "float32")
        return super().update_state(y_true, y_pred, sample_weight)


class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits against class numbers, of which a share counts for all classes alike.

    Szegedy et al. 2016, 1512.00567, section 7.

    Args:
        share: the share that is spread, from 0 to 1.
        reduction: as of any loss of Keras's.
    """

    def __init__(self, share: float, reduction: str = "sum_over_batch_size"):
        super().__init__(reduction=reduction)
        self.share = share

    def call(self, y_true, y_pred):
        labels = keras.ops.one_hot(keras.ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
        return keras.losses.categorical_crossentropy(labels, y_pred, from_logits=True, label_smoothing=self.share)

    def get_config(self):
        return {"share": self.share, "reduction": self.reduction}


def objective(task: str, smoothing: float = 0.0) -> dict[str, Any]:
    """Return the arguments of `compile` for a task: its loss, and the metric called accuracy.

    Args:
        task: a name in `tasks.TASKS`.
        smoothing: the share of each label that is spread over all classes.

    The loss of tokens is the mean over those that have a label, by their weights: nats a token for language.
    """
    if task == "classes":
        return {
            "loss": _crossentropy(smoothing, "sum_over_batch_size"),
            "metrics": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        }
    if task == "game":
        moves = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
        value = keras.losses.MeanSquaredError()
        # A move counts as right where it is among those that are best.
        right = keras.metrics.MeanMetricWrapper(_is_among_best, name="accuracy")
        return {"loss": {"output": moves, "value": value}, "metrics": {"output": [right], "value": []}}
    # Of several tokens a sample, of which some are padding: those have a weight of 0.
    return {
        "loss": _crossentropy(smoothing, "mean_with_sample_weight"),
        "metrics": [],
        "weighted_metrics": [TokenAccuracy(name="accuracy")],
    }


def _crossentropy(smoothing: float, reduction: str) -> keras.losses.Loss:
    if smoothing:
        return SmoothedCrossentropy(smoothing, reduction)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)


def _is_among_best(shares, logits):
    ops = keras.ops
    chosen = ops.one_hot(ops.argmax(logits, -1), logits.shape[-1], dtype=shares.dtype)
    return ops.cast(ops.sum(shares * chosen, -1) > 0, "float32")


def samples_of(data: Dataset, x: Arrays) -> Arrays:
    """Return samples for Keras: token numbers as they are, all other numbers as float32."""
    if data.vocabulary is None:
        return x.astype("float32")
    return dict(x) if isinstance(x, Mapping) else x


def balanced(data: Dataset, chosen: np.ndarray) -> np.ndarray:
    """Return a weight for each class with which all classes that there are count alike, and the mean weight is 1.

    n / (k c) for a class with c of n labels, k being how many classes there are (King and Zeng 2001, as in
    scikit-learn); 0 for a class without one.

    Args:
        data: with numbers of classes or tags for labels.
        chosen: which training samples count.
    """
    labels = data.y_train[chosen]
    counts = np.bincount(labels[labels != NO_LABEL], minlength=data.classes)
    known = np.count_nonzero(counts)
    return np.where(counts > 0, counts.sum() / (max(known, 1) * np.maximum(counts, 1)), 0.0).astype("float32")


def weights_of_classes(data: Dataset, chosen: np.ndarray, wanted: str) -> np.ndarray | None:
    """Return what each class counts in the loss, float32; None where all count 1.

    Args:
        data: with numbers of classes or tags for labels.
        chosen: which training samples count.
        wanted: as users write it, such as `"balanced"` or `"cat=2,dog=0.5"`.
    """
    if wanted == BALANCED:
        return balanced(data, chosen)
    weights = of_classes(wanted, data.encoding.labels, data.classes, "the data")
    return None if weights is None else np.array(weights, np.float32)


def training_batch(data: Dataset, chosen: slice | np.ndarray, class_weights: np.ndarray | None = None) -> tuple:
    """Return some training samples and their labels for Keras, and for tokens the weight of each: 0 for no label.

    Args:
        data: the data set.
        chosen: which samples.
        class_weights: what each class counts in the loss; None for 1, and samples get no weights then.
    """
    x, y, *weights = _batch(data, taken(data.x_train, chosen), taken(data.y_train, chosen))
    if class_weights is not None:
        weights = [class_weights[y] * (weights[0] if weights else 1)]
    return x, y, *weights


def test_batch(data: Dataset, chosen: slice | np.ndarray = slice(None)) -> tuple:
    """Return test samples as `training_batch` does training samples."""
    return _batch(data, taken(data.x_test, chosen), taken(data.y_test, chosen))


def _batch(data: Dataset, x: Arrays, y: Arrays) -> tuple:
    x = samples_of(data, x)
    if TASKS[data.task].of_tokens:
        return x, np.maximum(y, 0), (y != NO_LABEL).astype("float32")
    return x, (dict(y) if isinstance(y, Mapping) else y)
