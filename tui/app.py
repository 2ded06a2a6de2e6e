"""The application: its screens, and the run it follows."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.worker import Worker, get_current_worker

import reskeras
from reskeras.runs import RUNS_FOLDER, RunError

from . import keymap, parts
from .export_actions import Exporting
from .messages import LiveRunFound, PartsImported, RunRead
from .preferences import Preferences
from .preferences import path as preference_file
from .screens.opening import OpeningScreen
from .starting import Starting
from .theme import BY_NAME

if TYPE_CHECKING:
    from reskeras.runs import Run

    from .courses import View
    from .follow import RunReader
    from .run_list import Library

BLURRED_SECONDS = 1.0
"""Between two readings of a run, while the terminal has not the focus."""

LOOK_SECONDS = 0.5
"""A disk that takes longer to say whether a run is live keeps nobody from the form."""

BUSIEST = 0.15
"""A reading that takes a larger part of its period makes the period longer."""


@keymap.named_actions("app")
class ReskerasApp(Starting, Exporting, App[None]):
    """Design, start and watch runs.

    Args:
        runs: the folder of runs.
        warm: keep a worker ready while a run is designed.
        run: the run to open at once; None opens the newest that is live, else the form of a new run.
        compared: runs to compare at once, in place of all that.
        replay: play the compared runs from their start.
        preferences: what the user prefers; None takes the defaults.
        when_open: is called once everything is imported.

    Raises:
        ValueError: where the preferred keys clash, or there is no such action.
    """

    TITLE = "reskeras"
    CSS_PATH = "app.tcss"
    # Without priority, so that a screen's own entry for the same key is the one in the footer.
    BINDINGS: ClassVar = [
        Binding("ctrl+q", "quit", "Quit", show=False),
        Binding("e", "export", "Export"),
        Binding("g", "replay_shown", "Replay", show=False),
        Binding("f8", "turn_theme", "Light/dark", show=False),
    ]
    HORIZONTAL_BREAKPOINTS: ClassVar = [(0, "-narrow"), (100, "-wide"), (130, "-broad")]
    VERTICAL_BREAKPOINTS: ClassVar = [(0, "-low"), (36, "-tall")]

    def __init__(
        self,
        runs: Path = RUNS_FOLDER,
        warm: bool = False,
        run: Run | None = None,
        compared: Sequence[Run] = (),
        replay: bool = False,
        preferences: Preferences | None = None,
        when_open: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self.preferences = preferences or Preferences()
        keys = self.preferences.keys
        self.own_keys = keymap.keymap(named_classes(), keys, preference_file()) if keys else {}
        self.runs = Path(runs)
        self.marked: list[Path] = [each.folder for each in compared]
        self._opened, self._replay, self._warm, self._when_open = run, replay, warm, when_open
        self._is_open = False
        self._warming = None
        self._reader: RunReader | None = None
        self._following: Worker | None = None
        self._wake = threading.Event()
        self._leaving = threading.Event()

    def get_default_screen(self) -> OpeningScreen:
        return OpeningScreen()

    def on_mount(self) -> None:
        for theme in BY_NAME.values():
            self.register_theme(theme)
        self.theme = BY_NAME[self.preferences.theme].name
        self.set_keymap(self.own_keys)
        self._end_on_signals()
        self.call_after_refresh(self._import_parts)

    @work(thread=True, group="import")
    def _import_parts(self) -> None:
        parts.import_all()
        self.post_message(PartsImported())

    async def on_parts_imported(self) -> None:
        """Go from the first picture to the screen that was asked for."""
        if self._when_open is not None:
            self._when_open()
        parts.prefer_glyphs(self.preferences.glyphs)
        self._warming = parts.Warming() if self._warm else None
        self._is_open = True
        await self.push_screen(parts.DesignScreen())
        if self.marked:
            self.compare([reskeras.runs.Run(folder) for folder in self.marked], self._replay)
        elif self._opened is None:
            self.find_live_run()
            self.set_timer(LOOK_SECONDS, self.open_form)
        else:
            self.show_run(self._opened)

    def on_unmount(self) -> None:
        self._leaving.set()
        self._wake.set()
        if self._is_open:
            parts.judging.end()
        if self._warming is not None:
            self._warming.close()

    def _end_on_signals(self) -> None:
        """Leave in good order when asked to by signal, so that the terminal is left as it was found."""
        for name in (signal.SIGTERM, signal.SIGHUP):
            try:
                asyncio.get_running_loop().add_signal_handler(name, self.exit)
            except (NotImplementedError, RuntimeError, ValueError):
                # Signals reach the main thread only; an application in another thread is not ended by them.
                return
        # Without SIGHUP (nohup, a dead parent) a closed terminal would leave the program reading in vain.
        if sys.__stdin__ is not None and sys.__stdin__.isatty():
            self.set_interval(2, self._end_without_terminal)

    def _end_without_terminal(self) -> None:
        if not os.isatty(sys.__stdin__.fileno()):
            self.exit()

    @cached_property
    def library(self) -> Library:
        """The records of all runs."""
        return parts.Library(self.runs)

    # Which screen is shown

    async def action_show_design(self) -> None:
        """Go to the form of a new run."""
        self._above_design(None)
        await self.open_form()

    def action_show_runs(self) -> None:
        """Go to the list of runs."""
        if not isinstance(self.screen, parts.RunsScreen):
            self._above_design(parts.RunsScreen())

    def action_show_live(self) -> None:
        """Go to the run that was watched last, else to the newest."""
        if isinstance(self.screen, parts.LiveScreen):
            return
        if self._reader:
            run = self._reader.run
        else:
            run = next(map(reskeras.runs.Run, reskeras.runs.listing.folders(self.runs)), None)
        if run is None:
            self.notify("There is no run yet: start one.", timeout=4)
        else:
            self.show_run(run)

    def action_show_compare(self) -> None:
        """Go to the comparison of the runs that are marked in the list of runs."""
        if isinstance(self.screen, parts.CompareScreen):
            return
        runs = [reskeras.runs.Run(folder) for folder in self.marked if folder.is_dir()]
        if len(runs) < 2:
            self.notify(f"Mark two to {len(parts.LETTERS)} runs in the list of runs, with space.", timeout=4)
            self.action_show_runs()
        else:
            self.compare(runs)

    def action_turn_theme(self) -> None:
        """Change between light and dark."""
        self.theme = next(each.name for each in BY_NAME.values() if each.name != self.theme)

    def get_system_commands(self, screen: Screen) -> Iterable[SystemCommand]:
        yield from parts.commands(self, screen)

    async def action_quit(self) -> None:
        """Leave; runs that are being trained go on."""
        self.exit()

    def action_show_help(self) -> None:
        """Explain this screen."""
        if not isinstance(self.screen, parts.HelpScreen):
            self.push_screen(parts.HelpScreen(self.screen))

    def _above_design(self, screen: Screen | None) -> None:
        """Show a screen over the design screen, in place of what was over it."""
        while not isinstance(self.screen, parts.DesignScreen):
            self.pop_screen()
        if not isinstance(screen, parts.LiveScreen) and self._following is not None:
            self._following.cancel()
        if screen is not None:
            self.push_screen(screen)

    def show_run(self, run: Run) -> None:
        """Watch a run."""
        self._above_design(parts.LiveScreen(run))
        self.follow(run)

    def compare(self, runs: Sequence[Run], replay: bool = False, speed: int | None = None) -> None:
        """Compare runs, as they stand or played again."""
        self._above_design(parts.CompareScreen(runs, replay, speed))

    def replay(self, run: Run, speed: int | None = None) -> None:
        """Play a recorded run."""
        self._above_design(parts.ReplayScreen(run, speed))
        self.follow(run)

    # Writing and playing what is shown

    @property
    def shown_screen(self) -> Screen:
        """The screen that is shown, below questions, help and palette."""
        return next((each for each in reversed(self.screen_stack) if not each.is_modal), self.screen)

    def shown_runs(self, screen: Screen | None = None) -> list[Run]:
        """Return the runs that a screen is about, by default the present one."""
        shown = getattr(screen or self.shown_screen, "shown_runs", None)
        return shown() if shown else []

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.offers(action, self.shown_screen) if self._is_open else action == "quit"

    def offers(self, action: str, screen: Screen) -> bool:
        """Return whether an action of the application can be done on a screen."""
        if action == "export":
            return bool(self.shown_runs(screen))
        if action == "replay_shown":
            return getattr(screen, "PLAYS_AGAIN", False)
        return True

    def action_replay_shown(self) -> None:
        """Play the run again from its start."""
        self.replay(self.shown_screen.run)

    def open_run(self, name: str) -> None:
        """Watch the run of this name."""
        try:
            self.show_run(reskeras.runs.find(name, self.runs))
        except RunError as error:
            self.notify(str(error), severity="error", timeout=8, markup=False)

    # Following a run

    def follow(self, run: Run, view: View | None = None) -> None:
        """Read a run again and again until it ends.

        Args:
            run: the run.
            view: what of its layers is read; None begins anew.
        """
        if self._reader is None or self._reader.run.folder != run.folder:
            self._reader = parts.RunReader(run)
        self._reader.view = view or parts.View()
        self._wake.set()
        self._following = self._follow(self._reader)

    @work(thread=True, group="follow", exclusive=True, exit_on_error=False)
    def _follow(self, reader: RunReader) -> None:
        worker = get_current_worker()
        while not (worker.is_cancelled or self._leaving.is_set()):
            began = time.monotonic()
            snapshot = reader.read()
            self.post_message(RunRead(snapshot))
            if not (worker.is_cancelled or self._leaving.is_set()) and (judged := reader.judge(snapshot)) is not None:
                self.post_message(RunRead(judged))
            if not (snapshot.is_live or snapshot.state == "queued"):
                return
            period = self.preferences.period
            period = period if self.app_focus else max(period, BLURRED_SECONDS)
            self._wake.wait(max(period, (time.monotonic() - began) / BUSIEST))
            self._wake.clear()

    def on_run_read(self, message: RunRead) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, parts.LiveScreen) and screen.run.folder == message.snapshot.run.folder:
                screen.show(message.snapshot)

    # Steering a run

    def ask_run(self, run: Run, command: str, value: float | str | None = None) -> None:
        """Leave a command for a run's worker, such as `"stop"`, or `"learning_rate"` with its value."""
        try:
            reskeras.runs.control.send(run.commands_path, command, value)
        except OSError as error:
            self._tell_error(f"The {command} command cannot be written to {run.commands_path}: {error.strerror}.")
        self._wake.set()

    def _tell_error(self, text: str) -> None:
        self.notify(text, severity="error", timeout=8, markup=False)

    # All runs

    @work(thread=True, group="find", exit_on_error=False)
    def find_live_run(self) -> None:
        """Look for a run that is being trained; the newest is opened."""
        queue, listing = reskeras.runs.queue, reskeras.runs.listing
        if queue.waiting(self.runs) and not queue.is_attended(self.runs):
            # Whatever worked through the queue is gone; an error here keeps nobody from watching runs.
            with contextlib.suppress(RunError):
                queue.ensure(self.runs)
        live = next(listing.live_folders(listing.folders(self.runs)), None)
        self.post_message(LiveRunFound(live and reskeras.runs.Run(Path(live))))

    async def on_live_run_found(self, message: LiveRunFound) -> None:
        if message.run is None:
            await self.open_form()
        elif isinstance(self.screen, parts.DesignScreen):
            self.show_run(message.run)

    async def open_form(self) -> None:
        """Have the form of a new run there, if it is what is to be seen."""
        # There is no screen any more where the application ended meanwhile.
        if self.screen_stack and isinstance(self.shown_screen, parts.DesignScreen):
            await self.shown_screen.open_form()


def named_classes() -> dict[str, type[DOMNode]]:
    """Return the classes whose actions can be given other keys: what preferences call each -> the class."""
    return {
        "app": ReskerasApp,
        "design": parts.DesignScreen,
        "live": parts.LiveScreen,
        "replay": parts.ReplayScreen,
        "runs": parts.RunsScreen,
        "compare": parts.CompareScreen,
    }
