"""The screen that lists all runs, live ones first: to find, order, open and compare them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ActiveBinding, Screen
from textual.widgets import Input, Label, Static
from textual.worker import get_current_worker

from reskeras.runs import Run, RunError, keeping, labels
from reskeras.runs.folder import LIVE_STATES, check_name

from .. import run_list, words
from ..comparing import LETTERS
from ..keymap import named_actions
from ..messages import RunsListed
from ..widgets.fitting_footer import FittingFooter, fitted
from ..widgets.run_table import SORTABLE, RunTable
from ..widgets.top_bar import TopBar
from .ask import AskScreen, ConfirmScreen

LIST_SECONDS = 1.0
"""Between two readings of the list of runs."""

FIRST_SECONDS = 0.3
"""Between the first reading and the second, so that the first is drawn at once."""

BUSIEST = 0.15
"""A reading that takes a larger part of its period makes the period longer."""

PLACEHOLDER = "/ filters by name, state, setting, tag, note"

RESUMABLE = ("stopped", "resumable")


FIRST_KEYS = (
    *("app.show_help", "app.quit", "open", "filter", "sort", "mark", "compare", "replay", "delete", "app.export"),
    *("tag", "note", "rename", "resume", "app.show_design"),
)
"""Actions, the one first that is to be in the footer however narrow it is."""


class FilterInput(Input):
    """The words that the runs in the list must have."""

    BINDINGS: ClassVar = [
        Binding("down", "app.focus('runs')", "To the list"),
        Binding("escape", "clear", "All runs"),
    ]

    def action_clear(self) -> None:
        """Show all runs again."""
        self.value = ""
        self.screen.query_one(RunTable).focus()


@named_actions("runs")
class RunsScreen(Screen):
    """Choose runs: to open, compare, play again, name, tag or delete."""

    BINDINGS: ClassVar = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("s", "sort", "Sort"),
        Binding("S", "reverse", "Turn round", show=False, key_display="S"),
        Binding("space", "mark", "Mark"),
        Binding("c", "compare", "Compare"),
        Binding("g", "replay", "Replay"),
        Binding("p", "resume", "Resume"),
        Binding("t", "tag", "Tags"),
        Binding("n", "note", "Note"),
        Binding("m,f2", "rename", "Rename", key_display="m"),
        Binding("x,delete", "delete", "Delete", key_display="x"),
        Binding("z", "restore", "Undo delete", show=False),
        Binding("u", "unmark", "Unmark all", show=False),
        Binding("d,escape", "app.show_design", "Design", key_display="d"),
        Binding("f4", "app.show_live", "Live", show=False),
        Binding("question_mark", "app.show_help", "Help", key_display="?"),
        Binding("f1", "app.show_help", "Help", show=False),
        Binding("q", "app.quit", "Quit"),
    ]
    AUTO_FOCUS = "#runs"

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[dict[str, Any]] = []
        # None before the first reading.
        self._total: int | None = None
        self._leaving, self._wake = threading.Event(), threading.Event()
        self._deleted: list[str] = []
        self._table = RunTable(id="runs")
        self._note = Label("reading the runs", id="runs-note", markup=False)
        self._filter = FilterInput(
            placeholder="/ filters by name, state, setting, tag, note", id="runs-filter", compact=True
        )
        self._detail = Static("", id="runs-detail", markup=False)

    def compose(self) -> ComposeResult:
        yield TopBar("runs", f"runs in {self.app.runs}")
        yield self._filter
        yield self._note
        yield self._table
        yield self._detail
        yield FittingFooter()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The keys, of which so many are shown in the footer as fit."""
        return fitted(super().active_bindings, FIRST_KEYS, self.app)

    def on_mount(self) -> None:
        self._show_marks()
        self._table.focus()
        self._read()

    def on_unmount(self) -> None:
        self._leaving.set()
        self._wake.set()

    # Reading

    @work(thread=True, group="list", exclusive=True, exit_on_error=False)
    def _read(self) -> None:
        """Read all runs again and again while their list is there."""
        worker, complete = get_current_worker(), False
        while not (worker.is_cancelled or self._leaving.is_set()):
            self._wake.clear()
            began = time.monotonic()
            listed = self.app.library.read()
            self.post_message(RunsListed(*listed))
            # Of very many runs, the first reading has some only.
            complete = complete or len(listed.rows) == listed.total
            period = max(LIST_SECONDS, (time.monotonic() - began) / BUSIEST)
            self._wake.wait(period if complete else FIRST_SECONDS)

    def on_runs_listed(self, message: RunsListed) -> None:
        if message.rows is not self._rows or message.total != self._total:
            self._rows, self._total = message.rows, message.total
            self._show()

    @on(Input.Changed, "#runs-filter")
    def _show(self) -> None:
        if self._total is None:
            return
        found = run_list.chosen(self._rows, self._filter.value, self._table.sorted_by, self._table.reverse)
        self._table.show(found)
        live = sum(row["state"] in LIVE_STATES for row in self._rows)
        text = f"{words.count(self._total, 'run')}, {live} live"
        if len(self._rows) < self._total:
            text += f"; reading, {len(self._rows):,} so far"
        if not self._total:
            text = "No run yet: press d and design one."
        elif self._filter.value.strip():
            text += f"; {len(found):,} with {self._filter.value.strip()!r}"
        if self._table.marked:
            text += f"; {len(self._table.marked)} marked, c compares them"
        self._note.update(text)
        self.refresh_bindings()

    @on(RunTable.Moved)
    def _tell(self, message: RunTable.Moved) -> None:
        row = message.row or {}
        said = [str(row.get("reason") or ""), " ".join(row.get("tags") or ()), str(row.get("note") or "")]
        text = "   ".join(part.replace("\n", " ") for part in said if part)
        self._detail.update(text)
        self._detail.display = bool(text)
        self.refresh_bindings()

    @on(Input.Submitted, "#runs-filter")
    def _leave_filter(self) -> None:
        self._table.focus()

    # What the keys do

    @property
    def _current(self) -> Run | None:
        row = self._table.current
        return Run(Path(row["folder"])) if row else None

    def shown_runs(self) -> list[Run]:
        """Return the marked runs, else the one under the cursor."""
        marked = [Run(folder) for folder in self.app.marked]
        return marked or ([self._current] if self._current else [])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        row = self._table.current
        if action in ("mark", "compare", "replay", "tag", "note", "rename", "delete", "resume") and row is None:
            return None
        if action in ("rename", "delete") and row["state"] in LIVE_STATES:
            return None
        if action == "resume" and row["state"] not in RESUMABLE:
            return None
        return True

    @on(RunTable.Opened)
    def _open(self, message: RunTable.Opened) -> None:
        self.app.open_run(message.row["folder"])

    def action_filter(self) -> None:
        """Type words that the runs must have; escape shows all again."""
        self._filter.focus()

    def action_sort(self) -> None:
        """Sort by the next column; a click on a heading does it too."""
        place = SORTABLE.index(self._table.sorted_by)
        self._sort(SORTABLE[(place + 1) % len(SORTABLE)])

    def _sort(self, key: str) -> None:
        self._table.sorted_by, self._table.reverse = key, False
        self._show()

    def action_reverse(self) -> None:
        """Sort the other way round."""
        self._table.reverse = not self._table.reverse
        self._show()

    @on(RunTable.SortAsked)
    def _sort_by_heading(self, message: RunTable.SortAsked) -> None:
        if message.key == self._table.sorted_by:
            self.action_reverse()
        else:
            self._sort(message.key)

    def action_mark(self) -> None:
        """Mark a run to be compared, or take its mark away."""
        folder, marked = self._current.folder, self.app.marked
        if folder in marked:
            marked.remove(folder)
        elif len(marked) == len(LETTERS):
            self.notify(
                f"At most {len(LETTERS)} runs can be compared: unmark one with space, or all with u.", timeout=4
            )
            return
        else:
            marked.append(folder)
        self._show_marks()
        self._table.action_move(1)

    def action_unmark(self) -> None:
        """Take all marks away."""
        self.app.marked.clear()
        self._show_marks()

    def _show_marks(self) -> None:
        self._table.marked = [str(folder) for folder in self.app.marked]
        self._show()

    def action_compare(self) -> None:
        """Compare the marked runs, with the one under the cursor where fewer than two are marked."""
        folder, marked = self._current.folder, self.app.marked
        if len(marked) < 2 and folder not in marked:
            marked.append(folder)
        self._show_marks()
        if len(marked) < 2:
            self.notify(f"One run is marked. Mark two to {len(LETTERS)} with space, then press c.", timeout=4)
        else:
            self.app.action_show_compare()

    def action_replay(self) -> None:
        """Play the run again from its start."""
        self.app.replay(self._current)

    def action_resume(self) -> None:
        """Go on with a run that was stopped or broke off, from its newest checkpoint."""
        self.app.resume_run(self._current)

    def action_tag(self) -> None:
        """Change the tags of a run."""
        run, known = self._current, self._table.current.get("tags") or ()

        def done(text: str | None) -> None:
            if text is not None:
                self._do(run.folder, lambda: _retag(run, text.split(), tuple(known)))

        hint = "Words with spaces between them, each without commas; empty takes all away."
        self.app.push_screen(AskScreen(f"Tags of {run.name}", " ".join(known), hint), done)

    def action_note(self) -> None:
        """Write a note on a run."""
        run, known = self._current, str(self._table.current.get("note") or "")

        def done(text: str | None) -> None:
            if text is not None:
                self._do(run.folder, lambda: labels.note(run, text) and f"The note of {run.name} is kept.")

        hint = "ctrl+s keeps it, escape leaves it as it was; empty takes the note away."
        self.app.push_screen(AskScreen(f"Note on {run.name}", known, hint, lines=True), done)

    def action_rename(self) -> None:
        """Give a run another name."""
        run = self._current

        def done(name: str | None) -> None:
            if name is not None and name != run.folder.name:
                self._do(run.folder, lambda: _rename(run, name, self.app.marked))

        hint = "A folder's name, without slashes."
        self.app.push_screen(AskScreen(f"Rename {run.name}", run.folder.name, hint, _name_problem), done)

    def action_delete(self) -> None:
        """Move a run to the trash, from where z brings it back."""
        run = self._current

        def done(sure: bool | None) -> None:
            if sure:
                self._do(run.folder, lambda: self._delete(run))

        trash = f"It goes to {run.folder.parent / keeping.TRASH}; z, or reskeras restore, brings it back."
        self.app.push_screen(ConfirmScreen(f"Delete {run.name}?", trash), done)

    def _delete(self, run: Run) -> str:
        gone = keeping.delete(run)
        self._deleted.append(gone.name)
        if run.folder in self.app.marked:
            self.app.marked.remove(run.folder)
        return f"{gone.name} is in the trash; z brings it back."

    def action_restore(self) -> None:
        """Bring back the run that was deleted last."""
        if not self._deleted:
            self.notify("Nothing was deleted here. reskeras runs --trash lists what was deleted before.", timeout=4)
            return
        name = self._deleted.pop()
        self._do(None, lambda: f"{keeping.restore(name, self.app.runs).name} is back.")

    @work(thread=True, group="keeping", exit_on_error=False)
    def _do(self, folder: Path | None, change: Callable[[], str]) -> None:
        """Change something on the disk, say what was done or why it was not, and read the list anew."""
        try:
            said, severity = change(), "information"
        except (RunError, OSError) as error:
            said, severity = str(getattr(error, "strerror", None) or error), "error"
        if folder is not None:
            self.app.library.forget(folder)
        self._wake.set()
        self.app.call_from_thread(self._changed, said, severity)

    def _changed(self, said: str, severity: str) -> None:
        self.notify(said, severity=severity, timeout=4 if severity == "information" else 8, markup=False)
        if self.is_mounted:
            self._show_marks()


def _retag(run: Run, wanted: list[str], known: tuple[str, ...]) -> str:
    new = [tag for tag in wanted if tag not in known]
    gone = [tag for tag in known if tag not in wanted]
    found = labels.tag(run, *new) if new or not gone else labels.Labels()
    found = labels.untag(run, *gone) if gone else found
    return f"{run.name}: {', '.join(found.tags) or 'no tags'}"


def _rename(run: Run, name: str, marked: list[Path]) -> str:
    renamed = keeping.rename(run, name)
    if run.folder in marked:
        marked[marked.index(run.folder)] = renamed.folder
    return f"{run.name} is now {renamed.name}."


def _name_problem(name: str) -> str | None:
    try:
        check_name(name)
    except RunError as error:
        return str(error)
    return None
