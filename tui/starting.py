"""What the application does to start workers, and to have runs go on."""

from __future__ import annotations

import shutil

from textual import work

from reskeras.request import Request
from reskeras.runs import Run, RunError, RunSettings, create, launch, resuming

from .messages import RunStarted, StartFailed
from .screens.design import DesignScreen


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
        self.post_message(RunStarted(first, *(each for each in rest if isinstance(each, Run))))
        for reason in rest:
            if isinstance(reason, str):
                self.call_from_thread(self._tell_error, reason)

    def _started(self, request: Request) -> Run | str:
        """Return a run whose worker was started, or why there is none."""
        try:
            run = create(request.settings, self.runs)
        except RunError as error:
            return str(error)
        try:
            launch.start(run, self._warming.take() if self._warming else None)
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
            runs = [message.run, *message.others]
            self.marked = [each.folder for each in runs]
            self.compare(runs)
        else:
            self.show_run(message.run)

    def on_start_failed(self, message: StartFailed) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, DesignScreen):
                screen.show_failure(message.reason)

    @work(thread=True, group="start", exit_on_error=False)
    def resume_run(self, run: Run) -> None:
        """Start a worker that goes on with a run that is over, where its newest checkpoint was taken."""
        try:
            resuming.checked(run)
            resuming.prepare(run)
            launch.start(run)
        except (RunError, OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            self.call_from_thread(self._tell_error, f"{run.name} cannot go on: {reason}")
            # The screen took the run for one that starts.
            self.call_from_thread(self.follow, run)
            return
        self.post_message(RunStarted(run))
