"""A request is checked as a whole: all that is wrong is told at once, under the name of the option at fault."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from command import command

from reskeras import installed
from reskeras.catalogue import ARCHITECTURES, plan
from reskeras.datasets import EMBEDDED
from reskeras.installed import BACKENDS, installed_backends, resolve_backend
from reskeras.options import OptionError
from reskeras.request import check_request, default_data
from reskeras.runs import RunSettings, TrainingOptions

pytestmark = pytest.mark.any_backend

FAMILIES = sorted(name for name, entry in ARCHITECTURES.items() if not entry.extra)
"""Those that need no extra."""


def problems(architecture, options=(), training=()):
    with pytest.raises(OptionError) as caught:
        check_request(architecture, dict(options), dict(training))
    return caught.value.problems


def family_with_depths():
    """Return the name of a family whose depths have gaps, with a depth in a gap."""
    for name, entry in ARCHITECTURES.items():
        depths = entry.options().depths()
        if depths.step > 1:
            return name, depths[0] + 1
    raise AssertionError("no family of the catalogue has a rule for its depth")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_good_request_becomes_settings_and_a_plan(name):
    entry = ARCHITECTURES[name]
    data = default_data(entry)
    shape = EMBEDDED[data].shape
    # What the data decides, such as how many words there are and how long a text is, is not the tiny network's.
    decided = {"vocabulary": shape.vocabulary, "alphabet": shape.alphabet, "segments": 0}
    tiny = {key: value for key, value in entry.tiny.items() if key not in (*decided, "positions")}
    request = check_request(name, {**tiny, "depth": str(tiny["depth"])}, {"epochs": "2"})
    tiny |= {key: value for key, value in decided.items() if key in entry.options.model_fields and value is not None}
    assert request.plan == plan(name, shape.input_shape, shape.classes, **tiny)
    assert request.settings == RunSettings(
        architecture=name,
        options=entry.options(**tiny).model_dump(),
        training=TrainingOptions(epochs=2, data=data),
        input_shape=shape.input_shape,
        classes=shape.classes,
        task=entry.task,
    )
    assert RunSettings(**json.loads(request.settings.model_dump_json())) == request.settings


@pytest.mark.parametrize("name", ["red\x1b[31m.npz", "two\nlines.npz", "txt\u202ezpn.npz", os.fsdecode(b"\xff.npz")])
def test_data_whose_name_would_not_be_read_as_it_was_written_is_refused(name, tmp_path):
    path = tmp_path / name
    labels = np.arange(12) % 3
    np.savez(path, x_train=np.ones((12, 4)), y_train=labels, x_test=np.ones((12, 4)), y_test=labels)
    assert path.exists()
    told = problems("plain", training={"data": str(path)})["data"]
    assert told.startswith(f"data cannot be {str(path)!r}: ") and told.isprintable()
    assert re.search("a character in it cannot be shown.* Rename the file|bytes in it that are no text", told)
    kept = tmp_path / "größe 漢字.npz"
    path.rename(kept)
    settings = check_request("plain", {}, {"data": str(kept)}).settings
    assert RunSettings(**json.loads(settings.model_dump_json())).training.data == str(kept)


def test_nothing_asked_for_is_every_default():
    request = check_request("resnet", {}, {})
    assert request.settings.training == TrainingOptions()
    assert request.settings.options == ARCHITECTURES["resnet"].options().model_dump()


def test_everything_wrong_is_told_at_once():
    name, depth = family_with_depths()
    found = problems(
        name,
        {"depth": depth},
        {"data": "nowhere.npz", "backend": "zzz", "epochs": 0, "learning_rate": "fast", "epoch": 3},
    )
    assert set(found) == {"depth", "data", "backend", "epochs", "learning_rate", "epoch"}
    assert f"has no depth {depth} (" in found["depth"]
    assert found["data"] == "There is no file nowhere.npz."
    assert found["backend"] == "backend cannot be 'zzz' (choices: auto, tensorflow, jax, torch)."
    assert found["epochs"] == "epochs cannot be 0 (allowed: 1 to 100000). Did you mean 1?"
    assert found["epoch"].endswith("Did you mean epochs?")


def test_an_unknown_architecture_hides_no_other_problem():
    found = problems(FAMILIES[0] + "s", {"depth": 3}, {"batch_size": -1})
    assert set(found) == {"architecture", "batch_size"}
    assert found["architecture"].endswith(f"Did you mean {FAMILIES[0]}?")


def test_an_unknown_option_is_told_with_its_family():
    sentence = problems(FAMILIES[0], {"dept": 3})["dept"]
    assert sentence.startswith(f"{FAMILIES[0]} has no option 'dept' (options: depth, ")


@pytest.mark.parametrize("data", ["", None, 5])
def test_data_that_is_no_text_is_told_as_its_declaration_says(data):
    found = problems(FAMILIES[0], {}, {"data": data})
    assert list(found) == ["data"]
    assert found["data"].startswith("data cannot be empty" if data == "" else "data must be text")


def test_samples_that_the_family_does_not_take_are_the_fault_of_the_data(tmp_path):
    samples, labels = np.zeros((6, 7)), np.arange(6) % 2
    path = tmp_path / "vectors.npz"
    np.savez(path, x_train=samples, y_train=labels, x_test=samples, y_test=labels)
    picky = [entry for entry in ARCHITECTURES.values() if not entry.extra and not entry.fits("classes", "vector")]
    assert picky
    for entry in picky:
        found = problems(entry.name, {}, {"data": str(path)})
        assert set(found) == {"data"}
        kinds = " or ".join(entry.inputs)
        assert f" from {kinds} samples; {path} has vector samples of shape (7,) with one class" in found["data"]


def test_recomputation_of_segments_needs_stacks():
    assert problems("plain", training={"remat": "sqrt", "stacked": False})["remat"].endswith(
        "Did you mean remat=yes, or stacked=True?"
    )
    assert problems("densenet", training={"remat": "sqrt"})["remat"].endswith("Did you mean remat=yes?")
    check_request("densenet", {}, {"remat": "yes"})
    check_request("plain", {}, {"remat": "sqrt"})


def test_a_patch_that_does_not_fit_is_the_fault_of_the_patch():
    found = problems("transformer", {"patch": 3}, {"data": "digits"})
    assert list(found) == ["patch"]
    assert found["patch"].endswith("received 3. Did you mean 2?")


def test_backends_are_chosen_by_name_by_environment_and_by_order(monkeypatch):
    present = installed_backends()
    assert present, "the tests need one backend"
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert resolve_backend("auto") == present[0]
    for backend in present:
        assert resolve_backend(backend) == backend
        monkeypatch.setenv("KERAS_BACKEND", backend)
        assert resolve_backend("auto") == backend
    # A Keras without such a backend has its own words for that.
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    assert resolve_backend("auto") == present[0]


def missing_backend(wanted, *search_path, **environment):
    """Return what is said in a Python without site-packages, where no backend is but those on the search path."""
    program = (
        "import runpy, sys; module = runpy.run_path(sys.argv[1])\n"
        "try: module['resolve_backend'](sys.argv[2])\n"
        "except module['BackendMissing'] as error: print(error)"
    )
    command = [sys.executable, "-S", "-c", program, installed.__file__, wanted]
    environment["PYTHONPATH"] = os.pathsep.join(map(str, search_path))
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout.strip()


def test_a_backend_that_is_not_there_is_answered_with_the_command_that_brings_it(tmp_path):
    for wanted in ("auto", *BACKENDS):
        assert missing_backend(wanted) == (
            "No backend is installed: Keras computes on TensorFlow, JAX or PyTorch, and one of them is needed. "
            'Install one with, for example, python -m pip install "reskeras[tensorflow]"'
        )
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax/__init__.py").touch()
    assert missing_backend("jax", tmp_path) == ""
    assert missing_backend("torch", tmp_path) == (
        'The backend torch is not installed (installed: jax). Install it with python -m pip install "reskeras[torch]"'
    )
    assert missing_backend("auto", tmp_path, KERAS_BACKEND="torch") == (
        "KERAS_BACKEND is torch, which is not installed (installed: jax). Set it to one that is, or install torch with "
        'python -m pip install "reskeras[torch]"'
    )
    assert missing_backend("jax", tmp_path, KERAS_BACKEND="torch") == ""


def test_a_family_of_an_extra_is_listed_and_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    found = problems("keras_hub_bert", {"weights": str(tmp_path), "heads": 3})
    assert found["architecture"] == (
        "keras_hub_bert is built by keras-hub, which is not installed. Install it with "
        'python -m pip install "reskeras[text]"'
    )
    assert "heads must divide width 64" in found["heads"] and f"no weights at {tmp_path}" in found["weights"]
    assert "Did you mean remat=no?" in problems("keras_hub_gpt2", training={"remat": "yes"})["remat"]
    done = command("list", "keras_hub_bert")
    assert 'not installed: python -m pip install "reskeras[text]"' in done.out
