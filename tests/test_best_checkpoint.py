"""The best checkpoint is of exactly the state at the end of the best epoch."""

from __future__ import annotations

import numpy as np
import pytest
from workbench import events

from reskeras.runs import checkpoints

pytest_plugins = ["workbench"]


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Samples whose labels nothing tells: the better they are learnt, the worse it is for others."""
    generator, path = np.random.default_rng(0), tmp_path_factory.mktemp("noise") / "noise.npz"
    x, y = generator.normal(size=(160, 6)).astype("float32"), np.arange(160) % 3
    np.savez(path, x_train=x, y_train=y, x_test=x[:32], y_test=y[:32])
    return path


def test_the_best_checkpoint_is_what_a_training_has_that_ends_there(bench, noise):
    """Epochs follow one another faster than files are written, and all before the best are better than those before."""
    asked = {"data": str(noise), "validation_split": 0.5, "learning_rate": 0.03, "batch_size": 16, "keep": 1}
    run = bench.train(**asked, epochs=15)
    losses = [event["validation_loss"] for event in events(run, "epoch")]
    best = int(np.argmin(losses)) + 1
    assert 1 <= best < 15, "the samples are to be such that the last epoch is not the best"
    last, found = checkpoints.listed(run.checkpoints_path)
    assert checkpoints.step_of(last) == 15 * 5 and checkpoints.step_of(found) == best * 5
    found, ended = checkpoints.read(found), bench.train(**asked, epochs=best)
    wanted = checkpoints.newest(ended.checkpoints_path)[0]
    assert found.facts["score"] == losses[best - 1] and not found.facts["begun"]
    assert found.arrays.shapes == wanted.arrays.shapes
    for name, array in wanted.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array, name)
