"""The README tells the truth: its tables, its commands, its code and its picture."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from readme import README, rendered
from script_runs import ScriptRun

from reskeras.cli import cli
from reskeras.datasets.encoding import Encoding, TextCodec
from reskeras.request import check_request
from reskeras.runs import create, keeping

TEXT = README.read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    line for kind, block in BLOCKS if kind == "bash" for line in block.splitlines() if line.startswith("reskeras ")
]
SNIPPETS = [block for kind, block in BLOCKS if kind == "python"]


class Untrained:
    """A network that answers nothing: what one answers is tested in test_predict.py."""

    task, encoding = "language", Encoding((), TextCodec("bytes"), 8)

    def generate(self, *arguments):
        return ""


def test_tables_are_rendered_from_the_declarations():
    assert rendered(TEXT) == TEXT, "run: python tests/readme.py"


def test_there_is_something_to_test():
    assert COMMANDS
    assert SNIPPETS


@pytest.mark.any_backend
def test_every_promise_has_its_test():
    promised = re.findall(r"`(tests/\S+\.py)::(\w+)`", TEXT)
    assert promised
    for file, name in promised:
        assert f"\ndef {name}(" in (README.parent / file).read_text(), f"{file} has no {name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_understood(command, monkeypatch, tmp_path):
    """What only reads is run; a training is checked as a whole, and what it does is for whoever copies it."""
    words = shlex.split(command, comments=True)[1:]
    checked = {}
    monkeypatch.setattr("reskeras.commands.train.train", lambda *arguments: checked.update(seen=arguments) or 0)
    monkeypatch.setattr("reskeras.commands.train.enqueue", lambda *arguments: checked.update(seen=arguments) or 0)
    monkeypatch.chdir(tmp_path)
    if words[0] in ("tag", "note", "rename", "delete", "restore"):
        kept = ScriptRun(tmp_path / "saved_models" / words[1]).grow([1, 2, 3, 4]).finish().run
        if words[0] == "restore":
            keeping.delete(kept)
    if words[0] in ("watch", "export"):
        ScriptRun(tmp_path / words[1]).grow([1, 2, 3, 4]).finish()
    if words[0] == "predict":
        settings = check_request("lstm_tagger", {}, {}).settings
        create(settings, tmp_path / "saved_models", words[1])
        monkeypatch.setattr("reskeras.commands.predict._loaded", lambda *arguments: Untrained())
    steered = []
    monkeypatch.setattr("reskeras.commands.control._ask", lambda *arguments: steered.append(arguments) or 0)
    if words[0] in ("pause", "set", "checkpoint", "resume", "stop"):
        # What a worker makes of them is tested with real ones.
        live = ScriptRun(tmp_path / words[1])
    if "--tensorboard" in words:
        pytest.importorskip("tensorboardX", reason="pip install 'reskeras[tensorboard]'")
    result = CliRunner().invoke(cli, [*words, "--help"] if words[0] == "doctor" else words)
    assert result.exit_code == 0, result.output
    if words[0] in ("pause", "set", "checkpoint", "resume", "stop"):
        live.close()
        assert steered
    if words[0] == "train":
        architecture, options, training = checked["seen"][:3]
        if not str(training.get("data", "")).endswith(".npz"):
            check_request(architecture, options, {**training, "backend": "auto"})


@pytest.mark.any_backend
def test_snippets_run_one_after_another(tmp_path):
    """All Python of the README as one script, in a folder with the run that it speaks of."""
    train = [sys.executable, "-m", "reskeras.cli", "train", "resnet", "--depth", "8", "--width", "4", "--steps", "5"]
    subprocess.run([*train, "--name", "my-run"], cwd=tmp_path, check=True, capture_output=True, timeout=300)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join(SNIPPETS)],
        cwd=tmp_path,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_links_and_pictures_are_there():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT):
        assert (README.parent / target).exists(), target
    pictures = [Path(README.parent / target) for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT)]
    assert pictures
    assert all("<svg" in picture.read_text()[:400] for picture in pictures)
