"""Keeps a worker ready for the run to be, so that it need not import anything when it is started."""

from __future__ import annotations

import threading

from reskeras.machine import available_memory
from reskeras.runs.launch import WarmWorker
from reskeras.runs.settings import RunSettings

LEAST_MEMORY = 2 * 2**30
"""Bytes that must be available: an idle worker takes up to 0.7 GB, which others may need more."""


class Warming:
    """At most one idle worker, of the backend asked for last; its methods can be called from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._worker: WarmWorker | None = None
        self._closed = False

    def prepare(self, settings: RunSettings) -> None:
        """Have a worker ready for a run of these settings, in the place of one of another backend, unless memory is
        short.

        Args:
            settings: of the run; they name a backend, and not `"auto"`.
        """
        backend = settings.training.backend
        with self._mutex:
            if self._closed:
                return
            if self._worker is None or not self._worker.fits(backend):
                self._end()
                if (available := available_memory()) is None or available >= LEAST_MEMORY:
                    self._worker = WarmWorker(backend)
            if self._worker is not None:
                self._worker.prepare(settings)

    def take(self) -> WarmWorker | None:
        """Return the worker, if there is one; from then on it is the caller's."""
        with self._mutex:
            worker, self._worker = self._worker, None
        return worker

    def close(self) -> None:
        """End the worker, and prepare none any more."""
        with self._mutex:
            self._closed = True
            self._end()

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self._worker = None
