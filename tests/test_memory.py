"""Memory that runs out: what a training is expected to take, what is said of it, and smaller batches."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from workbench import environment, events, left_over, reskeras

from reskeras import machine, memory, runs
from reskeras.installed import installed_backends
from reskeras.machine import Killings
from reskeras.request import check_request
from reskeras.runs import Run, listing, shortage
from reskeras.runs.events import EventWriter
from reskeras.training.shortage import is_one

pytest_plugins = ["workbench"]


@pytest.mark.any_backend
@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_a_limit_of_the_process_is_counted(kind):
    """What Python says of its memory is compared with what it can allocate."""
    program = (
        "import resource, sys; from reskeras import machine; limit = 2**30\n"
        f"resource.setrlimit(resource.{kind}, (limit, limit)); room, taken = machine.room(), machine.resident()\n"
        "assert taken < room <= limit + taken, (taken, room)\n"
        "kept = bytearray(int(0.9 * (room - taken)))\n"
        "try: more = bytearray(int(0.2 * room))\n"
        "except MemoryError: print('full')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    assert done.stdout == "full\n", done.stderr


@pytest.mark.any_backend
def test_the_smallest_limit_of_a_group_and_those_around_it_is_counted(tmp_path):
    def group(path, limit, usage, cached):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
        for name, content in (("memory.max", limit), ("memory.current", usage)):
            (tmp_path / path / name).write_text(f"{content}\n")
        (tmp_path / path / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")

    group("a", 1000, 700, 100)
    group("a/b", "max", 300, 0)
    group("a/b/c", 600, 250, 30)
    names = "memory.max", "memory.current", "inactive_file"
    assert list(machine._left(tmp_path, "/a/b/c", *names)) == [600 - 250 + 30, 1000 - 700 + 100]
    assert list(machine._left(tmp_path, "/elsewhere", *names)) == []


def asked(architecture="plain", options=None, **training):
    options = options or {"depth": 2, "width": 8}
    return check_request(architecture, options, {"backend": installed_backends()[0], **training})


@pytest.mark.any_backend
def test_a_batch_is_no_more_than_there_are_samples():
    """Of 1,437 digits a tenth is kept aside: 1,293 are trained on."""
    assert memory.estimate(asked(batch_size=60_000)).batch_size == 1293
    assert memory.estimate(asked(batch_size=60_000, validation_split=0)).batch_size == 1437
    assert memory.estimate(asked(batch_size=60)).batch_size == 60


@pytest.mark.any_backend
@pytest.mark.parametrize(
    ("room", "batch"),
    [
        pytest.param(100 + 50 + 6400, 32, id="expected to fit, and did not: half of it is expected to take half"),
        pytest.param(100 + 50 + 3200, 16, id="half of it would take all"),
        pytest.param(100 + 50 + 50, 0, id="not one"),
        pytest.param(100, 0, id="nothing but the process"),
        pytest.param(10**6, 32, id="much more than was expected is taken"),
        pytest.param(None, 32, id="nobody knows"),
    ],
)
def test_the_batch_to_try_next(room, batch):
    need = memory.Memory(process=100, weights=50, activations=6400, batch_size=64)
    assert need.smaller(room) == batch


@pytest.mark.any_backend
def test_what_is_computed_again_is_not_kept():
    """Of ten equal blocks of n numbers, all that are kept are what goes into them and one of them."""
    options = {"depth": 32, "skip": "add"}
    whole, again = (memory.estimate(asked("resnet", options, remat=remat)) for remat in ("no", "yes"))
    assert again.weights == whole.weights and again.process == whole.process
    # Blocks of a basic ResNet write two convolutions, two norms, two activations and a sum, all of one size.
    assert 1 / 7 < again.activations / whole.activations < 1 / 2
    half = memory.estimate(asked("resnet", options, precision="mixed_bfloat16"))
    assert half.activations == pytest.approx(whole.activations / 2, rel=1e-3)


@pytest.mark.any_backend
def test_what_would_fit_is_named():
    request = asked("resnet", {"depth": 110, "width": 256})
    one = memory.estimate(asked("resnet", {"depth": 110, "width": 256}, batch_size=1))
    room = int(1.05 * (one.process + one.weights))
    told = memory.advice(request.settings, room)
    found = dict(re.findall(r"--(\w+) (\d+)", told))
    assert found.keys() == {"width", "depth"}
    for name, value in found.items():
        smaller = asked("resnet", {"depth": 110, "width": 256, name: int(value)}, batch_size=1)
        assert memory.estimate(smaller).total <= room
    assert memory.advice(request.settings, 2**20).startswith("Choose a smaller width or depth")


SHORT = {
    "Python": MemoryError(),
    "C++ through pybind": MemoryError("std::bad_alloc"),
    "numpy": np._core._exceptions._ArrayMemoryError((2**40,), np.dtype("float32")),
    "PyTorch on a CPU": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:128] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 137438953472 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "PyTorch on a GPU": RuntimeError(
        "CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 31.75 GiB total capacity"
    ),
    "cuBLAS": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "XLA on a CPU": RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1099511627776 bytes."),
    "XLA on a GPU": RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 214748364800 bytes."),
    "TensorFlow": ValueError(
        "Graph execution error: OOM when allocating tensor with shape[128,112,112,147] and type float on "
        "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc [Op:__inference_one_step_on_data_4]"
    ),
    "the system": OSError(12, "Cannot allocate memory"),
}


@pytest.mark.any_backend
@pytest.mark.parametrize("name", SHORT)
def test_every_library_s_word_for_it_is_known(name):
    assert is_one(SHORT[name])
    try:
        try:
            raise SHORT[name]
        except Exception as error:
            raise KeyError("something else") from error
    except KeyError as error:
        assert is_one(error)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), ValueError("no batch"), runs.RunError("out of memory"), KeyError(1)],
)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_one(error)


BOOT = "5ff9a2c3"


@pytest.fixture
def killed(tmp_path):
    """Makes a run whose worker was killed, with what it told of its memory."""

    def make(printed=b"", ending=(), **facts):
        run = runs.create(asked().settings, tmp_path / "runs")
        run.log_path.write_bytes(b"an earlier one: std::bad_alloc\n")
        account = {"room": 1000, "expected": 100, "resident": 50, "fits": 8, "boot": BOOT, "killings": 3}
        writer = EventWriter(run.events_path)
        writer.write("starting", backend="jax", pid=1)
        writer.write("memory", batch_size=32, log=run.log_path.stat().st_size, **{**account, **facts})
        for kind in ending:
            writer.write(kind, status="stopped")
        writer.close()
        with run.log_path.open("ab") as log:
            log.write(printed)
        return run

    return make


EVIDENCE = {
    "the system ended a process, and it was expected to take more than there was": (
        {"expected": 1200, "killings": 2},
        r"the system has ended a process for want of memory since it began, .* expected to take 1\.2 kB of the 1 kB",
    ),
    "the system ended processes, and it took most of what there was": (
        {"expected": 10, "resident": 700, "killings": 1}, r"ended 2 processes .* it took 700 B of the 1 kB"
    ),
    "it took all there was": ({"resident": 950}, r"killed while it took 950 B of the 1 kB"),
    "the backend broke off, and it was expected to take more than there was": (
        {"expected": 1200, "printed": b"Fatal Python error: Segmentation fault\n"},
        r"the backend broke off, and it was expected to take 1\.2 kB of the 1 kB",
    ),
    "it says so itself": (
        {"printed": b"terminate called after throwing an instance of 'std::bad_alloc'\n"},
        r"the last that the worker printed says so, and it was expected to take 100 B of the 1 kB",
    ),
    "it says so itself, and nobody knows how much there was": (
        {"printed": b"LLVM ERROR: out of memory\n", "room": None}, r"the last that the worker printed says so\."
    ),
}  # fmt: skip


@pytest.mark.any_backend
@pytest.mark.parametrize("name", EVIDENCE)
def test_a_killed_worker_s_memory_is_suspected_on_evidence(name, killed, monkeypatch):
    monkeypatch.setattr(shortage, "killings", lambda: Killings(BOOT, 3))
    facts, told = EVIDENCE[name]
    run = killed(**facts)
    record = listing.record(str(run.folder))
    assert record["state"] == "crashed"
    assert re.match(rf"Memory probably ran out: .*{told}", record["reason"])
    assert "--batch-size 8, or with --auto-batch" in record["reason"]


NO_EVIDENCE = {
    "the backend broke off, and there was memory": {"printed": b"Fatal Python error: Segmentation fault\n"},
    "the system ended nothing since, and it was killed before it took much": {"expected": 1200},
    "nothing but the kill": {},
    "the system ended a process, and this one was small": {"killings": 2},
    "of another start of the system": {"expected": 1200, "killings": 2, "boot": "other"},
    "nobody knows how much there was": {"expected": 1200, "killings": 2, "room": None},
    "it ended by itself": {"expected": 1200, "killings": 2, "resident": 990, "ending": ("end",)},
    "words of another kind": {"printed": b"Killed\n"},
}


@pytest.mark.any_backend
@pytest.mark.parametrize("name", NO_EVIDENCE)
def test_without_evidence_nothing_is_claimed(name, killed, monkeypatch):
    monkeypatch.setattr(shortage, "killings", lambda: Killings(BOOT, 3))
    run = killed(**NO_EVIDENCE[name])
    assert listing.record(str(run.folder))["reason"] is None


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Many small samples, of which a batch takes much memory in a deep network and little arithmetic."""
    random, count = np.random.default_rng(0), 36_000
    x = random.normal(size=(count, 8)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    path = tmp_path_factory.mktemp("samples") / "many.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:100], y_test=y[:100])
    return path


DEEP = {"depth": 60, "width": 64}

SPARE = 400 * 2**20
"""Bytes that a worker may take besides its process."""


def training(samples, **changes):
    """Return what `bench.prepare` takes: one epoch, of one step where the batch is as large as can be."""
    return {"options": DEEP, "data": str(samples), "batch_size": 32_000, "epochs": 1, "keep": 1, **changes}


def test_a_training_without_memory_says_what_fits_and_that_does_fit(bench, samples):
    run = bench.prepare(**training(samples))
    worker = bench.start(run, memory=SPARE)
    assert worker.wait()
    # A library that gets no memory may break the process off.
    assert run.state() in ("failed", "crashed") and not run.model_path.exists() and left_over(run) == []
    reason = listing.record(str(run.folder))["reason"]
    told = r"^(Out of memory|Memory probably ran out): .* expected to take [\d.]+ [MG]B,? of the [\d.]+ [MG]B"
    assert re.search(told, reason), (reason, run.log_path.read_text())
    batch = int(re.search(r"A batch of [\d,]+ should fit: train anew with --batch-size (\d+), or", reason)[1])
    assert 32_000 % batch == 0 and batch < 32_000
    again = bench.start(bench.prepare(**training(samples, batch_size=batch)), memory=SPARE)
    assert again.wait() == 0, again.run.log_path.read_text()
    assert events(again.run, "memory")[-1]["resident"] > events(again.run, "memory")[0]["resident"]


def test_a_batch_that_is_expected_not_to_fit_is_not_begun_with(bench, samples):
    run = bench.prepare(**training(samples, auto_batch=True))
    # What the compiler takes for itself is not known beforehand: it may be too large even so, and is halved then.
    if bench.start(run, memory=SPARE).wait():
        assert listing.record(str(run.folder))["reason"].startswith("Out of memory"), run.log_path.read_text()
    [told] = events(run, "batch")
    assert told["before"] == 32_000 and "A batch of 32,000 was expected to take" in told["text"]
    assert Run(run.folder).settings.training.batch_size == told["batch_size"] < 32_000
    assert len(events(run, "starting")) == 1


SHORT_OF_MEMORY = """
import re
import resource
from pathlib import Path

from reskeras import machine, memory
from reskeras.training.shortage import Account

memory.BYTES = dict.fromkeys(memory.BYTES, 0)
known = Account.compute_on


def limited(account, kind, capacity):
    taken = int(re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (taken + SPARE, taken + SPARE))
    account._room = machine.room()
    known(account, kind, capacity)


Account.compute_on = limited
"""
"""Has activations expected to take no memory, so that only trying tells, and little of it left for them."""


@pytest.mark.any_backend
def test_a_smaller_batch_is_tried_where_memory_runs_out(bench, samples, tmp_path, backend):
    """It comes to the same as a training that had the smaller batch from the beginning."""
    (tmp_path / "sitecustomize.py").write_text(SHORT_OF_MEMORY.replace("SPARE", str(SPARE)))
    words = [
        f"--{name}={value}" for name, value in {**DEEP, "data": samples, "batch-size": 32_000, "epochs": 1}.items()
    ]
    done = reskeras(
        "train", "plain", *words, "--auto-batch", "--backend", backend, "--name", "found", "--json", cwd=tmp_path,
        env=environment(PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path])),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = Run(tmp_path / "saved_models/found")
    assert run.state() == "finished" and left_over(run) == []
    tried = [event["batch_size"] for event in events(run, "batch")]
    assert tried == [32_000 // 2**number for number in range(1, len(tried) + 1)]
    assert len(events(run, "starting")) == len(tried) + 1
    told = re.sub(r"\s+", " ", done.stderr)
    assert f"The training begins with a batch of {tried[0]:,} instead; the learning rate stays at 0.001." in told
    assert run.settings.training.batch_size == tried[-1]
    same = bench.train(**training(samples, batch_size=tried[-1]))
    assert (run.folder / "weights.rows").read_bytes() == (same.folder / "weights.rows").read_bytes()
    assert events(run, "tested")[0]["test_loss"] == events(same, "tested")[0]["test_loss"]
