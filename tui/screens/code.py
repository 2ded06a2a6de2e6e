"""The dialog that shows a run to be as a shell command and as a Python program, to copy or to keep."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Label, Static

from reskeras.files import write_whole


class CodeScreen(ModalScreen[None]):
    """Show a command and a program that do the same.

    Args:
        name: what their files are called.
        command: the shell command.
        program: the Python program.
    """

    BINDINGS: ClassVar = [
        Binding("c", "copy_command", "Copy command"),
        Binding("y", "copy_program", "Copy Python"),
        Binding("w", "write", "Write files"),
        Binding("escape,q", "dismiss", "Close", key_display="esc"),
    ]

    def __init__(self, name: str, command: str, program: str) -> None:
        super().__init__()
        self._file_name, self._command, self._program = name, command, program

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="code"):
            yield Label("In a shell", classes="form-heading")
            yield Static(self._command, id="code-command", markup=False)
            yield Label("In Python", classes="form-heading")
            yield Static(self._program, id="code-program", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        self.query_one("#code").border_title = "The same without this program"
        self.query_one("#code").focus()

    def action_copy_command(self) -> None:
        """Hand the command to the terminal's clipboard."""
        self._copy(self._command, "command")

    def action_copy_program(self) -> None:
        """Hand the program to the terminal's clipboard."""
        self._copy(self._program, "program")

    def _copy(self, text: str, what: str) -> None:
        self.app.copy_to_clipboard(text)
        self.notify(f"The {what} is in the clipboard, if this terminal has one.", timeout=3)

    def action_write(self) -> None:
        """Write both to files in the working folder."""
        written = []
        try:
            for ending, text in ((".sh", self._command + "\n"), (".py", self._program)):
                path = _free(Path.cwd(), self._file_name, ending)
                write_whole(path, text)
                written.append(path.name)
        except OSError as error:
            self.notify(
                f"Nothing can be written to {Path.cwd()}: {error.strerror}.", severity="error", timeout=8, markup=False
            )
            return
        self.notify(f"Written to {Path.cwd()}: {' and '.join(written)}.", timeout=6, markup=False)


def _free(folder: Path, name: str, ending: str) -> Path:
    """Return the path of a file that is not there yet, with a number where it takes one."""
    number, path = 1, folder / f"{name}{ending}"
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}{ending}"
    return path
