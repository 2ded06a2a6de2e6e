"""The real program in a real terminal: it opens, starts a run, survives nothing and loses nothing."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from script_runs import ScriptRun

from reskeras.runs import list_runs

pytestmark = pytest.mark.any_backend

PATIENCE = 240
LOADER = """
import sys
sys.modules["reskeras"] = None
import numpy as np, keras
print(np.asarray(keras.models.load_model(sys.argv[1]).predict(np.zeros((2, 8, 8, 1)), verbose=0)).sum(-1).tolist())
"""
"""Plain Keras, without this package, on a network for pictures of digits."""

LEAVE_SCREEN = b"\x1b[?1049l"
"""What a terminal is sent to give back the screen that was there before."""


class Terminal:
    """`reskeras-tui`, or another program with its arguments, on a pseudo-terminal of 80 x 24."""

    def __init__(self, runs: Path, name: str = "reskeras-tui", *arguments: str):
        program = shutil.which(name, path=str(Path(sys.executable).parent))
        assert program, "the command is not installed beside this Python"
        self._screen, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [program, *arguments, *([] if "demo" in arguments else ["--runs", str(runs)])],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )
        os.close(inner)
        self.shown = b""

    def until(self, condition) -> None:
        """Read what is shown until a condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.shown[-3000:]
            self.read()

    def read(self) -> None:
        """Read what there is, waiting a little for it."""
        if select.select([self._screen], [], [], 0.1)[0]:
            try:
                self.shown += os.read(self._screen, 65536)
            except OSError:
                time.sleep(0.05)

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._screen, keys)

    def ended(self) -> bool:
        """Whether the program has ended; what it still says is read first."""
        self.read()
        return self.process.poll() is not None


@pytest.fixture
def terminal(tmp_path):
    """A function that opens the program on the same folder of runs each time; whatever is left is ended."""
    opened = []

    def open_terminal(*words: str) -> Terminal:
        opened.append(Terminal(tmp_path, *words))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.process.kill()
        each.process.wait()


def test_opens_and_leaves_the_terminal_as_it_was(terminal):
    screen = terminal()
    screen.until(lambda: b"architecture" in screen.shown)
    screen.press(b"\x11")
    screen.until(screen.ended)
    assert screen.process.returncode == 0
    assert LEAVE_SCREEN in screen.shown


def test_watching_opens_on_the_run_and_leaves_it_going(terminal, tmp_path):
    run = ScriptRun(tmp_path / "mine", epochs=2).grow([1, 2, 3, 4])
    screen = terminal("reskeras", "watch", "mine")
    screen.until(lambda: b"my_model" in screen.shown)
    screen.press(b"q")
    screen.until(screen.ended)
    assert screen.process.returncode == 0 and LEAVE_SCREEN in screen.shown
    assert run.run.state() == "running"
    run.close()


def test_the_demonstration_plays_and_cleans_up(terminal):
    before = set(Path(tempfile.gettempdir()).glob("reskeras-demo-*"))
    screen = terminal("reskeras-tui", "demo")
    screen.until(lambda: b"playing" in screen.shown)
    screen.press(b" ")
    screen.until(lambda: b"paused" in screen.shown)
    screen.press(b"\x1b[F")
    screen.until(lambda: b"is ahead" in screen.shown)
    screen.press(b"q")
    screen.until(screen.ended)
    assert screen.process.returncode == 0 and LEAVE_SCREEN in screen.shown
    assert set(Path(tempfile.gettempdir()).glob("reskeras-demo-*")) <= before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_gives_the_terminal_back_when_it_is_told_to_end(terminal, number):
    screen = terminal()
    screen.until(lambda: b"architecture" in screen.shown)
    screen.process.send_signal(number)
    screen.until(screen.ended)
    assert LEAVE_SCREEN in screen.shown


def test_a_run_outlives_the_program_is_found_again_and_exported(terminal, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    first = terminal()
    first.until(lambda: b"architecture" in first.shown)
    # Down to the depth, which becomes 8, and on to the width, which becomes 4: the smallest network of the family.
    first.press(b"\x1b[B\x1b[B\x1b[F\x7f\x7f8\t\x1b[F\x7f\x7f4")
    first.until(lambda: b"--depth 8 --width 4" in first.shown or b"ready" in first.shown)
    first.press(b"\x13")
    first.until(lambda: any(run.is_live() for run in list_runs(tmp_path)))
    run = list_runs(tmp_path)[0]
    # Shown once its worker has been started.
    first.until(lambda: run.name.encode() in first.shown)
    first.process.kill()
    first.process.wait()
    assert run.is_live()
    second = terminal()
    second.until(lambda: run.name.encode() in second.shown)
    second.until(lambda: len(run.series("gradient_norm").last) > 0)
    second.press(b"s")
    second.until(lambda: not run.is_live())
    assert run.state() in ("stopped", "finished"), run.log_path.read_text()[-2000:]
    assert run.model_path.is_file()
    second.until(lambda: b"trained network" in second.shown)
    second.press(b"e")
    second.until(lambda: b"Export" in second.shown)
    second.press(b"\r")
    # The path is there already; it has the focus once its hint stands below it.
    second.until(lambda: b"where to" in second.shown and b"A new file" in second.shown)
    second.press(b"\r")
    second.until(lambda: list(here.glob("*.keras")))
    [target] = here.glob("*.keras")
    second.press(b"q")
    second.until(second.ended)
    done = subprocess.run([sys.executable, "-c", LOADER, target], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr[-2000:]
    assert np.allclose(json.loads(done.stdout.splitlines()[-1]), 1, atol=1e-4), "probabilities sum to one"
