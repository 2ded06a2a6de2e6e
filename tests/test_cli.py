"""The command line as a user has it: real processes from the command to the finished folder."""

import json
import os
import pty
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from command import command
from rich.cells import cell_len
from workbench import (
    DEADLINE,
    ENDLESS,
    ended,
    environment,
    events,
    left_over,
    message,
    reskeras,
    start_reskeras,
    wait_for,
)

from reskeras.run_table import runs_lines
from reskeras.runs import Run

pytest_plugins = ["workbench"]

TINY = ("--depth", "2", "--width", "8")


def test_train_ends_with_a_complete_folder(finished, backend):
    run, done = finished.run, finished.done
    assert done.returncode == 0, done.stderr
    assert run.state() == "finished"
    assert run.settings.training.seed == 7
    for path in (run.folder / "weights.json", run.log_path, run.model_path):
        assert path.is_file()
    assert left_over(run) == []
    # A thread of its own writes the checkpoint of the end, while the last epoch is validated; that of the best epoch
    # comes before, if it was another.
    taken = [event["step"] for event in events(run, "checkpoint")]
    assert taken[-1] == 50 and taken == sorted({20, 40, 50} & set(taken))
    assert [event["event"] for event in run.events() if event["event"] not in ("checkpoint", "memory")] == [
        "starting", "built", "training", "epoch", "epoch", "epoch", "telemetry", "tested", "answers", "exported", "end",
    ]  # fmt: skip
    assert events(run, "starting")[0]["backend"] == backend
    assert [epoch["step"] for epoch in events(run, "epoch")] == [20, 40, 50]
    norms, curve = run.series("gradient_norm", "weight"), run.curve()
    assert norms.last.tolist() == list(range(1, 51))
    assert norms.median.shape == (50, len(run.weights()))
    assert (norms.median > 0).all()
    assert curve["step"][-1] == 50
    assert (np.diff(curve["step"].astype(int)) > 0).all()
    assert (np.diff(curve["seconds"]) > 0).all()


def test_train_prints_json_alone_on_stdout_and_progress_on_stderr(finished, backend):
    run, done = finished.run, finished.done
    outcome = json.loads(done.stdout)
    [verdict] = outcome.pop("verdicts")
    assert (verdict["kind"], verdict["numbers"]["steps"]) == ("healthy", 50)
    assert f"✔ healthy: {verdict['text'][:60]}" in done.stderr
    assert outcome == {**run.summary(), "folder": "saved_models/first"}
    assert (outcome["state"], outcome["step"], outcome["steps"]) == ("finished", 50, 50)
    assert 0 <= outcome["test_accuracy"] <= 1
    for words in ("first  682 parameters", f"50 steps on {backend}", "epoch 3  step 50", "test accuracy"):
        assert words in done.stderr
    assert done.stderr.endswith("finished: saved_models/first/model.keras\n")
    assert "\x1b" not in done.stderr


def test_runs_lists_what_there_is(finished):
    home = finished.run.folder.parents[1]
    listed = json.loads(reskeras("runs", "--json", cwd=home).stdout)
    assert [each["run"] for each in listed] == ["first"]
    assert listed[0] == {**finished.run.summary(), "folder": listed[0]["folder"]}
    assert reskeras("verdict", "first", cwd=home).stdout.startswith("✔ healthy: Nothing wrong was found in 50 steps")
    table = reskeras("runs", cwd=home)
    assert table.returncode == 0
    assert re.search(r"first +✔ finished .* 682 +50/50", table.stdout)


def write_run(folder, settings="{", curve=None):
    """Write a folder that counts as a run, without a worker."""
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text(settings)
    if curve is not None:
        (folder / "curve.rows").write_bytes(curve.tobytes())


def test_runs_shows_damaged_diverged_and_oddly_named_runs(finished, tmp_path):
    settings = finished.run.settings_path.read_text()
    curve = np.array(finished.run.curve())
    curve["loss"] = np.nan
    write_run(tmp_path / "saved_models/diverged", settings, curve)
    write_run(tmp_path / "saved_models/odd[red]", settings)
    write_run(tmp_path / "saved_models/damaged")
    done = reskeras("runs", "--json", cwd=tmp_path)
    strict = {each["run"]: each for each in json.loads(done.stdout, parse_constant=pytest.fail)}
    assert strict["diverged"]["loss"] is None
    assert strict["damaged"]["state"] == "unreadable"
    assert "is not JSON" in strict["damaged"]["reason"]
    table = reskeras("runs", cwd=tmp_path).stdout
    assert re.search(r"damaged +\? unreadable", table)
    assert re.search(r"odd\[red\] +☠ crashed", table)
    assert re.search(r"diverged +☠ crashed .* nan", table)


def test_a_run_is_one_line_of_the_table_whatever_the_width(finished):
    summary = {
        **finished.run.summary(),
        "run": "resnet-56-none-digits-1",
        "backend": "tensorflow",
        "parameters": 852730,
    }
    summary |= {"step": 200, "steps": 200, "validation_accuracy": 0.9306}
    for width, shown in ((80, False), (120, True), (None, True)):
        heading, line = runs_lines([summary], width)
        assert "resnet-56-none-digits-1" in line and "93.06%" in line
        assert ("tensorflow" in line) == ("parameters" in heading) == shown
        assert width is None or cell_len(line) <= width
    assert "resnet-56-n…  " in runs_lines([summary], 20)[1]


@pytest.mark.any_backend
def test_runs_in_what_is_no_folder_are_refused(tmp_path):
    (tmp_path / "file").touch()
    done = reskeras("runs", "--runs", "file", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: file is not a folder of runs. Name another one with --runs.\n"


@pytest.mark.any_backend
def test_runs_of_an_empty_folder_says_how_to_start(tmp_path):
    done = reskeras("runs", cwd=tmp_path)
    assert done.stdout == "No runs in saved_models yet. Start one with: reskeras train resnet\n"
    assert json.loads(reskeras("runs", "--json", "--runs", tmp_path, cwd=tmp_path).stdout) == []


@pytest.mark.any_backend
def test_the_plan_is_described_without_making_anything(tmp_path):
    done = reskeras("describe", "plain", *TINY, "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["parameters"] == 682
    assert "682 parameters" in reskeras("describe", "plain", *TINY, cwd=tmp_path).stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.any_backend
@pytest.mark.parametrize("command", [(), ("train",), ("describe",)], ids=" ".join)
def test_a_command_that_is_not_whole_shows_its_help_as_it_is(command, tmp_path):
    done = reskeras(*command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ")
    assert re.search(r"^Commands:$", done.stderr, re.MULTILINE)
    assert reskeras(*command, "--help", cwd=tmp_path).stdout.strip() == done.stderr.strip()


def samples(**changes):
    """Return the arrays of a small data set of flat samples in three classes."""
    values = np.random.default_rng(0).normal(size=(40, 5))
    labels = np.arange(40) % 3
    return {"x_train": values[:30], "y_train": labels[:30], "x_test": values[30:], "y_test": labels[30:], **changes}


BAD_DATA = {
    "lacking": ({"y_test": None}, r"lacks y_test \(it must hold x_train, y_train, x_test, y_test"),
    "too-flat": ({"x_train": np.ones(30)}, r"x_train has shape \(30,\); samples must be \(samples, features\)"),
    "unlike": ({"x_test": np.ones((10, 4))}, r"x_train have shape \(5,\) and samples of x_test \(4,\); .* alike"),
    "unpaired": ({"y_train": np.zeros(29, int)}, r"y_train has shape \(29,\); it must be \(30,\)"),
    "negative": ({"y_train": np.arange(30) - 1}, r"y_train holds the label -1; labels must be class numbers from 0"),
    "outside": ({"y_test": np.full(10, 3)}, r"y_test holds the label 3; the labels of y_train are 0 to 2"),
    "halves": ({"y_train": np.full(30, 0.5)}, r"y_train must hold whole class numbers from 0; it holds float64"),
}


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """A function that has a command refused in a folder, in this process, and returns what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def refused(*words):
        code, out, err = command(*words)
        assert (code, out) == (2, "")
        return message(subprocess.CompletedProcess(words, code, out, err))

    return refused


@pytest.mark.any_backend
@pytest.mark.parametrize("name", BAD_DATA)
def test_data_that_does_not_fit_is_refused(name, tmp_path, refused):
    changes, told = BAD_DATA[name]
    arrays = {key: value for key, value in samples(**changes).items() if value is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    assert re.search(told, refused("train", "plain", "--data", "bad.npz"))
    assert [path.name for path in tmp_path.iterdir()] == ["bad.npz"]


BAD_COMMANDS = {
    "train plane": r"no architecture 'plane' \(architectures: resnet, plain, .*\)\. Did you mean plain\?",
    "train resnet --depth 57": r"ResNet has no depth 57 \(it has 6n\+2 .*50, 56, 62, .*\)\. Did you mean 56\?",
    "train plain --depth 0": r"depth cannot be 0 \(allowed: 1 to 1000\)\. Did you mean 1\?",
    "train plain --width wide": r"width must be a whole number \(allowed: 1 to 4096\); received 'wide'",
    "train plain --activation reluu": r"'reluu' \(choices: tanh, relu, .*\)\. Did you mean relu\?",
    "train plain --optimizer adan --epochs 0": r"epochs cannot be 0 .* optimizer .* 'adan' .* Did you mean adam",
    "train plain --dpeth 3": r"No such option '?--dpeth'?.*--depth.*Try .* train plain --help",
    "train plain --depth": r"Option '--depth' requires an argument",
    "train plain 3": r"unexpected extra argument.*Try .* train plain --help",
    "train plain --data digts": r"no data set 'digts' \(data sets: digits, .*\)\. Did you mean digits\?",
    "train plain --data flat.npy": r"no data set 'flat.npy' .* the path of your own: an .npz file",
    "train plain --data flt.npz": r"There is no file flt.npz\. Did you mean flat.npz\?",
    "train resnet --data flat.npz": r"\bimages?\b.*\(5,\)|\(5,\).*\bimages?\b",
    "train plain --name a/b": r"A run cannot be called 'a/b': its name is a folder's name, without slashes",
    "train plain --name ..": r"A run cannot be called '\.\.'",
    "train plain --name taken": r"There is a run 'taken' in saved_models already\. Choose another name",
    "train plain --runs flat.npz": r"No run can be made in .*/flat.npz: it is not a folder\. .* --runs",
    "train plain --runs flat.npz/sub": r"No run can be made in .*/flat.npz/sub: Not a directory\. .* --runs",
    "train plain --seed -1 --precision half": r"seed cannot be -1 .* precision cannot be 'half' \(choices: float32, ",
    "rnus": r"No such command 'rnus'\.",
}  # fmt: skip


@pytest.mark.any_backend
@pytest.mark.parametrize("words", BAD_COMMANDS)
def test_what_a_user_can_mend_is_told_in_one_paragraph_and_leaves_nothing(words, tmp_path, refused):
    np.savez(tmp_path / "flat.npz", **samples())
    (tmp_path / "saved_models/taken").mkdir(parents=True)
    there = sorted(tmp_path.rglob("*"))
    assert re.search(BAD_COMMANDS[words], refused(*words.split()))
    assert sorted(tmp_path.rglob("*")) == there


HIDE = """
import importlib.util, sys
find, hidden = importlib.util.find_spec, sys.argv.pop(1).split(",")
importlib.util.find_spec = lambda name, *rest: None if name in hidden else find(name, *rest)
from reskeras.cli import main
main()
"""


def test_without_any_backend_the_error_names_the_command_that_installs_one(tmp_path):
    command = [sys.executable, "-c", HIDE, "tensorflow,jax,torch", "train", "plain"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert done.returncode == 2
    told = message(done)
    assert "No backend is installed: Keras computes on TensorFlow, JAX or PyTorch" in told
    assert 'python -m pip install "reskeras[tensorflow]"' in told
    assert list(tmp_path.iterdir()) == []


LIBRARY = """
import importlib.util, os, sys
os.environ["KERAS_BACKEND"], hidden = sys.argv[1], sys.argv[2].split(",")

class Hidden:
    def find_spec(name, path=None, target=None):
        if name in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden)
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in hidden else find(name, *rest)
import reskeras
try:
    reskeras.build("plain", input_shape=(4,), classes=2)
except ModuleNotFoundError as error:
    print(type(error).__name__, error)
"""


def test_the_library_says_how_to_get_the_backend_that_keras_wants(backend):
    missing = "torch" if backend != "torch" else "jax"
    for hidden, wanted in (
        (missing, rf"not installed \(installed: .*{backend}.*Set KERAS_BACKEND=\w+ before .*reskeras\[{missing}\]"),
        ("tensorflow,jax,torch", r"No backend is installed: .*reskeras\[tensorflow\]"),
    ):
        command = [sys.executable, "-c", LIBRARY, missing, hidden]
        done = subprocess.run(command, capture_output=True, text=True, env=environment())
        assert re.search(f"BackendMissing .*{wanted}", done.stdout), done.stdout + done.stderr


def test_a_backend_that_is_missing_is_named_with_the_command_that_installs_it(tmp_path, backend):
    missing = "torch" if backend != "torch" else "jax"
    command = [sys.executable, "-c", HIDE, missing, "train", "plain", "--backend", missing]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert done.returncode == 2
    told = message(done)
    assert re.search(rf"backend {missing} is not installed \(installed: .*{backend}", told)
    assert f'python -m pip install "reskeras[{missing}]"' in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.any_backend
def test_an_error_is_told_on_a_terminal_that_was_never_given_a_size(tmp_path):
    ours, theirs = pty.openpty()
    process = start_reskeras("train", "plane", cwd=tmp_path, stdout=theirs, stderr=theirs)
    os.close(theirs)
    assert process.wait(DEADLINE) == 2
    told = os.read(ours, 65536).decode()
    os.close(ours)
    assert told.startswith("Error: There is no architecture 'plane'")


def train_endlessly(tmp_path, *arguments, **options):
    """Start a training through the command line; return its process and its run once it has trained some steps."""
    command = ("train", "plain", *TINY, "--steps", ENDLESS, "--name", "endless", *arguments)
    process = start_reskeras(*command, cwd=tmp_path, **options)
    run = Run(tmp_path / "saved_models/endless")
    wait_for(lambda: len(run.curve()) or process.poll() is not None, "the first point of the curve")
    assert process.poll() is None, process.communicate()
    return process, run


def test_an_interruption_stops_the_training_and_saves_the_network(tmp_path):
    process, run = train_endlessly(tmp_path, "--json")
    process.send_signal(signal.SIGINT)
    done = ended(process)
    assert done.returncode == 0, done.stderr
    assert "Stopping after this step and saving the network" in done.stderr
    assert re.search(r"^stopped: .*model\.keras$", done.stderr, re.MULTILINE)
    outcome = json.loads(done.stdout)
    assert (outcome["state"], outcome["run"]) == ("stopped", "endless")
    assert run.model_path.is_file()
    assert len(events(run, "stopping")) == 1


TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.any_backend
def test_a_second_interruption_ends_the_training_at_once(tmp_path):
    """With real keys on a real terminal, of which the worker must hear nothing but through the command line."""
    ours, theirs = pty.openpty()
    command = ["-m", "reskeras.cli", "train", "plain", *TINY, "--steps", str(ENDLESS), "--name", "endless"]
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, *command],
        cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment(),
    )  # fmt: skip
    os.close(theirs)
    run, shown = Run(tmp_path / "saved_models/endless"), bytearray()

    def shows(words):
        # Read all along: a terminal that nobody reads makes whoever writes to it wait.
        try:
            shown.extend(os.read(ours, 65536))
        except OSError:
            return True
        return words in shown

    wait_for(lambda: shows(b"accuracy"), "numbers on the terminal")
    os.write(ours, b"\x03")
    wait_for(lambda: shows(b"Stopping after this step"), "the answer to the first interruption")
    os.write(ours, b"\x03")
    wait_for(lambda: shows(b"\0") or process.poll() is not None, "the end")
    os.close(ours)
    assert process.wait(DEADLINE) in (0, 1)
    assert run.state() == "stopped"
    assert not run.is_live()


@pytest.mark.any_backend
def test_the_training_outlives_a_killed_command_line(tmp_path):
    process = start_reskeras("train", "plain", *TINY, "--steps", "30", "--name", "orphan", cwd=tmp_path)
    run = Run(tmp_path / "saved_models/orphan")
    wait_for(lambda: events(run, "starting"), "the worker")
    os.killpg(process.pid, signal.SIGKILL)
    assert ended(process).returncode == -signal.SIGKILL
    assert run.is_live()
    wait_for(lambda: not run.is_live(), "the end of the training")
    assert run.state() == "finished"
    assert run.model_path.is_file()
