"""Dense blocks and transitions against those that `keras.applications` builds, with the same weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.src.applications.densenet import dense_block, transition_block
from weights import randomise

from reskeras.layers import DenseBlock, DenselyConnected, Transition


def _array(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("recompute", [False, True])
def test_a_block_and_a_transition_are_those_of_keras_applications(recompute):
    inputs = keras.Input((6, 7, 5))
    theirs = keras.Model(inputs, transition_block(dense_block(inputs, 3, "block"), 0.5, "pool"))
    block = DenseBlock(3, 32, bottleneck=True, recompute=recompute, data_format="channels_last")
    ours = keras.Model(inputs, Transition(0.5, data_format="channels_last")(block(inputs)))
    randomise(theirs)
    ours.set_weights(theirs.get_weights())
    x = np.random.default_rng(3).normal(size=(2, 6, 7, 5)).astype("float32")
    np.testing.assert_allclose(_array(ours(x)), _array(theirs(x)), rtol=1e-4, atol=1e-4)
    assert ours.output_shape == (None, 3, 3, (5 + 3 * 32) // 2)


def test_weights_of_a_block_are_at_home_with_and_without_recomputation(tmp_path):
    x = np.random.default_rng(3).normal(size=(2, 6, 3)).astype("float32")
    saving, plain = (
        keras.Sequential([keras.Input((6, 3)), DenseBlock(2, 4, recompute=recompute)]) for recompute in (True, False)
    )
    randomise(saving)
    saving.save_weights(tmp_path / "block.weights.h5")
    plain.load_weights(tmp_path / "block.weights.h5")
    np.testing.assert_array_equal(_array(plain(x)), _array(saving(x)))


def test_channels_of_a_list_are_joined_in_its_order():
    layer = DenselyConnected(2, data_format="channels_last")
    pieces = [np.random.default_rng(i).normal(size=(2, 4, 4, 2 + i)).astype("float32") for i in range(3)]
    y = _array(layer(pieces))
    alone = DenselyConnected(2, data_format="channels_last")
    joined = np.concatenate(pieces, -1)
    alone(joined)
    alone.set_weights(layer.get_weights())
    np.testing.assert_array_equal(_array(alone(joined)), y)
