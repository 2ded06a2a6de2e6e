"""The callback that measures every step of a `fit` and writes it into a run's folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import keras

from reskeras import backend
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.runs.statistics import LEVELS, reaches
from reskeras.suggestions import suggest
from reskeras.telemetry import ring
from reskeras.telemetry.drain import Drain
from reskeras.telemetry.script_run import ScriptRun
from reskeras.telemetry.watched import Watched
from reskeras.telemetry.writing import StatisticsWriter

PERIOD = 0.1
"""Seconds between two readings of the device, unless the ring fills up earlier."""

TELL_SECONDS = 20.0
"""Seconds after the first reading at which it is told what measuring takes; then again each time a `fit` has lasted
twice as long."""


class GradientMonitor(keras.callbacks.Callback):
    """Measures every step of a `fit` from inside the compiled step, and writes a run that can be watched live.

        model.fit(x, y, callbacks=[reskeras.GradientMonitor("runs/my-run")])

    Of every weight: the norm of its gradient before and after clipping, its own norm, how large the update was in
    relation to it, entries that are not finite. `reskeras watch runs/my-run` and the terminal UI show it while it goes
    on, and `reskeras.runs.open("runs/my-run")` reads it. Any compiled model can be watched, and neither it nor its
    training is changed: the device is read at most ten times a second, and never waited for. Outputs of blocks are
    measured in models from `reskeras.watch`.

    Args:
        run: a folder to make for the run; where there is something already, the first free number is added to its name.
            Or a `Run`, in which somebody else writes down what happens.
        level: how much is measured: `"off"`, `"norms"`, `"probes"` or `"deep"`; may be changed while training runs.

    Attributes:
        run: the run, once training has begun.

    Raises:
        ValueError: for a level that there is not.
        RunError: when training begins, where the folder cannot be made.
    """

    # Keras may go on to the next step before anything of this one was computed.
    async_safe = True

    def __init__(self, run: Run | str | Path, level: str = "norms"):
        super().__init__()
        _check_level(level)
        self.run = run if isinstance(run, Run) else None
        self._folder = None if isinstance(run, Run) else Path(run)
        self._level = level
        self._script: ScriptRun | None = None
        self._writer: StatisticsWriter | None = None
        self._noise = (0.0, 0.0)
        self._drain: Drain | None = None
        self._begun = 0

    @property
    def level(self) -> str:
        """How much is measured. A new level is taken up before the next step, which is compiled anew for it."""
        return self._level

    @level.setter
    def level(self, level: str) -> None:
        _check_level(level)
        if self._model is not None:
            _check_probes(self._model, level)
        self._level = level

    def set_model(self, model):
        super().set_model(model)
        # Here, for the step is compiled before training begins.
        make_ready(model, self._level)

    def on_train_begin(self, logs=None):
        model, optimizer = self._model, self._model.optimizer
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        self._recordings = ring.recordings(optimizer)
        # The optimizer may have been at work before; it counts updates, each of several steps where it accumulates.
        updates = int(backend.as_numpy(optimizer.iterations))
        self._begun = updates * self._recordings[0].micro_steps
        if self._folder is not None:
            if self._script is None:
                self._script = ScriptRun(self._folder, model, self.params or {}, self._begun)
                self.run = self._script.run
            else:
                self._script.go_on(self.params or {}, self._begun)
        self._rows = min(each.ring.shape[0] for each in self._recordings)
        if self._writer is None:
            places = getattr(model, "places", [])
            self._writer = StatisticsWriter(self.run, self._recordings, updates, places, self._noise)
        self._each = model.steps_per_execution
        # How many steps the last execution had is not known where there are several in one.
        self._counts_skipped = ring.is_scaling(optimizer) and self._each == 1
        self._reader = backend.RingReader(
            model, [(each.ring, each.updates) for each in self._recordings], self._recordings[0].micro_steps
        )
        self._drain = Drain(self._writer.take)
        self._pending = None
        self._done = self._begun
        self._in_force = self._level
        self._began = self._begun
        self._read_at_step, self._read_at_time = self._begun, time.perf_counter()
        self._fit_began, self._seconds, self._tell_at = self._read_at_time, 0.0, None

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_began = self._begun
        if self._script:
            self._script.begin_epoch(epoch + 1)

    # At the beginning of the step after, and not at the end of a step: what a callback does there makes Keras convert
    # every step's metrics to numbers, which waits for the device.
    def on_train_batch_begin(self, batch, logs=None):
        now = time.perf_counter()
        self._done = self._epoch_began + batch
        if self._level != self._in_force:
            self._change_level()
        done = self._begun - self._read_at_step
        if self._script and batch:
            self._script.begin_step(self._begun)
        # The last execution of an epoch may have fewer steps.
        self._begun = self._epoch_began + batch + self._each
        if steps := (self.params or {}).get("steps"):
            self._begun = min(self._begun, self._epoch_began + steps)
        if done and (done >= self._rows // 2 or now - self._read_at_time >= PERIOD):
            slow = now - self._read_at_time >= PERIOD * done
            self._hand_over()
            self._copy(self._done)
            if slow:
                # Steps this long are over on the device by now: the newest row need not wait for the next reading.
                self._hand_over()
            self._tell_cost_when_due(now)
        self._seconds += time.perf_counter() - now

    # Validation sets the running means to 0, and may last: what there is is read before it begins.
    def on_test_begin(self, logs=None):
        if self._drain is not None:
            self._end_epoch()

    def on_epoch_end(self, epoch, logs=None):
        self._end_epoch()
        if self._script:
            self._script.note_epoch(epoch + 1, self._begun, logs or {})

    def _end_epoch(self) -> None:
        self._done = self._begun
        self._read_rest()
        if self._script:
            self._script.end_epoch(self._begun)

    def on_train_end(self, logs=None):
        self._end_epoch()
        self._drain.finish()
        self._writer.flush()
        self._tell_cost()
        self._drain = None
        if self._script:
            self._script.end("stopped" if self._model.stop_training else "finished")
        self.close()

    def close(self) -> None:
        """End writing and give the optimizer back as it was; may be called at any time, and more than once.

        To be called where a `fit` was broken off: Keras tells no callback.
        """
        if self._drain is not None:
            self._drain.abandon()
            self._drain = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._script is not None:
            self._script.close()
        ring.detach(self._model.optimizer)

    def go_on_from(self, noise: Sequence[float]) -> None:
        """Begin with the estimates behind the noise scale that `places` has given, ahead of a training that goes on."""
        self._noise = noise

    def places(self) -> Future:
        """Write all steps up to the one that begins, or has ended, and return where each table will then stand.

        To be called between two steps. What comes is as `StatisticsWriter.places` has it, or the error of the writing.
        """
        self._read_rest()
        return self._drain.ask(self._writer.places)

    def _read_rest(self) -> None:
        """Hand over all steps that are done."""
        self._hand_over()
        if self._done > self._read_at_step:
            self._copy(self._done)
            self._hand_over()

    def _copy(self, done: int) -> None:
        """Begin to read what the steps up to one have left."""
        copies = self._reader.copy(done - self._read_at_step)
        self._pending = copies, done - self._began if self._counts_skipped else None
        self._read_at_step, self._read_at_time = done, time.perf_counter()

    def _hand_over(self) -> None:
        if self._pending is not None:
            self._drain.put(self._pending)
            self._pending = None

    def _change_level(self) -> None:
        self._in_force = self._level
        make_ready(self._model, self._level)
        self._model.make_train_function()
        self._tell_cost()

    def _tell_cost_when_due(self, now: float) -> None:
        # Counted from the first reading: a short training, however long its step is compiled, tells it at its end.
        if self._tell_at is None:
            self._tell_at = now + TELL_SECONDS
        elif now >= self._tell_at:
            self._tell_cost()
            self._tell_at = now + (now - self._fit_began)

    def _tell_cost(self) -> None:
        """Tell the level in force, and what measuring has taken of this `fit` so far."""
        lasted = time.perf_counter() - self._fit_began
        cost = {"callback_seconds": self._seconds, "reader_seconds": self._drain.seconds, "seconds": lasted}
        self._note("telemetry", level=self._level, steps=self._done - self._began, **cost)

    def _note(self, event: str, **facts) -> None:
        if self._script:
            self._script.note(event, **facts)
            return
        events = EventWriter(self.run.events_path)
        events.write(event, **facts)
        events.close()


def make_ready(model: keras.Model, level: str) -> None:
    """Let a compiled model's step measure; what was compiled to measure otherwise is thrown away.

    Args:
        model: to be trained.
        level: one of `LEVELS`.

    Raises:
        ValueError: for a level that looks at outputs of blocks, where the model has no probes.
    """
    _check_probes(model, level)
    if isinstance(model, Watched):
        object.__setattr__(model, "level", level)
    if not ring.is_attached(model.optimizer):
        ring.attach(model.optimizer, level, 4 * model.steps_per_execution)
    elif not ring.set_level(model.optimizer, level):
        return
    model.train_function = None


def _check_probes(model: keras.Model, level: str) -> None:
    if reaches(level, "probes") and not isinstance(model, Watched):
        raise ValueError(
            f"level={level!r} measures the outputs of blocks, and {model.name} has no probes: train "
            "reskeras.watch(model), or take level='norms'."
        )


def _check_level(level: str) -> None:
    if level not in LEVELS:
        raise ValueError(f"There is no level {level!r} (levels: {', '.join(LEVELS)}).{suggest(level, list(LEVELS))}")
