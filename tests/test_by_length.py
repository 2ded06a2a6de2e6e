"""Batches of samples of similar length: the same samples, as long as they need, in an order that the seed decides."""

import shutil

import keras
import numpy as np
import pytest
from task_sets import ALL, LENGTH, LETTERS, TEST, TRAIN
from tiny_runs import sets as sets
from tiny_runs import trained

from reskeras import datasets
from reskeras.datasets import Dataset, Embedded
from reskeras.datasets.encoding import FIRST, Encoding, padded
from reskeras.options import OptionError
from reskeras.request import check_request
from reskeras.runs import Run, checkpoints, resuming
from reskeras.runs.events import EventWriter
from reskeras.training.batches import Batches
from reskeras.training.buckets import BUCKETS, BucketedBatches, buckets, lengths


def batches(seed=3):
    return BucketedBatches(ALL["translation"].load(), np.arange(10, 380), 32, seed)


def of_epoch(epoch, skipped=0):
    # Keras ends an epoch before the first one.
    found = batches().starting_at(epoch, skipped)
    found.on_epoch_end()
    return [found[index] for index in range(len(found))]


@pytest.mark.any_backend
def test_each_sample_is_there_once_and_no_longer_than_its_like():
    data, found = ALL["translation"].load(), batches()
    assert len(found) == len(Batches(data, np.arange(10, 380), 32, 3)) == 11
    drawn = np.concatenate([found.chosen(index) for index in range(len(found))])
    assert len(drawn) == len(set(drawn.tolist())) == 352 and set(drawn) <= set(range(10, 380))
    sizes = set()
    for index in range(len(found)):
        (x, y, weights), chosen = found[index], found.chosen(index)
        size = x["source"].shape[1]
        sizes.add(size)
        assert x["samples"].shape == x["source"].shape == y.shape == weights.shape == (32, size)
        for name, each in x.items():
            assert np.array_equal(each, data.x_train[name][chosen, :size])
            assert not data.x_train[name][chosen, size:].any()
    assert 1 < len(sizes) <= BUCKETS


@pytest.mark.any_backend
def test_the_order_is_of_seed_and_epoch_and_goes_on_in_the_midst():
    whole = of_epoch(2)
    for one, other in zip(whole[4:], of_epoch(2, skipped=4), strict=True):
        assert np.array_equal(one[0]["source"], other[0]["source"])
    assert [len(each[1][0]) for each in of_epoch(1)] != [len(each[1][0]) for each in whole]


@pytest.mark.any_backend
def test_lengths_are_those_of_the_longest_input_and_buckets_are_few():
    assert lengths({"a": np.array([[5, 0, 7, 0], [0] * 4]), "b": np.array([[1, 1, 0, 0], [0] * 4])}).tolist() == [3, 1]
    assert buckets(np.arange(1, 101), 120).tolist() == [26, 51, 76, 120]
    assert buckets(np.full(9, 7), 7).tolist() == [7]


@pytest.mark.any_backend
def test_a_network_that_takes_padding_for_text_is_refused():
    with pytest.raises(OptionError) as caught:
        check_request("text_resnet", {}, {"data": "made-up-texts", "by_length": True})
    assert "passes over the padding" in caught.value.problems["by_length"]


def ragged() -> Embedded:
    """Return rows of one letter, short or long, of which the first half of the letters are of the first class."""
    draw = np.random.default_rng(5)
    y = draw.integers(0, 2, TRAIN + TEST).astype("int32")
    rows = [np.full(draw.choice([2, 2, LENGTH]), FIRST + 3 * label + draw.integers(0, 3)) for label in y]
    x, encoding = padded(rows, LENGTH), Encoding(("early", "late"), LETTERS, LENGTH)
    split = (x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:])
    data = Dataset(*split, 2, "classes", LETTERS.vocabulary, encoding)
    return Embedded("ragged, made up", data.shape, lambda: data)


def test_a_training_goes_on_in_the_midst_of_an_epoch_to_the_last_bit(tmp_path, monkeypatch):
    from reskeras.training.checkpointing import Resumption
    from reskeras.training.session import Session

    monkeypatch.setitem(datasets.EMBEDDED, "made-up-ragged", ragged())
    wanted = {"by_length": True, "steps": 26, "checkpoint_steps": 4, "keep": 9, "telemetry": "probes"}
    whole = trained("bert", "made-up-ragged", tmp_path, **wanted)
    losses = [event["loss"] for event in whole.events() if event["event"] == "epoch"]
    assert losses[-1] < losses[0] / 2
    run = Run(shutil.copytree(whole.folder, tmp_path / "again"))
    # Of ten steps an epoch; when a checkpoint is due is a matter of how long the one before took to write, too.
    within = [path for path in checkpoints.listed(run.checkpoints_path) if checkpoints.step_of(path) % 10]
    taken = next(checkpoints.step_of(path) for path in within if 1 < checkpoints.step_of(path) < 24)
    for path in checkpoints.listed(run.checkpoints_path):
        if checkpoints.step_of(path) != taken:
            path.unlink()
    lines = run.events_path.read_text().splitlines(keepends=True)
    run.events_path.write_text("".join(line for line in lines if '"end"' not in line and '"step": 26' not in line))
    found, wrong = resuming.checked(run)
    assert found.step == taken
    events = EventWriter(run.events_path)
    try:
        assert Session(run, events, None, Resumption(found, tuple(wrong))).execute() == "finished"
    finally:
        events.close()
    ours, theirs = (keras.models.load_model(each.model_path).get_weights() for each in (run, whole))
    assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
