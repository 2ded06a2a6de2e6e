"""One training from beginning to end: data, network, steps, test, export."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras

from reskeras import backend, builder, catalogue, datasets
from reskeras.options import check
from reskeras.plan import Plan
from reskeras.runs.events import EventWriter
from reskeras.runs.folder import Run
from reskeras.runs.settings import RunSettings, TrainingOptions
from reskeras.steps import Standardize
from reskeras.telemetry import GradientMonitor
from reskeras.training.batches import Batches
from reskeras.training.recorder import Recorder
from reskeras.transforms.portable import save_portable

EVALUATION_BATCH = 512

REMAT = {"no": False, "yes": True, "sqrt": "sqrt"}


def plan_of(settings: RunSettings, data: datasets.Dataset) -> Plan:
    """Return the network that settings ask for, with the data's own mean and variance taken out at the front.

    So the trained network takes raw samples, and whoever loads the file need not know how they were prepared.
    """
    entry = catalogue.architecture(settings.architecture)
    options = check(entry.options, settings.options, settings.architecture)
    plan = entry.plan(options, data.shape.input_shape, data.classes)
    return replace(plan, stem=(Standardize(*data.moments()), *plan.stem))


def make_optimizer(training: TrainingOptions) -> keras.optimizers.Optimizer:
    """Return the optimizer that training options ask for."""
    rate = training.rate()
    if training.optimizer == "sgd":
        return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
    if training.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=0.01)
    return keras.optimizers.Adam(rate)


class Session:
    """The training of one run.

    Args:
        run: its folder, with settings.
        events: its event log.

    Attributes:
        recorder: once training has begun, the callback that can be asked to stop.
    """

    def __init__(self, run: Run, events: EventWriter):
        self._run, self._events = run, events
        self.recorder: Recorder | None = None

    def execute(self) -> str:
        """Train, test and export; return `"finished"`, or `"stopped"` where somebody asked for the end.

        Raises:
            DataError, OptionError, PlanError: where the settings cannot be met.
            OSError: where the folder cannot be written.
        """
        settings = self._run.settings
        training = settings.training
        backend.make_repeatable(training.seed)
        keras.config.set_dtype_policy(training.precision)
        data = datasets.load(training.data)
        plan = plan_of(settings, data)
        model = builder.build_plan(plan, stacked=training.stacked, remat=REMAT[training.remat])
        self._events.write("built", parameters=plan.parameters(), weights=len(model.trainable_variables))
        self._fit(model, data, training)
        self._test(model, data)
        save_portable(model, self._run.model_path, data.x_test[:32].astype("float32"))
        self._events.write("exported", file=self._run.model_path.name)
        return "stopped" if self.recorder.stopped else "finished"

    def _fit(self, model: keras.Model, data: datasets.Dataset, training: TrainingOptions) -> None:
        train, held_out = datasets.split(data, training.validation_split, training.seed)
        batches = Batches(data.x_train, data.y_train, train, training.batch_size, training.seed)
        epochs = training.epochs if training.steps is None else -(-training.steps // len(batches))
        steps = training.steps or epochs * len(batches)
        model.compile(
            make_optimizer(training),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
        self._events.write("training", steps=steps, epochs=epochs, steps_per_epoch=len(batches), **_place())
        monitor = GradientMonitor(self._run)
        self.recorder = Recorder(self._run, self._events, batches.batch_size, steps)
        validation = None
        if len(held_out):
            validation = (data.x_train[held_out].astype("float32"), data.y_train[held_out])
        try:
            model.fit(
                batches,
                epochs=epochs,
                verbose=0,
                callbacks=[monitor, self.recorder],
                validation_data=validation,
                validation_batch_size=EVALUATION_BATCH,
            )
        finally:
            # Keras calls no callback where a fit breaks off; what was measured until then stays on the disk.
            monitor.close()
            self.recorder.close()

    def _test(self, model: keras.Model, data: datasets.Dataset) -> None:
        samples = data.x_test.astype("float32")
        scores = model.evaluate(samples, data.y_test, batch_size=EVALUATION_BATCH, verbose=0, return_dict=True)
        self._events.write("tested", test_loss=float(scores["loss"]), test_accuracy=float(scores["accuracy"]))


def _place() -> dict[str, Any]:
    device = backend.devices()[0]
    return {"backend": backend.name(), "device": device["kind"], "device_name": device["name"]}
