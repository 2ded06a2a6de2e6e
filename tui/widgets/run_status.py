"""The lines that say how a run stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import numpy as np

from reskeras.runs.events import SCORES

from .. import words
from ..curves import Metric
from ..follow import Snapshot
from .styled_lines import Line, StyledLines

GAP = "   "
"""Between two facts on a line."""

ROOMY_HEIGHT = 36
"""Lines of the terminal from which on nothing is left out."""

STEERED = ("checkpoint", "learning_rate", "telemetry")
"""Commands whose request and answer are told; others change the state, which tells them."""

NARROWEST_BAR, WIDEST_BAR = 8, 40
"""Cells of the progress bar."""


class Fact(NamedTuple):
    """A value with the word before it, the word after it, and the role that gives the value its style."""

    before: str
    value: str
    after: str = ""
    role: str = "value"

    @property
    def width(self) -> int:
        """Cells that the fact takes."""
        return len(self.before) + len(self.value) + len(self.after)

    @property
    def parts(self) -> Line:
        """Its texts with the styles that they have."""
        label = "status--label"
        parts = (self.before, label), (self.value, f"status--{self.role}"), (self.after, label)
        return tuple(part for part in parts if part[0])


class RunStatus(StyledLines):
    """State and name, progress, and results of a run; facts flow onto as many lines as the width asks for."""

    COMPONENT_CLASSES: ClassVar = {
        "status--label",
        "status--value",
        "status--name",
        "status--live",
        "status--good",
        "status--bad",
        "status--done",
        "status--todo",
    }

    def __init__(self, name: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run_name = name
        self._snapshot: Snapshot | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Show how the run stands."""
        self._snapshot = snapshot
        self._write()

    def on_mount(self) -> None:
        self._write()

    def on_resize(self) -> None:
        # Textual forgets a layout that is asked for while it makes one.
        self.call_after_refresh(self._write)

    def _write(self) -> None:
        width = max(self.content_size.width, 20)
        if self._snapshot is None:
            self.write(tuple(_flow([Fact("", self._run_name, role="name")], width)))
            return
        results = _results(self._snapshot)
        for fact in _costs(self._snapshot):
            # Where lines are few, what it costs is told only in the room that is left.
            if self.app.size.height >= ROOMY_HEIGHT or _width([*results, fact]) <= width:
                results.append(fact)
        lines = [
            *_flow(_identity(self._snapshot), width),
            *_progress(self._snapshot, width),
            *_flow(results, width),
        ]
        if steering := _steering(self._snapshot):
            lines += _flow(steering, width)
        if ending := _ending(self._snapshot):
            lines += _flow([ending], width)
        self.write(tuple(lines))


def _flow(facts: list[Fact], width: int) -> list[Line]:
    """Return facts on as many lines as they need."""
    lines: list[list[tuple[str, str]]] = [[]]
    used = 0
    for fact in facts:
        if lines[-1] and used + len(GAP) + fact.width > width:
            lines.append([])
            used = 0
        if lines[-1]:
            lines[-1].append((GAP, ""))
            used += len(GAP)
        used += fact.width
        lines[-1] += fact.parts
    return [tuple(line) for line in lines]


def _progress(snapshot: Snapshot, width: int) -> list[Line]:
    facts = list(_progress_facts(snapshot))
    total = snapshot.fact("steps")
    taken = sum(fact.width + len(GAP) for fact in facts)
    bar = min(WIDEST_BAR, width - taken)
    first, *others = _flow(facts, width)
    if not total or bar < NARROWEST_BAR:
        return [first, *others]
    done = round(bar * min(snapshot.step / total, 1))
    drawn = (("━" * done, "status--done"), ("─" * (bar - done), "status--todo"), (GAP, ""))
    return [(*drawn, *first), *others]


def _identity(snapshot: Snapshot) -> list[Fact]:
    sign = words.state_sign(snapshot.state)
    word = "stop requested" if snapshot.stop_requested else sign.word
    facts = [
        Fact("", f"{sign.symbol} {word}", role=_state_role(snapshot.state)),
        Fact("", snapshot.run.name, role="name"),
    ]
    if backend := snapshot.fact("backend"):
        device = snapshot.fact("device")
        facts.append(Fact("", f"{backend} on {device}" if device else str(backend)))
    if parameters := snapshot.fact("parameters"):
        facts.append(Fact("", f"{parameters:,}", " parameters"))
    if snapshot.by_script:
        settings = snapshot.settings
        facts.append(Fact("", f"{settings.model} ({settings.kind})", f" with {settings.optimizer}"))
    return facts


def _state_role(state: str) -> str:
    if state in ("failed", "crashed"):
        return "bad"
    return "good" if state == "finished" else "live"


def _progress_facts(snapshot: Snapshot) -> Iterator[Fact]:
    total, epochs = snapshot.fact("steps"), snapshot.fact("epochs")
    if "training" not in snapshot.events:
        yield Fact("", _preparation(snapshot), role="label")
        return
    yield Fact("step ", f"{snapshot.step:,}", f" of {total:,}" if total else "")
    if epochs:
        epoch = int(snapshot.curve["epoch"][-1]) if len(snapshot.curve) else 1
        yield Fact("epoch ", f"{epoch:,}", f" of {epochs:,}")
    if not snapshot.step and snapshot.is_live:
        yield Fact("", "compiling the first step", role="label")
    if snapshot.is_live and snapshot.speed and not (total and snapshot.step >= total):
        yield Fact("", words.number(snapshot.speed, 3), " steps/s")
    if snapshot.is_live and total and snapshot.step >= total and not snapshot.by_script:
        yield Fact("", "testing and exporting", role="label")
    elif snapshot.state == "running" and snapshot.seconds_left is not None:
        yield Fact("", words.duration(snapshot.seconds_left), " left")
    if not snapshot.is_live and len(snapshot.curve):
        yield Fact("in ", words.duration(float(snapshot.curve["seconds"][-1])))


def _preparation(snapshot: Snapshot) -> str:
    if not snapshot.is_live:
        return "ended before the first step"
    if snapshot.by_script:
        return "the script has not begun to train"
    if "built" in snapshot.events:
        return "network built, preparing to train"
    if starting := snapshot.events.get("starting"):
        return f"loading {starting.get('backend', 'the backend')} and building the network"
    return "starting the worker"


def _results(snapshot: Snapshot) -> list[Fact]:
    has_points = len(snapshot.curve) > 0
    facts = [
        Fact("loss ", words.number(float(snapshot.curve["loss"][-1]) if has_points else None)),
    ]
    if snapshot.has_accuracy:
        facts.append(Fact("accuracy ", words.share(float(snapshot.curve["accuracy"][-1]) if has_points else None)))
    if len(snapshot.validation.step):
        loss, accuracy = float(snapshot.validation.loss[-1]), float(snapshot.validation.accuracy[-1])
        shown = f"{words.number(loss)}, {words.share(accuracy)}" if snapshot.has_accuracy else words.number(loss)
        facts.append(Fact("validation ", shown))
    facts += [_metric_fact(metric) for metric in snapshot.metrics if snapshot.by_script]
    if tested := snapshot.events.get("tested"):
        facts.append(Fact("test accuracy ", words.share(tested.get("test_accuracy")), role="good"))
        facts += [
            Fact(f"{called} ", words.number(tested[name]), role="good")
            for name, called in SCORES.items()
            if tested.get(name) is not None
        ]
    return facts


def _width(facts: list[Fact]) -> int:
    return sum(fact.width for fact in facts) + len(GAP) * (len(facts) - 1)


def _costs(snapshot: Snapshot) -> Iterator[Fact]:
    """Give what the run takes: its memory, and what measuring it does; and how fast it learns."""
    memory, telemetry = snapshot.events.get("memory", {}), snapshot.events.get("telemetry", {})
    taken, room = memory.get("resident") or memory.get("expected"), memory.get("room")
    if snapshot.is_live and _is_size(taken):
        yield Fact("memory ", words.size(taken), f" of {words.size(room)}" if _is_size(room) else "")
    if snapshot.level:
        seconds = telemetry.get("callback_seconds")
        # Told by the monitor now and then, and when it ends.
        total = telemetry.get("seconds") or (float(snapshot.curve["seconds"][-1]) if len(snapshot.curve) else 0.0)
        cost = f", {100 * seconds / total:.1f} % of the time" if _is_size(seconds) and _is_size(total) else ""
        yield Fact("telemetry ", snapshot.level, cost)
    if snapshot.learning_rate is not None:
        yield Fact("learning rate ", words.number(snapshot.learning_rate, 3))


def _is_size(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _steering(snapshot: Snapshot) -> list[Fact]:
    """Return what the worker was asked for and has not taken up yet, and its last answer."""
    facts = [
        Fact("", f"… {_asked(each.name, each.value)}", " asked for, not taken up yet", role="live")
        for each in snapshot.waiting
        if each.name in STEERED
    ]
    answer = snapshot.events.get("answer", {})
    if snapshot.is_live and answer.get("asked") in STEERED:
        asked, step = _asked(answer["asked"], answer.get("value")), answer.get("step")
        if answer.get("done"):
            facts.append(Fact("", f"✓ {asked}", f" at step {step:,}" if isinstance(step, int) else "", role="good"))
        else:
            facts.append(Fact("", f"✗ {asked}", f" refused: {answer.get('refusal', '')}", role="bad"))
    return facts


def _asked(name: str, value: object) -> str:
    shown = f"{value:g}" if isinstance(value, float) else value
    return name.replace("_", " ") + ("" if value is None else f" {shown}")


def _metric_fact(metric: Metric) -> Fact:
    shown = words.number(float(metric.training[-1]))
    if np.isfinite(metric.validation).any():
        shown += f", validation {words.number(float(metric.validation[-1]))}"
    return Fact(f"{metric.name} ", shown)


def _ending(snapshot: Snapshot) -> Fact | None:
    if snapshot.trouble:
        return Fact("", f"✗ {snapshot.trouble}", role="bad")
    if snapshot.state == "crashed" and snapshot.by_script:
        text = "! The script broke off, or was ended, in the middle of its training: its own output says more."
        return Fact("", text, role="bad")
    if snapshot.suspicion:
        return Fact("", f"! {snapshot.suspicion}", role="bad")
    if snapshot.state == "crashed":
        text = (
            "! The worker ended without a word (killed, or out of memory?). Its last lines are in "
            f"{snapshot.run.log_path}"
        )
        return Fact("", text, role="bad")
    if snapshot.state == "failed":
        reason = snapshot.events.get("end", {}).get("reason") or f"see {snapshot.run.log_path}"
        return Fact("", f"✗ {reason}", role="bad")
    if not snapshot.is_live and snapshot.state != "replay" and snapshot.run.model_path.exists():
        return Fact("trained network ", str(snapshot.run.model_path))
    return None
