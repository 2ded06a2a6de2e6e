"""What the application does to start workers, and to have runs go on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from textual import work

from reskeras import runs
from reskeras.runs import RunError

from . import parts
from .messages import RunStarted, StartFailed

if TYPE_CHECKING:
    from reskeras.request import Request
    from reskeras.runs import Run, RunSettings


class Starting:
    """The part of the application that starts workers; mixed into it, for Textual's own workers belong to it."""

    @work(thread=True, group="start", exit_on_error=False)
    def start_run(self, request: Request, *others: Request) -> None:
        """Make the folders of runs and start their workers, and show the run, or several beside one another; a folder
        without a worker is not left behind."""
        first = self._started(request)
        if isinstance(first, str):
            self.post_message(StartFailed(first))
            return
        rest = [self._started(each) for each in others]
        self.post_message(RunStarted(first, *(each for each in rest if isinstance(each, runs.Run))))
        for reason in rest:
            if isinstance(reason, str):
                self.call_from_thread(self._tell_error, reason)

    def _started(self, request: Request) -> Run | str:
        """Return a run whose worker was started, or why there is none."""
        try:
            run = runs.create(request.settings, self.runs)
        except RunError as error:
            return str(error)
        try:
            runs.launch.start(run, self._warming.take() if self._warming else None)
        except (OSError, RuntimeError) as error:
            shutil.rmtree(run.folder, ignore_errors=True)
            return f"The worker cannot be started: {error}"
        return run

    @work(thread=True, group="warm", exit_on_error=False)
    def prepare_worker(self, settings: RunSettings) -> None:
        """Have a worker import what a run of these settings needs, and compile its step, before it is started."""
        if self._warming is not None:
            self._warming.prepare(settings)

    def on_run_started(self, message: RunStarted) -> None:
        if message.others:
            started = [message.run, *message.others]
            self.marked = [each.folder for each in started]
            self.compare(started)
        else:
            self.show_run(message.run)

    def on_start_failed(self, message: StartFailed) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, parts.DesignScreen):
                screen.show_failure(message.reason)

    @work(thread=True, group="start", exit_on_error=False)
    def resume_run(self, run: Run) -> None:
        """Start a worker that goes on with a run that is over, where its newest checkpoint was taken."""
        try:
            runs.resuming.checked(run)
            runs.resuming.prepare(run)
            runs.launch.start(run)
        except (RunError, OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            self.call_from_thread(self._tell_error, f"{run.name} cannot go on: {reason}")
            # The screen took the run for one that starts.
            self.call_from_thread(self.follow, run)
            return
        self.post_message(RunStarted(run))
