"""`reskeras predict` and `reskeras.load`: what was trained is asked in raw samples.

What a network of each task answers on each backend is test_tasks's; here it is how the command asks and tells.
"""

import json
import shutil
import zipfile

import numpy as np
import pytest
from command import command
from task_sets import ALL
from tiny_runs import sets as sets
from tiny_runs import trained

import reskeras
from reskeras import datasets
from reskeras.datasets import tictactoe
from reskeras.loading import ENCODING
from reskeras.runs import Run, RunError


def ask(*words, **options):
    """Return what `reskeras predict` gives."""
    return command("predict", *map(str, words), **options)


@pytest.mark.any_backend
def test_a_tagger_and_a_language_model_are_asked_by_text(tmp_path):
    tagger = trained("lstm_tagger", "made-up-tags", tmp_path)
    done = ask(tagger.folder, "abc", "fd", "--json")
    assert done.code == 0, done.err
    answers = json.loads(done.out)
    assert answers == [[list(pair) for pair in row] for row in reskeras.load(tagger).predict(["abc", "fd"])]
    assert ask(tagger.folder, "abc").out == " ".join(f"{word}/{tag}" for word, tag in answers[0]) + "\n"

    told = tagger.folder / "samples.npy"
    done = ask(tagger.folder, "--samples", told)
    assert done.code == 2 and "reads text" in done.err


@pytest.mark.any_backend
def test_a_language_model_shows_what_it_writes(tmp_path):
    run = trained("gpt", "made-up-language", tmp_path, epochs=6, learning_rate=0.03)
    shown = [event["text"] for event in run.events() if event["event"] == "sample"]
    assert shown and set("".join(shown)) <= set("abcdef")
    # The alphabet again and again is all that it has read.
    written = reskeras.load(run).generate("abc", 9, temperature=0)
    assert written == "defabcdef"
    with pytest.raises(ValueError, match=r"takes a list of texts.*Did you mean \['abc'\]"):
        reskeras.load(run).predict("abc")


def test_arrays_come_from_a_file(tmp_path):
    run = trained("plain", "made-up-vector", tmp_path, epochs=1)
    samples, path = ALL["vector"].load().x_test, tmp_path / "samples.npy"
    np.save(path, samples)
    done = ask(run.folder, "--samples", path, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == reskeras.load(run).predict(samples)
    for content, says in ((samples[:, :4], "of shape (64, 4)"), (np.array([[{}] * 6]), "no .npy file of numbers")):
        np.save(path, content)
        done = ask(run.folder, "--samples", path)
        assert done.code == 2 and says in " ".join(done.err.split())
    assert "Give --samples" in ask(run.folder).err


@pytest.mark.any_backend
def test_moves_are_told_by_name(tmp_path):
    run = trained("alphago_zero", "tictactoe", tmp_path, steps=2)
    boards, path = datasets.load("tictactoe").x_test[:5], tmp_path / "boards.npy"
    np.save(path, boards)
    found = json.loads(ask(run.folder, "--samples", path, "--json").out)
    wanted = [f"move {tictactoe.MOVES[move]}, value {value:.2f}" for move, value in found]
    assert ask(run.folder, "--samples", path).out.splitlines() == wanted


def test_a_file_from_anywhere_is_refused_with_the_reason(tmp_path, monkeypatch):
    run = trained("plain", "made-up-vector", tmp_path, epochs=1)
    moved = tmp_path / "moved.keras"
    shutil.copy(run.model_path, moved)
    network = reskeras.load(moved)
    assert network.task == "classes" and network.encoding == ALL["vector"].load().encoding

    def with_encoding(text: str | None):
        changed = tmp_path / "changed.keras"
        with zipfile.ZipFile(moved) as old, zipfile.ZipFile(changed, "w") as new:
            for name in old.namelist():
                if name != ENCODING:
                    new.writestr(name, old.read(name))
            if text is not None:
                new.writestr(ENCODING, text)
        return changed

    for text in (None, "", "[", "[" * 100_000, "{}", '{"task": "poetry"}', '{"task": "classes", "labels": 5}'):
        with pytest.raises(RunError, match="cannot be read as a trained network"):
            reskeras.load(with_encoding(text))
    bomb = tmp_path / "bomb.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file, file.open("model.weights.h5", "w") as member:
        member.write(bytes(2**24))
    with monkeypatch.context() as small:
        small.setattr("reskeras.loading.available_memory", lambda: 2**23)
        with pytest.raises(RunError, match=r"unpacks to 0\.0 GiB, and 0\.0 GiB of memory are left"):
            reskeras.load(bomb)
    (tmp_path / "none.keras").write_bytes(b"PK nothing")
    for path in (tmp_path / "none.keras", tmp_path / "missing.keras"):
        with pytest.raises(RunError, match="cannot be read as a trained network"):
            reskeras.load(path)
    run.model_path.unlink()
    with pytest.raises(RunError, match="has no trained network yet"):
        reskeras.load(Run(run.folder))
