"""`reskeras list` and `describe`, and presets wherever a family's name is taken."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from reskeras import catalogue
from reskeras.architectures import Preset
from reskeras.catalogue import ARCHITECTURES, PRESETS
from reskeras.cli import cli
from reskeras.commands.describe import count_blocks
from reskeras.options import OptionError, describe
from reskeras.request import check_request, default_data
from reskeras.tasks import TASKS

pytestmark = pytest.mark.any_backend

SMALL = Preset("small-net", {"depth": 14, "skip": "none"}, (16, 16, 3), 7, 12_345, "0.01M")


@pytest.fixture
def small(monkeypatch):
    """The name of a preset that the catalogue has during the test."""
    monkeypatch.setitem(catalogue.PRESETS, SMALL.name, (ARCHITECTURES["resnet"], SMALL))
    return SMALL.name


@pytest.fixture
def speaker(monkeypatch):
    """The name of a family that learns no classes, which the catalogue has during the test."""
    family = replace(ARCHITECTURES["transformer"], name="speaker", task="language", inputs=("tokens",))
    monkeypatch.setitem(catalogue.ARCHITECTURES, "speaker", family)
    return "speaker"


def told(*words: str) -> str:
    """Return what the command line prints."""
    result = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def strict(text: str):
    """Return what JSON says; NaN and the like are not JSON."""
    return json.loads(text, parse_constant=pytest.fail)


def test_the_list_has_every_family_and_preset_with_what_they_declare():
    listed = strict(told("list", "--json"))
    assert [row["name"] for row in listed["families"]] == list(ARCHITECTURES)
    assert [row["name"] for row in listed["presets"]] == list(PRESETS)
    assert [row["data"] for row in listed["families"]] == [default_data(each) for each in ARCHITECTURES.values()]
    for row in listed["presets"]:
        family, preset = PRESETS[row["name"]]
        assert row["family"] == family.name
        assert (row["parameters"], row["paper"], row["classes"]) == (preset.parameters, preset.paper, preset.classes)
        assert (row["input_shape"], row["options"]) == (list(preset.input_shape), dict(preset.options))
    text = told("list")
    for name, entry in ARCHITECTURES.items():
        assert re.search(rf"^{name}  {re.escape(entry.summary)}$", text, re.MULTILINE)
    for name, (_, preset) in PRESETS.items():
        assert re.search(
            rf"^  {re.escape(name)} +{preset.parameters:,} .*{re.escape(preset.paper)}", text, re.MULTILINE
        )
    assert all(line == line.rstrip() for line in text.splitlines())


def test_the_list_can_be_of_one_family_or_task(small):
    assert [row["name"] for row in strict(told("list", "plain", "--json"))["families"]] == ["plain"]
    assert [row["name"] for row in strict(told("list", small, "--json"))["families"]] == ["resnet"]
    for task in TASKS:
        wanted = [name for name, entry in ARCHITECTURES.items() if entry.task == task]
        assert [row["name"] for row in strict(told("list", "--task", task, "--json"))["families"]] == wanted
        assert (f"No family here has the task {task}." in told("list", "--task", task)) == (not wanted)
    with pytest.raises(OptionError, match=r"no architecture 'plane' .* Did you mean plain\?"):
        told("list", "plane")


def test_the_list_opens_no_heavy_library():
    program = (
        "import sys; sys.argv = ['reskeras', 'list']; from reskeras.cli import cli; cli.main(standalone_mode=False); "
        "print(*sorted({'keras', 'tensorflow', 'jax', 'torch', 'sklearn'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_a_description_tells_every_cost():
    """Two layers of 8 units on the 64 pixels of a digit, counted by hand."""
    found = strict(told("describe", "plain", "--depth", "2", "--width", "8", "--json"))
    assert found.pop("plan")["classes"] == 10
    assert found == {
        "name": "plain-2",
        "input_shape": [8, 8, 1],
        "classes": 10,
        "parameters": 65 * 8 + 9 * 8 + 9 * 10,
        "multiply_adds": 64 * 8 + 8 * 8 + 8 * 10,
        "activations": 2 * (8 + 8) + 10,
        "memory_per_sample": 4 * 42,
        "memory_of_parameters": 4 * 682,
        "blocks": 2,
    }
    text = told("describe", "plain", "--depth", "2", "--width", "8")
    for words in (
        "682 parameters (2.66 KiB in float32)",
        "656 multiply-adds",
        "42 activations",
        "(168 B in",
        "2 blocks",
    ):
        assert words in text


@pytest.mark.parametrize("name", [*ARCHITECTURES, *PRESETS])
def test_every_network_is_described(name):
    found = strict(told("describe", name, "--json"))
    assert found["parameters"] > 0 and found["activations"] > 0 and found["blocks"] > 0
    if name in PRESETS:
        preset = PRESETS[name][1]
        assert found["parameters"] == preset.parameters
        assert (found["input_shape"], found["classes"]) == (list(preset.input_shape), preset.classes)
    assert f"{found['parameters']:,} parameters" in told("describe", name)


def test_blocks_are_counted_as_papers_do():
    """Attention and feed-forward part are one layer, and transitions of a DenseNet none."""
    assert count_blocks(catalogue.plan("transformer", (8, 8, 1), 10, depth=5)) == 5
    assert count_blocks(catalogue.plan("densenet", (8, 8, 1), 10, depth=40)) == 36
    assert count_blocks(catalogue.plan("resnet", (8, 8, 1), 10, depth=20)) == 9


def test_shapes_come_from_data_or_flags_or_the_paper(small, speaker):
    def shape(*words):
        found = strict(told("describe", *words, "--json"))
        return found["input_shape"], found["classes"], found["plan"]["stages"][0]["blocks"][0]["skip"]["kind"]

    assert shape("resnet") == ([8, 8, 1], 10, "add")
    assert shape(small) == ([16, 16, 3], 7, "none")
    assert shape(small, "--data", "digits") == ([8, 8, 1], 10, "none")
    assert shape(small, "--input-shape", "9x8x1", "--skip", "scaled") == ([9, 8, 1], 7, "scaled")
    assert shape("resnet", "--classes", "5") == ([8, 8, 1], 5, "add")
    assert shape(speaker)[:2] == ([128], 10)
    with pytest.raises(ValueError, match=r"joined by x, such as 32x32x3, .* received '8,8'"):
        told("describe", "resnet", "--input-shape", "8,8")


def test_options_of_a_preset_start_from_its_own(small):
    request = check_request(small, {"width": "4"}, {})
    family = ARCHITECTURES["resnet"]
    assert request.settings.architecture == family.name
    assert request.settings.options == family.options(depth=14, skip="none", width=4).model_dump()
    assert request.settings.input_shape == (8, 8, 1)
    assert check_request(small, {"skip": "add"}, {}).settings.options["skip"] == "add"
    text = told("train", small, "--help")
    assert "12,345 parameters in the paper's setting" in text
    assert re.search(r"--depth N .*default 14\]", text, re.DOTALL)


def test_a_preset_is_trained_by_its_name(small, monkeypatch):
    asked = []
    monkeypatch.setattr("reskeras.commands.train.train", lambda *arguments: asked.append(arguments[:3]) or 0)
    told("train", small, "--skip", "add", "--epochs", "2")
    assert asked == [(small, {"skip": "add"}, {"epochs": "2"})]


def test_names_of_families_and_presets_are_told_apart():
    assert not set(ARCHITECTURES) & set(PRESETS)
    assert len(PRESETS) == sum(len(entry.presets) for entry in ARCHITECTURES.values())
    for entry in ARCHITECTURES.values():
        declared = {option.name for option in describe(entry.options)}
        assert all(set(preset.options) <= declared for preset in entry.presets)
