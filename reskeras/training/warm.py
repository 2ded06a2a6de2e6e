"""A worker before its run: imports Keras and a backend, prepares the run that is likely, and waits to be given one."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path

from reskeras.runs.folder import Run
from reskeras.runs.launch import PREPARED, READY, TAKEN
from reskeras.runs.settings import RunSettings
from reskeras.training import worker


def main(arguments: list[str] | None = None) -> int:
    """Become the worker of the run that comes through the socket given; return its exit code, or 0 without a run."""
    parser = argparse.ArgumentParser(prog="python -m reskeras.training.warm", description=__doc__)
    parser.add_argument("backend", help="what computes")
    parser.add_argument("channel", type=int, help="descriptor of a socket: whoever started this is at its other end")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with socket.socket(fileno=chosen.channel) as channel:
        channel.set_inheritable(False)
        worker.load(chosen.backend)
        _say(channel, READY)
        inbox, prepared = _Inbox(channel), None
        while "prepare" in (message := inbox.next()):
            prepared = _prepared(message["prepare"])
            _say(channel, PREPARED)
        if not message:
            return 0
        _lock, log = inbox.descriptors
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        _say(channel, TAKEN)
    return worker.work(Run(Path(message["run"])), prepared)


def _prepared(settings: dict):
    """Return what a run of some settings trains, with its step compiled; None where that is too much or fails."""
    from reskeras.training.preparation import is_quick, prepare, rehearse

    try:
        settings = RunSettings(**settings)
        if not is_quick(settings):
            return None
        return rehearse(prepare(settings))
    except Exception:
        # The run itself, should there be one, meets the same and says so in its own log.
        return None


class _Inbox:
    """Messages and descriptors that come through a socket.

    Attributes:
        descriptors: those that came so far: a run's lock and its log. The lock's stays open for the life of the
            process: as long as it lives, the run is alive.
    """

    def __init__(self, channel: socket.socket):
        self._channel, self._rest = channel, b""
        self.descriptors: list[int] = []

    def next(self) -> dict:
        """Wait for a message; an empty one where the other end closes."""
        while b"\n" not in self._rest:
            part, arrived, _, _ = socket.recv_fds(self._channel, 65536, 2)
            if not part:
                return {}
            for descriptor in arrived:
                os.set_inheritable(descriptor, False)
            self._rest += part
            self.descriptors += arrived
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)


def _say(channel: socket.socket, word: bytes) -> None:
    # Whoever gave the run may have ended since; the run goes on.
    with contextlib.suppress(OSError):
        channel.sendall(word)


if __name__ == "__main__":
    sys.exit(main())
