"""One training from beginning to end: preparation, steps, test, export."""

from __future__ import annotations

import keras

from reskeras import backend, speeds
from reskeras.layers.slices import rows_of
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.telemetry import GradientMonitor
from reskeras.training.pace import Pace
from reskeras.training.preparation import Prepared, prepare
from reskeras.training.recorder import Recorder
from reskeras.transforms.portable import save_portable

EVALUATION_BATCH = 512


class Session:
    """The training of one run.

    Args:
        run: its folder, with settings.
        events: its event log.
        prepared: what was prepared for a run; used where that run had the same settings.

    Attributes:
        pace: once training has begun, how fast it goes.
        recorder: once training has begun, the callback that can be asked to stop.
    """

    def __init__(self, run: Run, events: EventWriter, prepared: Prepared | None = None):
        self._run, self._events, self._prepared = run, events, prepared
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
        weights = sum(map(rows_of, prepared.network.trainable_variables))
        self._events.write("built", parameters=prepared.plan.parameters(), weights=weights)
        self.fit(prepared)
        if measurement := self.measurement(prepared):
            speeds.keep(measurement)
        self._test(prepared)
        samples = prepared.data.x_test[:32].astype("float32")
        save_portable(prepared.network, self._run.model_path, samples)
        self._events.write("exported", file=self._run.model_path.name)
        return "stopped" if self.recorder.stopped else "finished"

    def fit(self, prepared: Prepared, *callbacks: keras.callbacks.Callback) -> None:
        """Train what was prepared, with further callbacks; what is measured on the way is in the run's folder."""
        training, data, batches = prepared.settings.training, prepared.data, prepared.batches
        steps = training.total_steps(len(batches))
        epochs = -(-steps // len(batches))
        self._events.write("training", steps=steps, epochs=epochs, steps_per_epoch=len(batches), **backend.place())
        monitor = GradientMonitor(self._run, training.telemetry)
        self.pace = Pace(prepared.seconds)
        self.recorder = Recorder(self._run, self._events, batches.batch_size, steps, self.pace)
        validation = None
        if len(prepared.held_out):
            validation = (data.x_train[prepared.held_out].astype("float32"), data.y_train[prepared.held_out])
        try:
            prepared.model.fit(
                batches,
                epochs=epochs,
                verbose=0,
                callbacks=[monitor, self.recorder, *callbacks],
                validation_data=validation,
                validation_batch_size=EVALUATION_BATCH,
            )
        finally:
            # Keras calls no callback where a fit breaks off; what was measured until then stays on the disk.
            monitor.close()
            self.recorder.close()

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

    def _test(self, prepared: Prepared) -> None:
        samples, labels = prepared.data.x_test.astype("float32"), prepared.data.y_test
        scores = prepared.model.evaluate(samples, labels, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True)
        self._events.write("tested", test_loss=float(scores["loss"]), test_accuracy=float(scores["accuracy"]))
