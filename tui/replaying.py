"""A recorded run as it stood at an earlier step, and the clock that leads through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reskeras.verdicts import slope_over_depth
from reskeras.verdicts.recorded import LEAST_STEPS, RECENT_STEPS, middle

from .courses import Rates
from .curves import Metric, Validation
from .follow import ENDS, Snapshot, last_of_each
from .kept import Profile

REPLAY = "replay"
"""The state of a snapshot that is a cut of a recorded one: no worker takes commands there."""

SPEEDS = (1, 2, 5, 10, 20, 50, 100)
"""How many times as fast as it was recorded a run can be played."""

WHOLE_SECONDS = 30.0
"""A replay whose speed nobody chose takes about as long as this, if a speed allows it."""

JUMP = 1 / 40
"""The part of a run that a jump leads forwards or backwards."""

RESULTS = ("tested", "answers", "exported", "end")
"""Events of after the last step."""


def cut(snapshot: Snapshot, step: int, sheet: dict[str, np.ndarray] | None = None) -> Snapshot:
    """Return what a run's folder held once it had done so many steps.

    Args:
        snapshot: the whole run; its log has no steps, and stays whole.
        step: the last step that is shown; at the run's last one, results are shown too.
        sheet: what was measured of each row then, where it is known.
    """
    over = step >= snapshot.step
    validation, rows = snapshot.validation, int(np.searchsorted(snapshot.steps, step, "right"))
    rates = int(np.searchsorted(snapshot.rates.step, step, "right"))
    kept = validation.step <= step
    return replace(
        snapshot,
        state=REPLAY,
        events=snapshot.events if over else _events_until(snapshot, step),
        curve=snapshot.curve[snapshot.curve["step"] <= step],
        validation=Validation(validation.step[kept], validation.loss[kept], validation.accuracy[kept]),
        metrics=tuple(_cut_metric(each, step) for each in snapshot.metrics if (each.step <= step).any()),
        steps=snapshot.steps[:rows],
        norms=snapshot.norms[:rows],
        suspicion=snapshot.suspicion if over else None,
        profile=snapshot.profile if over else _earlier_profile(snapshot, rows),
        columns=snapshot.columns[:rows],
        sheet=snapshot.sheet if over else sheet,
        rates=Rates(*(each[:rates] for each in snapshot.rates)),
        # What is said is said of the whole.
        verdicts=snapshot.verdicts if over else None,
        waiting=(),
    )


def _events_until(snapshot: Snapshot, step: int) -> dict[str, dict[str, Any]]:
    """Return the last event of each kind once so many steps were done.

    Where an event bears no step it has that of its epoch. Of one that has none either, the last results come with the
    last step, those of an earlier end with the last step before it, after which the next worker starts; others hold all
    the time.
    """
    ends = {event.get("epoch"): event.get("step") for event in snapshot.history if event["event"] == "epoch"}
    reached, done = [], 0
    for event in snapshot.history:
        kind, at = event["event"], event.get("step", ends.get(event.get("epoch")))
        if isinstance(at, int):
            done = at if kind == "resumed" else max(done, at)
        elif kind in RESULTS and snapshot.events.get(kind) is event:
            at = snapshot.step
        elif kind in ENDS:
            at = done
        else:
            at = done + 1 if kind == "starting" and done else 0
        if at <= step:
            reached.append(event)
    return last_of_each(reached)


def _earlier_profile(snapshot: Snapshot, rows: int) -> Profile | None:
    """Return what the profile was after the first rows of a map; None before anything was measured."""
    known, values = snapshot.profile, snapshot.columns[:rows]
    if known is None or not rows:
        return None
    recent = snapshot.steps[:rows] > snapshot.steps[rows - 1] - RECENT_STEPS
    now, start = middle(values[recent]), middle(values[:LEAST_STEPS])
    return Profile(known.names, now, start, slope_over_depth(now), slope_over_depth(start))


def _cut_metric(metric: Metric, step: int) -> Metric:
    kept = metric.step <= step
    return Metric(metric.name, metric.step[kept], metric.training[kept], metric.validation[kept])


class Player:
    """Where a replay is, in steps, and how fast it goes on.

    Args:
        speed: one of `SPEEDS`; None chooses one when the length is known.
        playing: whether it goes on at once.

    Attributes:
        speed: one of `SPEEDS`.
        playing: whether time passes.
        step: the place, a float between 0 and `length`.
    """

    def __init__(self, speed: int | None = None, playing: bool = True):
        self.speed, self.playing, self.step = speed or 1, playing, 0.0
        self._chosen = speed is not None
        self._steps, self._seconds = np.array([0.0, 1.0]), np.array([0.0, 1.0])

    def follow(self, snapshots: Sequence[Snapshot]) -> None:
        """Take the clock of the longest of these runs."""
        longest = max(snapshots, key=lambda each: each.step, default=None)
        if longest is None or not longest.step:
            return
        curve = longest.curve
        steps, seconds = curve["step"].astype(float), np.maximum.accumulate(curve["seconds"].astype(float))
        pace = seconds[-1] / steps[-1] if len(steps) and steps[-1] > 0 and seconds[-1] > 0 else 0.1
        # What was measured behind the last point of the curve took as long as before, a step.
        rest = max(longest.step - (steps[-1] if len(steps) else 0), 0)
        last = (seconds[-1] if len(seconds) else 0.0) + rest * pace
        self._steps = np.concatenate([[0.0], steps, [float(longest.step)]])
        self._seconds = np.concatenate([[0.0], seconds, [last]])
        if not self._chosen:
            self._chosen = True
            self.speed = next((each for each in SPEEDS if last <= each * WHOLE_SECONDS), SPEEDS[-1])

    @property
    def length(self) -> float:
        """Steps of the whole."""
        return float(self._steps[-1])

    @property
    def seconds(self) -> float:
        """Seconds after the recorded start at which the present step was done."""
        return float(np.interp(self.step, self._steps, self._seconds))

    @property
    def whole_seconds(self) -> float:
        """Seconds that the recorded training took."""
        return float(self._seconds[-1])

    @property
    def at_end(self) -> bool:
        """Whether there is nothing more to play."""
        return self.step >= self.length

    def advance(self, seconds: float) -> None:
        """Let so many seconds of the watcher's pass."""
        if self.playing:
            now = self.seconds + seconds * self.speed
            self.seek(float(np.interp(now, self._seconds, self._steps)))
            self.playing = not self.at_end

    def seek(self, step: float) -> None:
        """Go to a step, or to the nearest end."""
        self.step = min(max(step, 0.0), self.length)

    def jump(self, direction: int) -> None:
        """Go a fortieth of the run forwards (1) or backwards (-1), at least one step."""
        self.seek(round(self.step) + direction * max(round(self.length * JUMP), 1))

    def toggle(self) -> None:
        """Play or pause; from the end, play from the start."""
        if not self.playing and self.at_end:
            self.step = 0.0
        self.playing = not self.playing

    def change_speed(self, direction: int) -> None:
        """Take the next faster (1) or slower (-1) speed."""
        place = SPEEDS.index(self.speed) + direction
        self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]
