"""A worker before its run: imports Keras and a backend, then waits until it is given a run or nobody can give one."""

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
from reskeras.runs.launch import READY, TAKEN
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
        given = _receive(channel)
        if given is None:
            return 0
        run, log = given
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        _say(channel, TAKEN)
    return worker.work(run)


def _receive(channel: socket.socket) -> tuple[Run, int] | None:
    """Wait for a run and the descriptors of its lock and its log; None where the other end closes.

    The lock's descriptor stays open for the life of the process: as long as it lives, the run is alive.
    """
    message, descriptors = b"", []
    while not message.endswith(b"\n"):
        part, arrived, _, _ = socket.recv_fds(channel, 65536, 2)
        if not part:
            return None
        message += part
        descriptors += arrived
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    _lock, log = descriptors
    return Run(Path(json.loads(message))), log


def _say(channel: socket.socket, word: bytes) -> None:
    # Whoever gave the run may have ended since; the run goes on.
    with contextlib.suppress(OSError):
        channel.sendall(word)


if __name__ == "__main__":
    sys.exit(main())
