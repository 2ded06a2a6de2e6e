"""The Python program that trains the network that a form says, with the library alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reskeras.catalogue import ARCHITECTURES
from reskeras.class_weights import BALANCED, NONE, of_classes
from reskeras.datasets import DataShape
from reskeras.options import describe
from reskeras.reading import Reading
from reskeras.runs import RunSettings, TrainingOptions
from reskeras.runs.settings import CHANGES
from reskeras.runs.statistics import reaches
from reskeras.tasks import TASKS

LEFT_OUT = (
    *("by_length", "schedule", "warmup", "accumulate", "ema", "label_smoothing"),
    *("pad_crop", "flip", *CHANGES, "word_dropout", "patience", "final_weights"),
)
"""Training options that such a program is without: it says so where they are not at their defaults."""


def python_snippet(settings: RunSettings, shape: DataShape, backend: str, runs: Path) -> str:
    """Return a program that trains the same network on the same data and records it as a run.

    The order of its batches is Keras's own, so that its numbers are not to the digit those of `reskeras train`; it
    takes no checkpoints, and names the options that it is without.

    Args:
        settings: checked settings of a run.
        shape: what its data is like.
        backend: the backend that it is trained on.
        runs: the folder of runs.
    """
    parts = (_head(settings, backend), _data(settings, shape), _model(settings), _fit(settings, shape, runs))
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(settings: RunSettings, backend: str) -> Iterator[str]:
    training = settings.training
    yield from ("import os", "", f'os.environ["KERAS_BACKEND"] = {backend!r}  # before Keras is imported', "")
    yield from ("import keras", "import numpy as np", "import reskeras")
    if reading := _set(training, Reading):
        yield "from reskeras.reading import Reading"
    yield from ("", f"keras.utils.set_random_seed({training.seed})")
    if training.precision != "float32":
        yield f"keras.config.set_dtype_policy({training.precision!r})"
    if reading:
        told = ", ".join(f"{name}={value!r}" for name, value in reading.items())
        yield f"data = reskeras.datasets.load({training.data!r}, Reading({told}))"
    else:
        yield f"data = reskeras.datasets.load({training.data!r})"


def _set(training: TrainingOptions, group: type[Reading]) -> dict:
    """Return the options of a group that are not at their defaults, but for the name of the data."""
    declared = {option.name: option.default for option in describe(group) if option.name != "data"}
    return {name: getattr(training, name) for name, usual in declared.items() if getattr(training, name) != usual}


def _data(settings: RunSettings, shape: DataShape) -> Iterator[str]:
    if shape.vocabulary:
        yield "x_train, x_test = data.x_train, data.x_test"
    else:
        yield "mean, variance = (np.array(each) for each in data.moments())"
        yield "x_train, x_test = ((x - mean) / np.sqrt(variance + 1e-7) for x in (data.x_train, data.x_test))"
    if TASKS[settings.task].of_tokens:
        yield "y_train, y_test = (np.maximum(y, 0) for y in (data.y_train, data.y_test))"
        yield 'counted, tested = ((y >= 0).astype("float32") for y in (data.y_train, data.y_test))  # -1: no label'
    else:
        yield "y_train, y_test = data.y_train, data.y_test"
    yield from _weights(settings, shape)


def _weights(settings: RunSettings, shape: DataShape) -> Iterator[str]:
    wanted, of_tokens = settings.training.class_weight, TASKS[settings.task].of_tokens
    if wanted == NONE:
        return
    if wanted == BALANCED:
        labels = "data.y_train[data.y_train >= 0]" if of_tokens else "y_train"
        yield f"counts = np.bincount({labels}, minlength={settings.classes})"
        yield "weights = counts.sum() / np.maximum(counts, 1) / np.count_nonzero(counts)"
    else:
        yield f"weights = np.array({of_classes(wanted, shape.labels, settings.classes, settings.training.data)!r})"
    if of_tokens:
        yield "counted *= weights[y_train]"


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
    yield f"    {_optimizer(training)},"
    yield from _loss(settings.task)
    yield ")"


def _optimizer(training: TrainingOptions) -> str:
    given = [f"{training.rate():g}"]
    if training.optimizer == "sgd":
        given += ["momentum=0.9", f"nesterov={training.nesterov}"]
    elif training.square_momentum != 0.999:
        given.append(f"beta_2={training.square_momentum:g}")
    if training.optimizer == "adamw":
        given.append(f"weight_decay={0.01 if training.weight_decay is None else training.weight_decay:g}")
    if training.clip_norm:
        given.append(f"global_clipnorm={training.clip_norm:g}")
    name = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}[training.optimizer]
    return f"keras.optimizers.{name}({', '.join(given)})"


def _loss(task: str) -> Iterator[str]:
    if task == "game":
        yield '    {"output": keras.losses.CategoricalCrossentropy(from_logits=True), "value": "mean_squared_error"},'
        yield '    metrics={"output": ["accuracy"], "value": []},'
    elif TASKS[task].of_tokens:
        yield '    keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),'
        yield '    weighted_metrics=["accuracy"],'
    else:
        yield "    keras.losses.SparseCategoricalCrossentropy(from_logits=True),"
        yield '    metrics=["accuracy"],'


def _fit(settings: RunSettings, shape: DataShape, runs: Path) -> Iterator[str]:
    training, name = settings.training, f"{settings.title}-script"
    watched = training.telemetry != "off"
    of_tokens = TASKS[settings.task].of_tokens
    if watched:
        yield f"monitor = reskeras.GradientMonitor({str(runs / name)!r}, level={training.telemetry!r})"
    yield f"order = np.random.default_rng(0).permutation({shape.train})  # Keras validates on the last ones"
    yield "x_train, y_train = keras.tree.map_structure(lambda each: each[order], (x_train, y_train))"
    yield "model.fit("
    yield "    x_train,"
    yield "    y_train,"
    if of_tokens:
        yield "    sample_weight=counted[order],"
    elif training.class_weight != NONE:
        yield "    class_weight=dict(enumerate(weights)),"
    yield f"    batch_size={training.batch_size},"
    yield f"    epochs={training.epochs},"
    yield f"    validation_split={training.validation_split:g},"
    if watched:
        yield "    callbacks=[monitor],"
    yield ")"
    yield from (f"# {each}" for each in _differences(training))
    yield f"print(model.evaluate(x_test, y_test{', sample_weight=tested' if of_tokens else ''}))"


def _differences(training: TrainingOptions) -> Iterator[str]:
    """Yield what `reskeras train` does otherwise."""
    if training.steps:
        yield f"reskeras train ends after {training.steps:,} steps, whatever the epochs."
    declared = {option.name: option.default for option in describe(TrainingOptions)}
    missing = [name for name in LEFT_OUT if getattr(training, name) != declared[name]]
    if training.optimizer == "sgd" and training.weight_decay:
        missing.append("weight_decay")
    if missing:
        told = ", ".join(f"{name} {getattr(training, name)}" for name in missing)
        yield f"reskeras train has these options too, and this program does not: {told}."
