"""Runs a measurement in a process of its own, which prints it as JSON in its last line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

_EXCEPTION = re.compile(r"[\w.]+(Error|Exception|Interrupt|Exit)\b")


class Failed(Exception):
    """A process did not give a measurement; its text says why in one line."""


def run(
    script: Path, arguments: list[str], backend: str, limit: float, environment: dict[str, str] | None = None
) -> dict | None:
    """Return what a script prints in a process of its own.

    Args:
        script: the file to run.
        arguments: what it is given.
        backend: what Keras runs on there.
        limit: seconds after which it is given up.
        environment: what is set there besides.

    Raises:
        Failed: where it takes longer, or breaks off.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            **(environment or {}),
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # So that nothing is compiled already.
            "JAX_ENABLE_COMPILATION_CACHE": "0",
            "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor",
        }
        output, errors = Path(folder, "output"), Path(folder, "errors")
        with output.open("w") as out, errors.open("w") as err:
            command = [sys.executable, str(script), *arguments]
            # A group of its own, with the compilers that it starts.
            process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, start_new_session=True)
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                raise Failed(f"over {limit:.0f} s") from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        if code:
            raise Failed(_reason(errors.read_text()) or f"ended with code {code}")
        return json.loads(output.read_text().splitlines()[-1])


def _reason(errors: str) -> str:
    """Return the line of a traceback that names the exception; libraries write lines behind it."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    named = [line for line in lines if _EXCEPTION.match(line)]
    return (named or lines or [""])[-1][:120]
