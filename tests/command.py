"""The command line in this process: quick, for commands that start none of their own."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest.mock import patch

from reskeras.cli import main


class Done(NamedTuple):
    """How a command ended: its exit code, and what it printed on standard output and on standard error."""

    code: int
    out: str
    err: str


def command(*arguments: object, stdin: str = "") -> Done:
    """Run `reskeras` with these arguments to its end; an error that it does not explain passes through."""
    out, err, words = io.StringIO(), io.StringIO(), ["reskeras", *map(str, arguments)]
    patches = patch.object(sys, "argv", words), patch.object(sys, "stdin", io.StringIO(stdin))
    with patches[0], patches[1], redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as error:
            return Done(error.code or 0, out.getvalue(), err.getvalue())
    raise AssertionError("the command line ends by exiting")
