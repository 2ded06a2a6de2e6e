"""What was measured is kept, found again where it holds, never trusted blindly, and `auto` chooses by it."""

import json
import math
import os
import time

import pytest
from timed import ALL, asked, measured

from reskeras import doctor, installed, speeds
from reskeras.commands.doctor import _diagnosis
from reskeras.options import OptionError
from reskeras.speeds import Workload, choose, fastest, keep, kept, nearest
from reskeras.training.pace import Pace

pytest_plugins = ["timed"]

TIMES = {"jax": (9.0, 0.010), "tensorflow": (3.0, 0.030), "torch": (0.5, 0.050)}

CHOICES = {
    "a short run by its first step": ({name: TIMES[name] for name in ALL}, 1, "torch"),
    "a longer one by both": ({name: TIMES[name] for name in ALL}, 150, "tensorflow"),
    "a long one by its steps": ({name: TIMES[name] for name in ALL}, 10_000, "jax"),
    "the best of the known": ({"torch": TIMES["torch"]}, 10_000, "torch"),
    "the usual where nothing is known": ({}, 10_000, "jax"),
    "none that was too slow to be measured": ({"jax": (60.0, None), "torch": TIMES["torch"]}, 1, "torch"),
    "the usual of those not known to be too slow": ({"jax": (60.0, None)}, 1, "tensorflow"),
    "the usual where all were too slow": ({name: (60.0, None) for name in ALL}, 1, "jax"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_backend_is_chosen_on_which_the_run_ends_first(name):
    times, steps, wanted = CHOICES[name]
    known = {backend: measured(backend, step, first) for backend, (first, step) in times.items()}
    assert fastest(known, ALL, steps) == wanted


def test_networks_are_compared_by_what_a_step_computes():
    def workload(**options):
        request = asked(**options)
        return Workload.of(request.settings, request.plan)

    base = workload()
    assert base.ratio(workload(training={"learning_rate": 0.3, "seed": 5, "epochs": 9, "steps": 7})) == 1
    assert base.ratio(workload(depth=16)) == workload(depth=16).ratio(base)
    assert base.ratio(workload(training={"batch_size": 96})) == 3
    # Seven of eight layers have width x width weights; four times as many in all but the first and the last.
    assert 3 < base.ratio(workload(width=128)) < 4
    other_kinds = ({"activation": "relu"}, {"training": {"optimizer": "sgd"}})
    for change in (*other_kinds, {"training": {"precision": "mixed_bfloat16"}}):
        assert base.ratio(workload(**change)) == math.inf
    assert base.ratio(workload(architecture="highway", width=64)) == math.inf


def test_backends_are_compared_on_one_workload():
    request, near, far = asked(), asked(depth=12), asked(depth=64)
    workload = Workload.of(request.settings, request.plan)

    def found(*measurements):
        return nearest(workload, measurements, ALL)

    here, alike = ([measured(name, request=one) for name in ALL] for one in (request, near))
    assert found(*here, *alike) == dict(zip(ALL, here, strict=True))
    assert found(*here[:2], *alike) == dict(zip(ALL, alike, strict=True))
    assert found(*here[:2], *alike[:2]) == dict(zip(ALL[:2], here[:2], strict=True))
    assert found(*alike[:2]) == {}
    assert found(*(measured(name, request=far) for name in ALL)) == {}
    assert nearest(workload, here, ALL[1:]) == dict(zip(ALL[1:], here[1:], strict=True))


def test_what_is_kept_is_found_again_and_the_shorter_times_stay(cache):
    assert kept() == []
    first = measured("torch", 0.02, 3.0)
    assert keep(first)
    assert kept() == kept("plain") == [first]
    assert kept("resnet") == []
    for step, first_step, expected in ((0.05, 1.0, (0.02, 1.0)), (None, 60.0, (0.02, 1.0)), (0.01, 9.0, (0.01, 1.0))):
        assert keep(measured("torch", step, first_step))
        [now] = kept()
        assert (now.step, now.first_step) == expected
    assert (
        keep(measured("torch", 0.04, request=asked(depth=9)))
        and keep(measured("jax", None, 60.0))
        and keep(measured("jax", 0.5, 70.0))
    )
    assert {(each.backend, each.step) for each in kept()} == {("torch", 0.01), ("torch", 0.04), ("jax", 0.5)}
    assert len(kept()) == 3
    assert {path.suffix for path in cache.rglob("*.*")} == {".json"}


def test_the_oldest_are_forgotten(cache, monkeypatch):
    monkeypatch.setattr(speeds, "MOST_KEPT", 3)
    for depth in range(2, 8):
        keep(measured("torch", request=asked(depth=depth)))
        newest = max(cache.glob("plain/*.json"), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (depth, depth))
    assert {each.workload.sizes["blocks"] for each in kept()} == {5, 6, 7}


BROKEN = {
    "empty": b"",
    "torn": b'{"format": 1, "backend": "tor',
    "no text": bytes(range(256)),
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "of another program": b'{"step": 0.5, "first_step": 1}',
}


@pytest.mark.parametrize("name", [*BROKEN, "a folder", "a newer format", "no time", "time that is no number"])
def test_a_file_that_cannot_be_understood_is_as_none(name, cache):
    keep(measured("torch"))
    [path] = cache.glob("plain/*.json")
    good = json.loads(path.read_text())
    changes = {"a newer format": {"format": 2}, "no time": {"step": 0}, "time that is no number": {"step": "NaN"}}
    path.unlink()
    if name == "a folder":
        path.mkdir()
    else:
        path.write_bytes(BROKEN[name] if name in BROKEN else json.dumps(good | changes[name]).encode())
    sound = measured("jax")
    assert keep(sound)
    assert kept() == [sound]
    assert keep(measured("torch")) == (name != "a folder")
    assert len(kept()) == (1 if name == "a folder" else 2)


def test_what_was_measured_elsewhere_or_with_other_versions_does_not_count(cache, monkeypatch):
    keep(measured("torch"))
    keep(measured("torch", place={**speeds.place("torch"), "keras": "1.0"}))
    assert [each.place for each in kept()] == [speeds.place("torch")]
    for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"):
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv(name, "77")
            assert kept() == []
    for function in ("_processor", "_gpus"):
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(speeds, function, lambda: "another")
            assert kept() == []
    assert len(kept()) == 1


def test_without_a_place_to_keep_anything_the_usual_backend_is_taken(all_installed, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert speeds.folder() is None
    assert not keep(measured("torch"))
    assert kept() == []
    assert choose(asked()).backend == "jax"


def test_measurements_decide_only_where_nobody_else_does(all_installed, monkeypatch):
    for name, step in zip(ALL, (0.3, 0.2, 0.1), strict=True):
        keep(measured(name, step))
    choice = choose(asked())
    assert (choice.backend, choice.unknown) == ("torch", ())
    assert choice.reason() == (
        "torch: first step 1.0 s, then 100 ms "
        "(jax: first step 1.0 s, then 300 ms; tensorflow: first step 1.0 s, then 200 ms)"
    )
    assert choose(asked(depth=6)).backend == "torch"
    assert choose(asked(depth=64)) == speeds.Choice("jax", {}, tuple(ALL))
    assert choose(asked(training={"backend": "jax"})) == speeds.Choice("jax")
    monkeypatch.setattr(installed, "installed_backends", lambda: ["tensorflow"])
    assert choose(asked()) == speeds.Choice("tensorflow")
    monkeypatch.setattr(installed, "installed_backends", lambda: ALL[:2])
    assert choose(asked()).backend == "tensorflow"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert choose(asked()) == speeds.Choice("jax")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(OptionError, match="KERAS_BACKEND is torch, which is not installed"):
        choose(asked())


def test_a_request_knows_its_steps():
    """Of the 1,437 digits to train on, 1,293 are left beside a tenth to validate on."""
    assert asked(training={"steps": None}).steps == 5 * 40
    assert asked(training={"steps": None, "epochs": 3, "batch_size": 500, "validation_split": 0}).steps == 6
    assert asked(training={"steps": None, "epochs": 3, "batch_size": 5000}).steps == 3
    assert asked(training={"steps": 7}).steps == 7


def test_a_run_is_long_by_its_steps_or_by_its_arithmetic():
    assert speeds.is_long(asked(training={"steps": 1000}))
    assert not speeds.is_long(asked(training={"steps": 999}))
    # Weights from the input, between ten layers, and to the classes, for each of 256 samples.
    deep = {"depth": 10, "width": 4096}
    work = 256 * (64 * 4096 + 9 * 4096**2 + 4096 * 10)
    steps = -(-(10**12) // work)
    assert speeds.is_long(asked(**deep, training={"steps": steps, "batch_size": 256}))
    assert not speeds.is_long(asked(**deep, training={"steps": steps - 1, "batch_size": 256}))


def test_the_pace_is_the_median_over_all_steps_that_are_timed(monkeypatch):
    clock = iter([12.0, 13.0, 14.0, 15.0, 16.0, 100.0, 100.6, 101.1])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    pace = Pace(spent=2)
    pace.go_on(0)
    assert pace.step() is None
    pace.reach(1)
    assert (pace.first_step, pace.step()) == (4.0, None)
    pace.reach(2)
    pace.reach(3)
    assert pace.step() == pytest.approx(1)
    pace.go_on(3)
    pace.reach(9)
    pace.reach(9)
    # Twice a step of 1 s, and after a pause six of 0.1 s.
    assert pace.step() == pytest.approx(0.1)
    assert (pace.steps, pace.seconds) == (8, pytest.approx(2.6))


def test_doctor_tells_what_is_kept(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_examine_backend", lambda backend: {"installed": False, "install": "..."})
    for name, step in zip(ALL, (0.24, None, 0.0314), strict=True):
        keep(measured(name, step))
    keep(measured("torch", 0.5, request=asked(depth=64)))
    found = doctor.examine(tmp_path)
    assert found["speeds"] == {
        "folder": str(cache), "kept": 4, "steps": {"plain": {"jax": 0.24, "tensorflow": None, "torch": 0.0314}},
    }  # fmt: skip
    lines = _diagnosis(found).splitlines()
    assert lines[-2:] == [
        f"✔ speeds      {cache}: 4 kept for --backend auto; it may be deleted",
        "    plain, a step: torch 31.4 ms, jax 240.0 ms, tensorflow -",
    ]
    monkeypatch.setattr(speeds, "folder", lambda: None)
    assert "✘ speeds      the cache folder cannot be written" in _diagnosis(doctor.examine(tmp_path))
