"""One training from beginning to end: preparation, steps, test, export."""

from __future__ import annotations

import time
from collections.abc import Iterator
from math import prod

import keras

from reskeras import backend, speeds, verdicts
from reskeras.layers.slices import rows_of
from reskeras.runs import checkpoints
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run, RunError
from reskeras.telemetry import GradientMonitor
from reskeras.training import same_data
from reskeras.training.averaging import Averaged, averaged, take_averages
from reskeras.training.checkpointing import Progress, Resumption, Saver
from reskeras.training.controls import Controls
from reskeras.training.objectives import objective, test_batch, training_batch
from reskeras.training.pace import Pace
from reskeras.training.preparation import Prepared, prepare, rehearse
from reskeras.training.recorder import NAMES, Recorder
from reskeras.training.sampling import Samples
from reskeras.training.saving import save_trained
from reskeras.training.scores import scores, translations
from reskeras.training.shortage import Account

EVALUATION_BATCH = 512
"""Samples that are evaluated at once, where their outputs are not too many numbers."""

MOST_OUTPUTS = 2**24
"""Numbers that a network may give at once."""

LOOKING_SECONDS = 0.5
"""Between two looks at the memory that a training takes."""


class Diverged(ValueError):
    """A training whose numbers are not finite any more, and what can be done about it."""


class _OneTraining(keras.callbacks.CallbackList):
    """The callbacks of a training that takes several calls of `fit`: they see one beginning, and one end by `end`."""

    _begun = False

    def on_train_begin(self, logs=None):
        if not self._begun:
            self._begun = True
            super().on_train_begin(logs)
        else:
            # Keras may look at a batch when a `fit` begins, which draws a random number on PyTorch.
            backend.set_generator_states(self._states)

    def on_train_end(self, logs=None):
        self._states = backend.generator_states()

    def end(self) -> None:
        """Tell the callbacks that the training has ended."""
        super().on_train_end()


class _Looks(keras.callbacks.Callback):
    """Has the memory that a training takes looked at, now and then."""

    def __init__(self, account: Account):
        super().__init__()
        self._account, self._looked_at = account, 0.0

    def on_train_batch_begin(self, batch, logs=None):
        now = time.monotonic()
        if now - self._looked_at >= LOOKING_SECONDS:
            self._looked_at = now
            self._account.look()

    def on_test_begin(self, logs=None):
        self._account.look()

    def on_train_end(self, logs=None):
        self._account.look()


def _validation(prepared: Prepared) -> tuple | None:
    """Return samples and labels to validate on, and weights where there are any; None where none are held out."""
    return training_batch(prepared.data, prepared.held_out) if len(prepared.held_out) else None


def _at_once(prepared: Prepared) -> int:
    """Return how many samples are evaluated at once."""
    numbers = sum(prod(each.shape[1:]) for each in keras.tree.flatten(prepared.network.output))
    return max(1, min(EVALUATION_BATCH, MOST_OUTPUTS // numbers))


def _evaluate(prepared: Prepared, batch: tuple) -> dict[str, float]:
    """Return loss and accuracy on samples, by the names that Keras has for them."""
    found = prepared.model.evaluate(
        batch[0],
        batch[1],
        sample_weight=batch[2] if len(batch) > 2 else None,
        batch_size=_at_once(prepared),
        verbose=0,
        return_dict=True,
    )
    return {name: float(result) for name, result in found.items()}


def _parts(progress: Progress, epochs: int) -> Iterator[tuple[int, int, int]]:
    """Yield first epoch, last epoch and batches to leave out of each `fit`: an epoch that has begun is one of its own,
    since Keras takes all epochs of a `fit` for equally long."""
    first = progress.epoch
    if progress.position:
        yield first, first + 1, progress.position
        first += 1
    if first < epochs:
        yield first, epochs, 0


class Session:
    """The training of one run.

    Args:
        run: its folder, with settings.
        events: its event log.
        prepared: what was prepared for a run; used where that run had the same settings.
        resumption: where the training goes on, if it has begun before.
        account: told how much memory the training takes.

    Attributes:
        ending: once it is over, why a training ended before its last step, where its options say so; None else.
        pace: once training has begun, how fast it goes.
        recorder: once training has begun, the callback that can be asked to stop.
    """

    def __init__(
        self,
        run: Run,
        events: EventWriter,
        prepared: Prepared | None = None,
        resumption: Resumption | None = None,
        account: Account | None = None,
    ):
        self._run, self._events, self._prepared, self._resumption = run, events, prepared, resumption
        self._account = account
        self.ending: str | None = None
        self.pace: Pace | None = None
        self.recorder: Recorder | None = None

    def execute(self) -> str:
        """Train, test and export; return `"finished"`, or `"stopped"` where somebody asked for the end.

        Raises:
            DataError, OptionError, PlanError: where the settings cannot be met.
            OSError: where the folder cannot be written.
        """
        settings, prepared = self._run.settings, self._prepared
        if prepared is None or prepared.settings != settings:
            prepared = prepare(settings)
        for note in prepared.data.notes:
            self._events.write("data", text=note)
        weights = sum(map(rows_of, prepared.network.trainable_variables))
        parameters = prepared.plan.parameters()
        self._events.write("built", parameters=parameters, weights=weights)
        if self._account is not None:
            self._account.built(parameters)
        if self._resumption is not None:
            prepared = self._go_back(prepared)
        self.fit(prepared, *self._onlookers(prepared), keeps=True)
        if self.pace and (measurement := self.measurement(prepared)):
            speeds.keep(measurement)
        if self.recorder and self.recorder.lost_at is not None:
            raise Diverged(self._why_lost())
        self._tell_early_end(prepared)
        if settings.training.takes_best:
            self._take_best(prepared)
        take_averages(prepared.model)
        written = self._test(prepared)
        answers = save_trained(self._run, prepared.network, prepared.data, written)
        if answers:
            self._events.write("answers", samples=answers)
        self._events.write("exported", file=self._run.model_path.name)
        return "stopped" if self.recorder and self.recorder.stopped else "finished"

    def _onlookers(self, prepared: Prepared) -> Iterator[keras.callbacks.Callback]:
        """Yield the callbacks that change nothing in what is trained or recorded of it."""
        if self._account:
            yield _Looks(self._account)
        if prepared.data.task == "language" and prepared.data.encoding.text:
            yield Samples(prepared.network, prepared.data, self._events)

    def _go_back(self, prepared: Prepared) -> Prepared:
        """Bring model and folder to where the checkpoint was taken."""
        resumption, progress = self._resumption, self._resumption.progress
        if resumption.checkpoint is not None:
            same_data.check(self._run, prepared)
            # After a step there is every variable that the checkpoint has.
            prepared = rehearse(prepared, resumption.facts.telemetry)
            resumption.restore(prepared.model)
        resumption.cut_back(self._run)
        facts = {"step": progress.step, "epoch": progress.epoch + 1, "seconds": progress.seconds}
        if resumption.checkpoint is not None:
            facts["file"] = resumption.checkpoint.path.name
        self._events.write("resumed", **facts, damaged=list(resumption.wrong))
        return prepared

    def fit(self, prepared: Prepared, *callbacks: keras.callbacks.Callback, keeps: bool = False) -> None:
        """Train what was prepared, with further callbacks; what is measured on the way is in the run's folder.

        Args:
            prepared: what to train.
            *callbacks: called behind those of the run.
            keeps: whether checkpoints are taken.
        """
        training, resumption = prepared.settings.training, self._resumption
        each = len(prepared.batches)
        steps = training.total_steps(each)
        epochs = -(-steps // each)
        facts = {"steps": steps, "epochs": epochs, "steps_per_epoch": each, "data": prepared.data.checksum}
        self._events.write("training", **facts, **backend.place())
        progress = resumption.progress if resumption else Progress()
        if progress.step >= steps or progress.has_waited(training.patience):
            self._tell_last_epoch(prepared)
            return
        level = resumption.facts.telemetry if resumption and resumption.facts else training.telemetry
        monitor = GradientMonitor(self._run, level)
        if resumption:
            monitor.go_on_from(resumption.noise)
        self.pace = Pace(prepared.seconds)
        saver = Saver(self._run, self._events, monitor, training) if keeps else None
        controls = Controls(self._run, self._events, monitor)
        self.recorder = Recorder(
            self._run, self._events, steps, each, self.pace, controls, saver, resumption, training.patience
        )
        joined = _OneTraining([monitor, self.recorder, Averaged(), *callbacks], add_history=True, model=prepared.model)
        try:
            for first, last, skipped in _parts(progress, epochs):
                self._fit_part(prepared, joined, first, last, skipped)
                if prepared.model.stop_training:
                    break
            joined.end()
        finally:
            # Keras calls no callback where a fit breaks off; what was measured until then stays on the disk.
            self.recorder.close()
            monitor.close()

    def _tell_last_epoch(self, prepared: Prepared) -> None:
        """Write the results of a last epoch that ended with its last step, where they are not written yet."""
        progress, model = self._resumption.progress, prepared.model
        if not progress.begun:
            return
        self._resumption.restore_metrics(model)
        logs = {name: float(result) for name, result in model.get_metrics_result().items()}
        if validation := _validation(prepared):
            with averaged(model):
                logs |= {f"val_{name}": result for name, result in _evaluate(prepared, validation).items()}
        facts = {ours: logs[theirs] for theirs, ours in NAMES.items() if theirs in logs}
        self._events.write("epoch", epoch=progress.epoch + 1, step=progress.step, **facts)

    @staticmethod
    def _fit_part(prepared: Prepared, joined: _OneTraining, first: int, last: int, skipped: int) -> None:
        batches = prepared.batches.starting_at(first, skipped)
        joined.set_params({"epochs": last, "steps": len(batches), "verbose": 0})
        prepared.model.fit(
            **backend.fed(batches, batches.same_length),
            initial_epoch=first,
            epochs=last,
            # Keras would shuffle the batches once more, by Python's own random numbers.
            shuffle=False,
            verbose=0,
            callbacks=joined,
            validation_data=_validation(prepared),
            validation_batch_size=_at_once(prepared),
        )

    def _tell_early_end(self, prepared: Prepared) -> None:
        """Say why a training ended before its last step, where its patience was over."""
        training, progress = prepared.settings.training, self._resumption and self._resumption.progress
        # One that goes on has nothing left to train where its worker was killed after the last epoch.
        over = self.recorder.ended_early if self.recorder else progress.has_waited(training.patience)
        if over:
            best = self.recorder.best if self.recorder else progress.best
            smallest = "" if best is None else f", {best:.4g},"
            epochs = f"{training.patience} epochs" if training.patience > 1 else "an epoch"
            self.ending = f"The smallest loss on validation samples{smallest} was {epochs} ago, as --patience allows."

    def _take_best(self, prepared: Prepared) -> None:
        """Give the network the weights of the best epoch, as far as there is a checkpoint of it."""
        path, _ = checkpoints.best(self._run.checkpoints_path) or (None, None)
        if path is None:
            return
        try:
            found = Resumption(checkpoints.read(path))
        except RunError as error:
            self._events.write("warning", text=f"{error} The last weights are tested and saved, and not the best.")
            return
        found.restore(prepared.model)
        best = found.progress
        self._events.write("best", epoch=best.epoch, step=best.step, score=best.score, file=path.name)

    def _why_lost(self) -> str:
        """Return where a training lost its numbers, and what can be done."""
        found = [each.text for each in verdicts.of(self._run) if each.kind == "not a number"]
        where = " ".join(found) or "Nothing was measured that says where: see --telemetry norms."
        newest, _ = checkpoints.newest(self._run.checkpoints_path)
        back = (
            f"Its checkpoint of step {newest.step} is from before: reskeras resume {self._run.folder} "
            "--learning-rate with a smaller number goes on from there."
            if newest
            else "There is no checkpoint from before. Start a run with a smaller learning rate."
        )
        return f"The loss was not a finite number any more by step {self.recorder.lost_at}. {where} {back}"

    def measurement(self, prepared: Prepared) -> speeds.Measurement | None:
        """Return how fast the training was; None where it was too short to tell."""
        if (step := self.pace.step()) is None:
            return None
        return speeds.Measurement(
            backend=backend.name(),
            place=speeds.place(backend.name()),
            workload=speeds.Workload.of(prepared.settings, prepared.plan),
            first_step=self.pace.first_step,
            step=step,
            device=backend.devices()[0]["name"],
        )

    def _test(self, prepared: Prepared) -> list[list[int]]:
        """Write what the network is worth on the test samples; return what a translator wrote for the first ones."""
        if prepared.settings.training.label_smoothing:
            # A perplexity, and what others report, is of labels as they are.
            prepared.model.compile(**objective(prepared.data.task))
        found = _evaluate(prepared, test_batch(prepared.data))
        facts = {NAMES[name]: result for name, result in found.items() if name in NAMES}
        written = translations(prepared.network, prepared.data)
        facts |= scores(prepared.network, prepared.data, facts["loss"], written)
        self._events.write("tested", **{f"test_{name}": result for name, result in facts.items()})
        return written
