"""How fast networks train on each backend of this machine: what was measured is kept, and `auto` chooses by it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reskeras import caches
from reskeras.files import write_whole
from reskeras.installed import auto_candidates, resolve_backend
from reskeras.plan import Plan
from reskeras.request import Request
from reskeras.runs import RunSettings
from reskeras.steps import Change, Standardize

FORMAT = 1
"""Version of a measurement's file; files of another are as if they were not there."""

LONG_STEPS, LONG_WORK = 1000, 10**12
"""Steps, or multiply-adds in all its steps, from which on a run is long: measuring pays ahead of it."""

NEAR = 2
"""Networks of one kind are compared with one another up to so many times the size."""

MOST_KEPT = 200
"""Measurements kept of one architecture; beyond, the oldest go."""

PACKAGES = {
    "jax": ("jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin"),
    "tensorflow": ("tensorflow", "nvidia-cudnn-cu12"),
    "torch": ("torch",),
}
"""The packages that a backend computes with: another version of one may be faster or slower."""

VARIABLES = ("CUDA_VISIBLE_DEVICES", "JAX_PLATFORMS", "OMP_NUM_THREADS", "XLA_FLAGS")
"""Environment variables that say on what and how well the backends compute."""


NO_WORK = {"auto_batch", "data", "backend", "learning_rate", "steps", "checkpoint_steps"}
"""Training options on which the time of a step does not depend, and which are no numbers always."""


class Workload(BaseModel):
    """What a step computes, as far as its time depends on it.

    Attributes:
        architecture: name in the catalogue.
        choices: the options of network and training that are no numbers, such as `skip` and `precision`.
        sizes: what the numbers among them come to in one step.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str
    choices: dict[str, Any]
    sizes: dict[str, int]

    @classmethod
    def of(cls, settings: RunSettings, plan: Plan) -> Workload:
        """Return the workload of a run with these settings, whose network is this plan."""
        training = settings.training.model_dump(exclude=NO_WORK, mode="json")
        # What is known of the data once it is read is taken out there, and is no part of what a step is compared by.
        stem = tuple(step for step in plan.stem if not isinstance(step, (Change, Standardize)))
        cost, batch = replace(plan, stem=stem).cost(), settings.training.batch_size
        return cls(
            architecture=settings.architecture,
            choices={name: value for name, value in (settings.options | training).items() if not _is_number(value)},
            sizes={
                "batch": batch,
                "blocks": len(plan.blocks()),
                "parameters": cost.parameters,
                "multiply_adds": cost.multiply_adds * batch,
                "activations": cost.activations * batch,
            },
        )

    def ratio(self, other: Workload) -> float:
        """Return how many times the larger of two is as large in the size in which they differ most; infinity where
        they are not of one kind."""
        mine, others = ((each.architecture, each.choices, each.sizes.keys()) for each in (self, other))
        if mine != others:
            return math.inf
        pairs = ((max(size, 1), max(other.sizes[name], 1)) for name, size in self.sizes.items())
        return max(max(pair) / min(pair) for pair in pairs)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Measurement(BaseModel):
    """How fast a workload is on one backend.

    Attributes:
        format: version of the file.
        backend: its name.
        place: where and with what it was measured, see `place`.
        workload: what was computed.
        first_step: seconds from the beginning of the building to the end of the first step; imports are left out.
        step: seconds of each step after it, the median; None where the first did not end within `first_step`.
        device: what the backend said it computes on.
        date: when, in UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal[1] = FORMAT
    backend: str
    place: dict[str, str]
    workload: Workload
    first_step: float = Field(gt=0)
    step: float | None = Field(gt=0)
    device: str = ""
    date: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def seconds(self, steps: int) -> float:
        """Return how long a run of so many steps takes until the end of its last step."""
        return math.inf if self.step is None else self.first_step + (steps - 1) * self.step

    def milliseconds(self) -> str:
        """Return the time of a step in words, such as `"31 ms"`."""
        if self.step is None:
            return f"more than {self.first_step:.0f} s"
        return f"{1000 * self.step:,.{0 if self.step >= 0.01 else 1}f} ms"

    def text(self) -> str:
        """Return both times in words, such as `"first step 2.1 s, then 31 ms"`."""
        return f"first step {self.first_step:.1f} s, then {self.milliseconds()}" if self.step else self.milliseconds()

    def _file_name(self) -> str:
        facts = json.dumps([self.place, self.workload.model_dump()], sort_keys=True)
        return f"{self.backend}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}.json"


def place(backend: str) -> dict[str, str]:
    """Return where a backend computes now and with what: processor, GPUs, the environment, the versions of packages."""
    packages = {name: _version(name) for name in ("reskeras", "keras", *PACKAGES.get(backend, ()))}
    variables = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {"processor": _processor(), "cores": str(cores), "gpus": _gpus(), **variables, **packages}
    return {name: fact for name, fact in facts.items() if fact}


@functools.cache
def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _processor() -> str:
    name = caches.processor_line("model name").partition(":")[2].strip()
    return name or platform.processor() or platform.machine()


@functools.cache
def _gpus() -> str:
    """Return the names of NVIDIA's GPUs as its driver tells them; asking a backend would import it."""
    names = []
    with contextlib.suppress(OSError):
        for facts in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
            lines = dict(line.split(":", 1) for line in facts.read_text().splitlines() if ":" in line)
            names.append(lines.get("Model", "").strip())
    return ", ".join(names)


def folder() -> Path | None:
    """Return the folder of what is kept, with a folder for each architecture; None where it cannot be written."""
    return caches.folder("speeds")


def keep(measurement: Measurement) -> bool:
    """Keep a measurement, and return whether there was a place for it.

    Of two of the same workload in the same place the shorter times are kept: what disturbs a measurement, another
    program or a cold cache, only makes it longer.
    """
    if (home := folder()) is None:
        return False
    path = home / measurement.workload.architecture / measurement._file_name()
    before = _read(path)
    if before is not None and before.step is not None:
        step = before.step if measurement.step is None else min(before.step, measurement.step)
        first = min(before.first_step, measurement.first_step)
        measurement = measurement.model_copy(update={"first_step": first, "step": step})
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, measurement.model_dump_json(indent=1) + "\n")
    except OSError:
        return False
    _forget_oldest(path.parent)
    return True


def _forget_oldest(home: Path) -> None:
    # Another process may be at the same.
    with contextlib.suppress(OSError):
        files = sorted(home.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in files[:-MOST_KEPT]:
            path.unlink(missing_ok=True)


def kept(architecture: str = "*") -> list[Measurement]:
    """Return what was measured in this place with what is installed now, the newest first.

    Args:
        architecture: name of an architecture; without one, those of all.
    """
    if (home := folder()) is None:
        return []
    found = [measurement for path in home.glob(f"{architecture}/*.json") if (measurement := _read(path))]
    places = {backend: place(backend) for backend in {each.backend for each in found}}
    found = [each for each in found if each.place == places[each.backend]]
    return sorted(found, key=lambda each: each.date, reverse=True)


def _read(path: Path) -> Measurement | None:
    """Return the measurement in a file; None where there is none that this version understands."""
    try:
        return Measurement.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def nearest(workload: Workload, measurements: Iterable[Measurement], backends: Iterable[str]) -> dict[str, Measurement]:
    """Return what tells which of some backends is the fastest for a workload: backend -> measurement.

    Backends are compared on one and the same workload: the nearest that was measured on them all, up to `NEAR` times
    the size. Where there is none, it is what was measured of the workload itself.
    """
    wanted = set(backends)

    def ratio(group: Mapping[str, Measurement]) -> float:
        return workload.ratio(next(iter(group.values())).workload)

    groups = grouped(each for each in measurements if each.backend in wanted)
    whole = [group for group in groups if group.keys() == wanted and ratio(group) <= NEAR]
    same = [group for group in groups if ratio(group) == 1]
    return min(whole or same, key=ratio, default={})


def grouped(measurements: Iterable[Measurement]) -> list[dict[str, Measurement]]:
    """Return measurements as groups of one workload each: backend -> measurement; the order of the first of each
    group is kept."""
    groups: dict[str, dict[str, Measurement]] = {}
    for each in measurements:
        facts = json.dumps(each.workload.model_dump(), sort_keys=True)
        groups.setdefault(facts, {}).setdefault(each.backend, each)
    return list(groups.values())


def fastest(measured: Mapping[str, Measurement], backends: Iterable[str], steps: int) -> str:
    """Return the backend on which a run of so many steps ends first.

    Args:
        measured: what is known: backend -> measurement.
        backends: those to choose among, the usual one first: it is taken where nothing is known.
        steps: steps of the run.
    """
    backends = list(backends)
    done = [name for name in backends if name in measured and measured[name].step is not None]
    if done:
        return min(done, key=lambda name: measured[name].seconds(steps))
    return next((name for name in backends if name not in measured), backends[0])


@dataclass(frozen=True)
class Choice:
    """The backend of a run, and where the choice comes from.

    Attributes:
        backend: its name.
        measured: what was known of the backends to choose among; empty where nothing had to be known.
        unknown: the backends of which a measurement could change the choice.
    """

    backend: str
    measured: Mapping[str, Measurement] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def reason(self) -> str:
        """Return the choice with what it comes from, such as `"torch: first step 2.1 s, then 31 ms (jax: first step
        8.4 s, then 240 ms)"`; nothing where it comes from no measurement."""
        if self.backend not in self.measured:
            return ""
        told = {name: f"{name}: {each.text()}" for name, each in self.measured.items()}
        chosen = told.pop(self.backend)
        return f"{chosen} ({'; '.join(told.values())})" if told else chosen


def choose(request: Request, fresh: Iterable[Measurement] = ()) -> Choice:
    """Return the backend that a request is trained on; nothing is measured here.

    A backend asked for by name is taken, and for `"auto"` the one that `KERAS_BACKEND` names or the only one that is
    installed; else the one on which the run is expected to end first, of those measured on its workload or one like
    it; else the first installed.

    Args:
        request: what is to be trained.
        fresh: measurements to choose by besides those that are kept.

    Raises:
        BackendMissing: where the backend wanted, or any at all, is not installed.
    """
    training = request.settings.training
    candidates = auto_candidates() if training.backend == "auto" else [resolve_backend(training.backend)]
    if len(candidates) == 1:
        return Choice(candidates[0])
    workload = Workload.of(request.settings, request.plan)
    known = nearest(workload, [*fresh, *kept(workload.architecture)], candidates)
    measured = {name: known[name] for name in candidates if name in known}
    unknown = tuple(name for name in candidates if name not in measured)
    return Choice(fastest(measured, candidates, request.steps), measured, unknown)


def is_long(request: Request) -> bool:
    """Return whether a run is so long that measuring backends ahead of it pays."""
    work = Workload.of(request.settings, request.plan).sizes["multiply_adds"]
    return request.steps >= LONG_STEPS or request.steps * work >= LONG_WORK


def on_backend(request: Request, backend: str) -> Request:
    """Return a request with the backend named, so that all who read its run speak of the same one."""
    training = request.settings.training.model_copy(update={"backend": backend})
    return replace(request, settings=request.settings.model_copy(update={"training": training}))
