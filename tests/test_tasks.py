"""Every architecture learns its task from every kind of sample that it takes, is scored, saved, loaded, and asked."""

import zipfile

import keras
import numpy as np
import pytest
from reskeras_tui.answers import RIGHT, WRONG, drawn
from reskeras_tui.plots.colours import ColourDepth
from task_sets import ALL, entropy
from tiny_runs import sets as sets
from tiny_runs import trained

import reskeras
from reskeras import datasets
from reskeras.catalogue import ARCHITECTURES
from reskeras.installed import has_extra
from reskeras.options import OptionError
from reskeras.request import check_request, default_data
from reskeras.tasks import TASKS
from reskeras.training.objectives import objective

OURS = [name for name, entry in ARCHITECTURES.items() if not entry.extra]
"""Those that need no extra."""


def pair(name: str, data: str):
    """Return a family and data that it takes as parameters."""
    extra = ARCHITECTURES[name].extra
    reason = f"{extra} is not installed: pip install 'reskeras[{extra}]'"
    return pytest.param(name, data, marks=[pytest.mark.skipif(not has_extra(extra), reason=reason)] if extra else [])


def fitting(entry) -> list[str]:
    """Return the data that a family takes."""
    return [data for data, each in ALL.items() if entry.fits(each.shape.task, each.shape.kind)]


PAIRS = [pair(name, data) for name, entry in ARCHITECTURES.items() for data in fitting(entry)]


def last(run, kind: str) -> dict:
    return next(event for event in reversed(run.events()) if event["event"] == kind)


@pytest.mark.parametrize(("name", "data"), PAIRS)
def test_a_task_is_learnt_saved_and_asked(name, data, tmp_path):
    made = ALL[data].load()
    run = trained(name, f"made-up-{data}", tmp_path)
    assert last(run, "epoch")["loss"] < entropy(made)
    tested = last(run, "tested")
    assert 0 <= tested["test_accuracy"] <= 1
    assert {f"test_{score}" for score in TASKS[made.task].scores} <= set(tested)
    with zipfile.ZipFile(run.model_path) as file:
        # Keras imports no other package than its own, or keras-hub's layers where the network is made of them.
        assert b'"reskeras' not in file.read("config.json")
    network = reskeras.load(run)
    assert network.encoding == made.encoding
    check_answers(network, made)
    check_answers_told(run, network, made)


def check_answers_told(run, network, made) -> None:
    """Check that the answers that a run's events tell are those of the loaded network, and can be looked at."""
    if made.task in ("language", "game"):
        assert not any(event["event"] == "answers" for event in run.events())
        return
    told = last(run, "answers")["samples"]
    if made.task == "tags":
        found = network.predict(["".join(each["pieces"]) for each in told])
        assert [[tag for _, tag in row] for row in found] == [each["answer"] for each in told]
    else:
        raw = [each["text"] for each in told] if made.encoding.text else made.x_test[: len(told)]
        assert network.predict(raw) == [each["answer"] for each in told]
    shown = drawn({"answers": {"samples": told}}, 80, ColourDepth.NONE, True).plain
    for each in told:
        right = each["answer"] == each["true"]
        said = each["pieces"][0] if made.task == "tags" else f"{RIGHT if right else WRONG} {each['answer']}"
        assert said in shown


def check_answers(network, made) -> None:
    """Check what a loaded network says of raw samples."""
    letters = ["abc", "fd"]
    if made.task == "tags":
        assert [[word for word, _ in row] for row in network.predict(letters)] == [["a", "b", "c"], ["f", "d"]]
        assert {tag for row in network.predict(letters) for _, tag in row} <= set(made.encoding.labels)
    elif made.task == "language":
        assert len(network.generate("abc", 12)) == 12
        assert network.generate("abc", 5) == network.generate("abc", 5)
        assert [len(each) for each in network.predict(letters)] == [1, 1]
    elif made.task == "translation":
        assert all(isinstance(each, str) for each in [*network.predict(letters), *network.predict(letters, beams=3)])
    elif made.task == "game":
        moves, values = zip(*network.predict(made.x_test), strict=True)
        found = network.model.predict(made.x_test, verbose=0)
        assert list(moves) == found["output"].argmax(1).tolist()
        np.testing.assert_allclose(values, found["value"][:, 0])
    else:
        raw = letters if made.encoding.text else made.x_test
        labels = made.encoding.labels or range(made.classes)
        assert len(network.predict(raw)) == len(raw)
        assert set(network.predict(raw)) <= set(labels)


@pytest.mark.any_backend
@pytest.mark.parametrize("name", OURS)
def test_every_network_has_data_of_its_own_to_begin_with(name):
    request = check_request(name, {}, {})
    data = request.settings.training.data
    assert data == default_data(ARCHITECTURES[name])
    assert ARCHITECTURES[name].fits(ALL_SHAPES[data].task, ALL_SHAPES[data].kind)


@pytest.mark.any_backend
@pytest.mark.parametrize("name", TASKS)
def test_a_task_states_what_it_is_learnt_from_and_trained_towards(name):
    families = [entry for entry in ARCHITECTURES.values() if entry.task == name]
    assert {kind for entry in families for kind in entry.inputs} == set(TASKS[name].inputs)
    losses = keras.tree.flatten(objective(name)["loss"])
    assert tuple(type(each).__name__ for each in losses) == TASKS[name].losses


ALL_SHAPES = {name: each.shape for name, each in datasets.EMBEDDED.items()}


@pytest.mark.any_backend
@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("data", ALL)
def test_a_pair_that_does_not_fit_is_refused_with_what_does(name, data):
    entry, shape = ARCHITECTURES[name], ALL[data].shape
    if entry.fits(shape.task, shape.kind):
        return
    with pytest.raises(OptionError) as caught:
        check_request(name, {}, {"data": f"made-up-{data}"})
    assert set(caught.value.problems) == {"data"}
    told = caught.value.problems["data"]
    assert f"{name} learns {TASKS[entry.task].answer} from {' or '.join(entry.inputs)} samples" in told
    assert f"{shape.kind} samples of shape {shape.input_shape} with {TASKS[shape.task].answer}" in told
    for other in ARCHITECTURES.values():
        assert (f" {other.name}" in told.split("(networks for it:")[1].split(";")[0]) == other.fits(
            shape.task, shape.kind
        )


@pytest.mark.any_backend
def test_options_that_the_data_does_not_bear_are_refused():
    wanted = {"data": "made-up-texts"}
    assert check_request("bert", {}, wanted).settings.options["vocabulary"] == ALL["texts"].shape.vocabulary
    assert check_request("bert", {"vocabulary": 50}, wanted).settings.options["vocabulary"] == 50
    for options, at, word in (
        ({"vocabulary": 5}, "vocabulary", "Did you mean 10?"),
        ({"segments": 3}, "segments", "Did you mean 0?"),
        ({"head": "features"}, "head", "Did you mean head=classes?"),
    ):
        with pytest.raises(OptionError) as caught:
            check_request("bert", options, wanted)
        assert word in caught.value.problems[at]
    for name, options, training, at, word in (
        ("lstm_tagger", {"alphabet": 5}, {"data": "made-up-tags"}, "alphabet", "Did you mean 10?"),
        ("bert", {}, {**wanted, "characters": 3}, "characters", "changes nothing of made-up-texts"),
    ):
        with pytest.raises(OptionError) as caught:
            check_request(name, options, training)
        assert word in caught.value.problems[at]


@pytest.mark.any_backend
@pytest.mark.parametrize("name", OURS)
def test_what_a_speed_is_measured_on_is_like_the_data(name):
    from reskeras.training.measure import stand_in

    for data in fitting(ARCHITECTURES[name]):
        made = ALL[data].load()
        found = stand_in(check_request(name, {}, {"data": f"made-up-{data}"}).settings, 3)
        for wanted, given in ((made.x_train, found.x_train), (made.y_train, found.y_train)):
            sizes = (keras.tree.map_structure(lambda each: each.shape[1:], each) for each in (wanted, given))
            assert next(sizes) == next(sizes)
        if made.encoding.spelling:
            assert found.x_train[:, :, 1:].max() < made.shape.alphabet
