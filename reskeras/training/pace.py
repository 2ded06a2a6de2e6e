"""How fast a training goes: seconds to the end of its first step, and seconds a step after it."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

MOST_SPANS = 1000
"""Spans kept, the last: a training of days has no end of them."""


class Pace:
    """A clock that starts when it is made, and is told how many steps are done.

    Args:
        spent: seconds that the first step has taken already, such as the building of what it trains.

    Attributes:
        first_step: seconds to the end of the first step; None before it.
        steps: steps timed since.
        seconds: how long these took.
    """

    def __init__(self, spent: float):
        self._began = time.perf_counter() - spent
        self._spans: deque[tuple[int, float]] = deque(maxlen=MOST_SPANS)
        self.first_step: float | None = None
        self.steps, self.seconds = 0, 0.0

    def go_on(self, done: int) -> None:
        """Time what comes now, after `done` steps and a pause that is none of a step's time."""
        self._done, self._time = done, time.perf_counter()

    def reach(self, done: int) -> None:
        """Take note that `done` steps are done, the last of them just now."""
        now, since = time.perf_counter(), done - self._done
        if self.first_step is None and done:
            self.first_step = now - self._began
        elif since:
            self._spans.append((since, now - self._time))
            self.steps, self.seconds = self.steps + since, self.seconds + now - self._time
        self._done, self._time = done, now

    def step(self) -> float | None:
        """Return the median of the seconds a step takes; None before there is a second one."""
        if not self._spans:
            return None
        steps, seconds = np.array(self._spans).T
        order = np.argsort(seconds / steps)
        middle = order[np.searchsorted(np.cumsum(steps[order]), steps.sum() / 2)]
        return float(seconds[middle] / steps[middle])
