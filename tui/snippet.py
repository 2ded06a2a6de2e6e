"""The Python program that trains the network that a form says, with the library alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reskeras.catalogue import ARCHITECTURES
from reskeras.options import describe
from reskeras.runs import RunSettings
from reskeras.runs.statistics import reaches

OPTIMIZERS = {
    "adam": "keras.optimizers.Adam({rate:g})",
    "adamw": "keras.optimizers.AdamW({rate:g}, weight_decay=0.01)",
    "sgd": "keras.optimizers.SGD({rate:g}, momentum=0.9, nesterov=True)",
}
"""Optimizer -> how it is made."""


def python_snippet(settings: RunSettings, backend: str, runs: Path) -> str:
    """Return a program that trains the same network on the same data and records it as a run.

    The order of its batches is Keras's own, so that its numbers are not to the digit those of `reskeras train`; it
    takes no checkpoints.

    Args:
        settings: checked settings of a run.
        backend: the backend that it is trained on.
        runs: the folder of runs.
    """
    return "\n".join([*_head(settings, backend), "", *_model(settings), "", *_fit(settings, runs)]) + "\n"


def _head(settings: RunSettings, backend: str) -> Iterator[str]:
    training = settings.training
    yield from ("import os", "", f'os.environ["KERAS_BACKEND"] = {backend!r}  # before Keras is imported', "")
    yield from ("import keras", "import numpy as np", "import reskeras", "")
    yield f"keras.utils.set_random_seed({training.seed})"
    if training.precision != "float32":
        yield f"keras.config.set_dtype_policy({training.precision!r})"
    yield f"data = reskeras.datasets.load({training.data!r})"
    yield "mean, variance = (np.array(each) for each in data.moments())"
    yield "x_train, x_test = ((x - mean) / np.sqrt(variance + 1e-7) for x in (data.x_train, data.x_test))"


def _model(settings: RunSettings) -> Iterator[str]:
    training = settings.training
    declared = {option.name: option.default for option in describe(ARCHITECTURES[settings.architecture].options)}
    yield "model = reskeras.build("
    yield f"    {settings.architecture!r},"
    yield f"    input_shape={settings.input_shape!r},"
    yield f"    classes={settings.classes},"
    for name, value in settings.options.items():
        if value != declared.get(name):
            yield f"    {name}={value!r},"
    if not training.stacked:
        yield "    stacked=False,"
    if training.remat != "no":
        yield f"    remat={True if training.remat == 'yes' else training.remat!r},"
    yield ")"
    if reaches(training.telemetry, "probes"):
        yield "model = reskeras.watch(model)"
    yield "model.compile("
    yield f"    {OPTIMIZERS[training.optimizer].format(rate=training.rate())},"
    yield "    keras.losses.SparseCategoricalCrossentropy(from_logits=True),"
    yield '    metrics=["accuracy"],'
    yield ")"


def _fit(settings: RunSettings, runs: Path) -> Iterator[str]:
    training, name = settings.training, f"{settings.title}-script"
    if training.telemetry == "off":
        watched = ""
    else:
        yield f"monitor = reskeras.GradientMonitor({str(runs / name)!r}, level={training.telemetry!r})"
        watched = "    callbacks=[monitor],"
    yield "order = np.random.default_rng(0).permutation(len(x_train))  # Keras validates on the last samples"
    yield "model.fit("
    yield "    x_train[order],"
    yield "    data.y_train[order],"
    yield f"    batch_size={training.batch_size},"
    yield f"    epochs={training.epochs},"
    yield f"    validation_split={training.validation_split:g},"
    if watched:
        yield watched
    yield ")"
    if training.steps:
        yield f"# reskeras train ends after {training.steps:,} steps, whatever the epochs."
    yield "print(model.evaluate(x_test, data.y_test))"
