"""`reskeras data`: what is said of every data set, and how its samples are drawn; nothing in them steers a screen."""

import json

import numpy as np
import pytest
from command import command
from hostile import EVIL, check_shown

from reskeras.commands.drawing import drawn
from reskeras.datasets import EMBEDDED, KNOWN, Dataset

pytestmark = pytest.mark.any_backend


def test_without_a_name_all_are_listed():
    out = command("data").out
    assert all(f"  {name} " in out for name in (*EMBEDDED, *KNOWN))
    listed = json.loads(command("data", "--json").out)["data_sets"]
    assert [each["data"] for each in listed] == [*EMBEDDED, *KNOWN]


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_data_set_is_told_and_drawn(name):
    shape = EMBEDDED[name].shape
    done = command("data", name, "--samples", 5)
    assert (done.code, done.err) == (0, "")
    assert f"  task        {shape.task}\n" in done.out
    assert f"  samples     {shape.train:,} to train on, {shape.test:,} to test on\n" in done.out
    assert f"  source      {EMBEDDED[name].source}\n  baseline    {EMBEDDED[name].baseline}\n" in done.out
    assert len(done.out) > len(command("data", name, "--samples", 0).out)
    check_shown(done.out)
    told = json.loads(command("data", name, "--json").out)
    assert (told["task"], told["train"], told["test"], told["outputs"]) == (
        shape.task,
        shape.train,
        shape.test,
        shape.classes,
    )
    if shape.task == "classes":
        assert sum(each["train"] for each in told["classes"]) == shape.train
        assert sum(each["test"] for each in told["classes"]) == shape.test


def test_samples_are_the_same_until_another_seed_is_given():
    assert command("data", "digits").out == command("data", "digits").out
    assert command("data", "digits").out != command("data", "digits", "--seed", 1).out


def test_an_image_is_drawn_as_it_is():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    images[0, 0] = 255
    labels = np.array([0, 1], np.int32)
    assert drawn(Dataset(images, labels, images, labels, 2), [0]).splitlines()[:3] == ["0", "████████", ""]


def test_large_images_fit_the_screen():
    images = np.random.default_rng(0).random((2, 300, 200, 3))
    labels = np.array([0, 1], np.int32)
    assert max(map(len, drawn(Dataset(images, labels, images, labels, 2), [0, 1]).splitlines())) <= 100


def test_a_file_is_told_with_what_was_taken(tmp_path):
    (tmp_path / "train.tsv").write_text("good film\tyes\nbad film\tno\n")
    (tmp_path / "test.tsv").write_text("bad play\tno\n")
    out = command("data", tmp_path / "train.tsv").out
    assert "Trained on train.tsv, tested on test.tsv, which lies beside it." in out
    assert "yes: good film" in out
    told = json.loads(command("data", tmp_path / "train.tsv", "--json", "--level", "characters").out)
    assert (told["level"], told["input_shape"]) == ("characters", [9])
    assert told["classes"] == [{"name": "no", "train": 1, "test": 1}, {"name": "yes", "train": 1, "test": 0}]


def test_nothing_in_a_file_steers_the_screen(tmp_path):
    evil = EVIL.replace("\u2028", "")
    (tmp_path / "d.tsv").write_text(f"{evil} film\t{evil}\nbad\tno\n" * 3, "utf-8")
    (tmp_path / "d.conll").write_text(f"{evil.replace(' ', '')} {evil.replace(' ', '')}\nbad no\n\n" * 3, "utf-8")
    (tmp_path / "d.txt").write_text(evil * 30, "utf-8")
    for name in ("d.tsv", "d.conll", "d.txt"):
        done = command("data", tmp_path / name)
        assert done.code == 0
        check_shown(done.out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["digit"], "Did you mean digits?"),
        (["nowhere/d.csv"], "There is no file nowhere/d.csv."),
        (["digits", "--task", "tagging"], "task cannot be 'tagging' (choices: auto, classes, tags, language,"),
        (["digits", "--length", "1"], "length cannot be 1"),
    ],
)
def test_what_a_user_can_mend_is_told(words, sentence):
    done = command("data", *words)
    assert (done.code, done.out) == (2, "")
    assert sentence in " ".join(done.err.split())


def test_help_has_examples():
    out = command("data", "--help").out
    assert "reskeras data reviews_train.tsv --level characters" in out
    assert "--image-size" in out
