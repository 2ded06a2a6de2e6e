"""The thread that takes what was copied on the device, and writes it down."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class Drain:
    """Calls a function with one thing after another, in a thread of its own and in their order.

    Args:
        take: the function.

    Attributes:
        seconds: processor time that the thread has used.
    """

    def __init__(self, take: Callable[[Any], None]):
        self._take = take
        self._things: queue.SimpleQueue = queue.SimpleQueue()
        self._error: BaseException | None = None
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="reskeras telemetry", daemon=True)
        self._thread.start()

    def put(self, thing: Any) -> None:
        """Have the function called with a thing soon.

        Raises:
            Exception: what an earlier call has raised; from then on nothing is taken any more.
        """
        self._raise()
        self._things.put((self._take, thing, None))

    def ask(self, function: Callable[[], Any]) -> Future:
        """Have a function called once all that was put has been taken, and return what it will give.

        Raises:
            Exception: as `put` does.
        """
        self._raise()
        self._things.put((lambda _: function(), None, asked := Future()))
        return asked

    def finish(self) -> None:
        """Wait until everything has been taken, and end the thread; it raises as `put` does."""
        self.abandon()
        self._raise()

    def abandon(self) -> None:
        """Do as `finish` does, but raise nothing."""
        self._things.put(None)
        self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self) -> None:
        failed: BaseException | None = None
        while (each := self._things.get()) is not None:
            function, thing, asked = each
            try:
                if failed is None:
                    found = function(thing)
                    if asked is not None:
                        asked.set_result(found)
            except BaseException as error:
                # Raised where the training runs, which is to end as if it had written itself.
                self._error = failed = error
            if failed is not None and asked is not None:
                asked.set_exception(failed)
            self.seconds = time.thread_time()
