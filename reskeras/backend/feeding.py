"""Batches as `fit` takes them, where they are not all equally long."""

from __future__ import annotations

import copy
from typing import Any

import keras

from reskeras.backend.process import name


def fed(batches: keras.utils.PyDataset, same_length: bool = True) -> dict[str, Any]:
    """Return the arguments of `fit` that say what is trained on.

    On TensorFlow Keras has the step traced for the lengths of the first two batches alone: batches of other lengths
    need a data set that says beforehand that these vary.

    Args:
        batches: the batches of an epoch, then of the next one.
        same_length: whether the second axis of every batch is equally long.
    """
    if same_length or name() != "tensorflow":
        return {"x": batches}
    import tensorflow as tf

    def of_epochs():
        each = copy.copy(batches)
        while True:
            # As Keras does, which ends an epoch before the first one.
            each.on_epoch_end()
            yield from (each[index] for index in range(len(each)))

    def spec(array):
        return tf.TensorSpec((len(array), *(None for _ in array.shape[1:2]), *array.shape[2:]), array.dtype)

    signature = keras.tree.map_structure(spec, batches[0])
    found = tf.data.Dataset.from_generator(of_epochs, output_signature=signature)
    return {"x": found.prefetch(tf.data.AUTOTUNE), "steps_per_epoch": len(batches)}
