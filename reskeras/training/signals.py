"""What signals do to a training: the first asks for a gentle stop, a second ends it, whatever it is doing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from reskeras.runs import control
from reskeras.runs.folder import Run

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 5.0
"""Seconds in which Python is to take up a signal that ends a training. It takes none within a call into a library, and
one step, or compiling it, is such a call, of minutes where memory is short."""


class Signals:
    """Turns the first signal during a training into a gentle stop, and one after another request into the end.

    Args:
        run: the run that is trained.
        leave: ends this process with the reason that it is given, from a thread of its own.

    Attributes:
        session: the training, once there is one.
        ended: why a signal ended the run, None where none has.
    """

    def __init__(self, run: Run, leave: Callable[[str], NoReturn]):
        self.session = None
        self.ended = None
        self._run, self._leave = run, leave

    def listen(self) -> None:
        """Take the signals from now on, in the main thread; one that it does not come to is seen to by another."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        for number in SIGNALS:
            signal.signal(number, self._take)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reading,), name="signals", daemon=True).start()

    def _take(self, *_):
        if self.ended:
            return
        if why := self._end_at_once(self._recorder() and self._recorder().stop_requested):
            self.ended = why
            raise KeyboardInterrupt(why)
        self._recorder().stop_requested = True

    def _watch(self, reading: int) -> None:
        """Leave this process where a signal that ends the training is not taken up in time."""
        came = 0
        while True:
            came += os.read(reading, 1)[0] in SIGNALS
            if came and (why := self._end_at_once(came > 1)):
                time.sleep(PATIENCE)
                if not self.ended:
                    self.ended = why
                    self._leave(why)

    def _recorder(self):
        return self.session.recorder if self.session else None

    def _end_at_once(self, asked: bool) -> str | None:
        """Return why a signal ends the training, None where it is the first request to stop."""
        if self._recorder() is None:
            return "Ended before the training began; there is no network to save."
        if asked or any(each.name == "stop" for each in control.waiting(self._run.commands_path)):
            return "Ended by a second signal, before the network was saved."
        return None
