"""The best checkpoint is of exactly the state at the end of the best epoch, and early stopping ends with it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from comparing import check_same, untimed
from workbench import events, trained_weights

from reskeras.runs import Run, RunError, TrainingOptions, checkpoints, resuming

pytest_plugins = ["workbench"]


ASKED = {"validation_split": 0.5, "learning_rate": 0.03, "batch_size": 16, "keep": 1}


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Samples whose labels nothing tells: the better they are learnt, the worse it is for others."""
    generator, path = np.random.default_rng(0), tmp_path_factory.mktemp("noise") / "noise.npz"
    x, y = generator.normal(size=(160, 6)).astype("float32"), np.arange(160) % 3
    np.savez(path, x_train=x, y_train=y, x_test=x[:32], y_test=y[:32])
    return path


def test_the_best_checkpoint_is_what_a_training_has_that_ends_there(bench, noise):
    """Epochs follow one another faster than files are written, and all before the best are better than those before."""
    asked = {**ASKED, "data": str(noise)}
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


def test_a_training_ends_when_it_has_waited_long_enough(bench, noise, tmp_path):
    """It ends where the losses of a training without end say, with the weights of its best epoch."""
    asked = {**ASKED, "data": str(noise), "patience": 2}
    run = bench.train(**asked, epochs=40, checkpoint_steps=7)
    losses = [event["validation_loss"] for event in events(run, "epoch")]
    best = int(np.argmin(losses)) + 1
    assert len(losses) == best + 2 and all(
        loss >= min(losses[:place]) for place, loss in enumerate(losses[best:], best)
    )
    # Until then it went on whenever one of two epochs was better.
    assert all(min(losses[place : place + 2]) < min(losses[:place]) for place in range(1, best))
    summary = run.summary()
    assert run.state() == "finished" and summary["step"] == len(losses) * 5 < summary["steps"]
    assert f"The smallest loss on validation samples, {min(losses):.4g}, was 2 epochs ago" in summary["reason"]
    [told] = events(run, "best")
    assert (told["epoch"], told["step"], told["score"]) == (best, best * 5, min(losses))
    ended = bench.train(**{**asked, "patience": None}, epochs=best)
    assert untimed(events(run, "tested")[0]) == untimed(events(ended, "tested")[0])
    ours, theirs = trained_weights(run), trained_weights(ended)
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, name)

    with pytest.raises(RunError, match="is finished"):
        resuming.checked(run)
    killed = Run(shutil.copytree(run.folder, tmp_path / "killed"))
    _cut_back(killed, len(losses) * 5)
    middle = Run(shutil.copytree(run.folder, tmp_path / "middle"))
    _cut_back(middle, len(losses) * 5 - 5)
    checkpoints.listed(middle.checkpoints_path)[0].unlink()
    for each in (killed, middle):
        assert bench.start(each).wait() == 0, each.log_path.read_text()
        assert each.summary()["reason"] == summary["reason"]
        check_same(each, run)
    assert events(middle, "resumed")[0]["step"] < best * 5 + 10

    resuming.extend(run, 3)
    assert bench.start(run).wait() == 0, run.log_path.read_text()
    assert run.summary()["step"] == len(losses) * 5 + 15 and run.summary()["reason"] is None


def _cut_back(run: Run, step: int) -> None:
    """Make of a finished run what it is when its worker dies right after the epoch that ends with a step."""
    lines = run.events_path.read_text().splitlines(keepends=True)
    cut = next(place for place, line in enumerate(lines) if f'"step": {step},' in line and '"event": "epoch"' in line)
    run.events_path.write_text("".join(lines[: cut + 1]))
    run.model_path.unlink()


@pytest.mark.any_backend
def test_what_goes_by_validation_needs_samples_for_it():
    for asked in ({"patience": 3}, {"weights": "best"}):
        with pytest.raises(ValueError, match=r"goes by the loss on validation samples; .* mean validation_split=0.1"):
            TrainingOptions(**asked, validation_split=0)
