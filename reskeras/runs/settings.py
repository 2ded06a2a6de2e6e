"""What a run was asked to do: the training options, and the settings file that holds every choice."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reskeras import __version__, class_weights
from reskeras.printable import printable
from reskeras.reading import Reading

FORMAT = 2
"""Version of the run folder's layout; a reader refuses a folder of a newer version."""

MOST_SETTINGS = 2**20
"""Bytes of a settings file."""


MOST_RATE = 100
"""The largest learning rate."""

CHANGES = ("rotate", "zoom", "contrast", "brightness")
"""Options that change training images by Keras's preprocessing layers, which follow one another in this order."""


class TrainingOptions(Reading):
    """How a network is trained, whatever its architecture."""

    backend: Literal["auto", "tensorflow", "jax", "torch"] = Field(
        "auto",
        description="What computes; auto takes KERAS_BACKEND, else the one known to be the fastest for such a network, "
        "else the first installed of jax, tensorflow, torch.",
    )
    recipe: Literal["none", "cifar", "wide_resnet", "densenet", "transformer", "bert", "gpt"] = Field(
        "none",
        description="Take the training options of a paper where none are given here: cifar for residual, wide_resnet "
        "for wide and densenet for densely connected networks on small images, transformer for translation, bert for "
        "classes of texts from trained weights, gpt for language.",
    )
    epochs: int = Field(5, ge=1, le=100_000, description="Passes over the training samples.")
    steps: int | None = Field(None, ge=1, le=100_000_000, description="End after this many steps, whatever the epochs.")
    batch_size: int = Field(32, ge=1, le=65_536, description="Samples in a step.")
    by_length: bool = Field(
        False,
        description="Put samples of similar length into a batch, and make it no longer than they are; of networks that "
        "pass over padding.",
    )
    auto_batch: bool = Field(
        False,
        description="Where memory runs out in the first epoch, begin anew with half the batch size, down to 1; the "
        "learning rate stays as it is.",
    )
    optimizer: Literal["adam", "sgd", "adamw"] = Field(
        "adam", description="Update rule; sgd is with momentum 0.9, adamw is adam with weight decay."
    )
    learning_rate: float | None = Field(
        None, gt=0, le=MOST_RATE, description="Step size; empty means 0.001 for adam and adamw, 0.05 for sgd."
    )
    weight_decay: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of each weight that the learning rate takes away: of sgd added to the gradient as w times "
        "this, of adamw apart from it. Empty means 0 for sgd, 0.01 for adamw.",
    )
    nesterov: bool = Field(True, description="Whether the momentum of sgd looks ahead, as Nesterov's.")
    square_momentum: float = Field(
        0.999, gt=0, lt=1, description="Momentum of the squared gradients' running mean, beta 2 of adam and adamw."
    )
    schedule: Literal["constant", "cosine", "linear", "step", "fifths", "inverse_root"] = Field(
        "constant",
        description="How the learning rate goes: cosine and linear fall to 0 at the end, step to a tenth at half and "
        "to a hundredth at three quarters of the steps, fifths to a fifth of what it was at 0.3, 0.6 and 0.8 of them, "
        "inverse_root as one over the root of the steps after the warm-up.",
    )
    warmup: float = Field(
        0.0,
        ge=0,
        le=10**6,
        description="Steps over which the learning rate rises to its height; below 1 a share of all steps.",
    )
    clip_norm: float | None = Field(
        None, gt=0, le=10**6, description="Largest norm of all gradients together; larger ones are scaled down to it."
    )
    accumulate: int = Field(
        1,
        ge=1,
        le=10_000,
        description="Steps whose gradients are averaged into one update, as of a batch so many times as large.",
    )
    ema: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Momentum of a moving average of the weights over all updates, such as 0.999; the averages are "
        "validated, tested and saved.",
    )
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of each label that is spread over all classes, in the loss that is trained and validated.",
    )
    class_weight: str = Field(
        "none",
        description="What each class or tag counts in the loss that is trained: none for 1, balanced to have all count "
        "alike, however many samples each has, or weights by name such as cat=2,dog=0.5, others 1.",
    )
    pad_crop: int = Field(
        0,
        ge=0,
        le=256,
        description="Move each training image by up to so many pixels, at random; what comes in has the mean colour.",
    )
    flip: bool = Field(False, description="Mirror every second training image left to right, at random.")
    rotate: float = Field(
        0.0, ge=0, le=0.5, description="Turn each training image by up to this share of a full turn, at random."
    )
    zoom: float = Field(
        0.0, ge=0, le=0.9, description="Make each training image larger or smaller by up to this share, at random."
    )
    contrast: float = Field(
        0.0, ge=0, le=1, description="Change the contrast of each training image by up to this share, at random."
    )
    brightness: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Make each training image lighter or darker by up to this share of the range of values, at random.",
    )
    word_dropout: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="How readily a training text's words are read as unknown: one that comes c times, with the "
        "probability a / (a + c) for this a, such as 0.25.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of initial weights, data order and dropout.")
    validation_split: float = Field(
        0.1, ge=0, le=0.9, description="Share of the training samples kept aside to validate after each epoch."
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="End where the loss on validation samples has not become smaller for so many epochs in a row.",
    )
    final_weights: Literal["auto", "best", "last"] = Field(
        "auto",
        description="Which weights are tested and saved: the last, or those after the epoch of the smallest loss on "
        "validation samples; auto takes the best with --patience, else the last.",
    )
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        "float32", description="Number format of the computation; mixed_bfloat16 is faster on recent GPUs."
    )
    stacked: bool = Field(
        True, description="Run equal blocks as one layer, which starts as fast at any depth; the numbers are the same."
    )
    telemetry: Literal["off", "norms", "probes", "deep"] = Field(
        "norms",
        description="What is measured at every step: norms of gradients, weights and updates; probes also dE/dx and "
        "the signal at the output of each block; deep also saturation, likeness of gradients and tokens, open gates.",
    )
    remat: Literal["no", "yes", "sqrt"] = Field(
        "no",
        description="Keep only the inputs of blocks for the backward pass (sqrt: in a stack, only some) and compute "
        "the rest again: less memory, a third more arithmetic.",
    )

    checkpoint_seconds: int = Field(
        60,
        ge=0,
        le=10**6,
        description="Take a checkpoint every so many seconds, from which the run can be resumed; 0 for none by time.",
    )
    checkpoint_steps: int | None = Field(
        None, ge=1, le=100_000_000, description="Take a checkpoint every so many steps."
    )
    keep: int = Field(2, ge=1, le=10_000, description="Checkpoints kept: so many of the last, and the best besides.")

    def problems(self):
        problems = super().problems()
        try:
            class_weights.parsed(self.class_weight)
        except ValueError as error:
            problems["class_weight"] = str(error)
        if printable(self.data) != self.data:
            problems["data"] = (
                f"data cannot be {self.data!r}: a character in it cannot be shown, and settings are read without such. "
                "Rename the file."
            )
        if self.remat == "sqrt" and not self.stacked:
            problems["remat"] = (
                "remat=sqrt keeps inputs of some blocks of a stack; received stacked=False. "
                "Did you mean remat=yes, or stacked=True?"
            )
        if self.optimizer == "adam" and self.weight_decay:
            problems["weight_decay"] = (
                f"adam takes no weight_decay; received {self.weight_decay:g}. Did you mean optimizer=adamw?"
            )
        for name, watches in (("patience", self.patience is not None), ("final_weights", self.final_weights == "best")):
            if watches and not self.validation_split:
                problems[name] = (
                    f"{name}={getattr(self, name)} goes by the loss on validation samples; received "
                    "validation_split=0. Did you mean validation_split=0.1?"
                )
        return problems

    @property
    def takes_best(self) -> bool:
        """Whether the weights that are tested and saved are those of the best epoch, and not the last."""
        return self.final_weights == "best" or (self.final_weights == "auto" and self.patience is not None)

    def rate(self) -> float:
        """Return the learning rate in force."""
        return self.learning_rate or {"adam": 1e-3, "adamw": 1e-3, "sgd": 5e-2}[self.optimizer]

    def total_steps(self, steps_per_epoch: int) -> int:
        """Return how many steps the training takes where an epoch has so many."""
        return self.steps or self.epochs * steps_per_epoch


RENAMED = {"beta_2": "square_momentum", "weights": "final_weights"}
"""Training options in files of settings under names that they no longer have."""


class RunSettings(BaseModel):
    """The content of a run's `settings.json`.

    Attributes:
        format: version of the folder's layout.
        architecture: name in the catalogue.
        options: the architecture's options, every one with its value.
        training: the training options.
        input_shape, classes: what the data is like, so that the network can be written again without the data.
        task: what is learnt, a name in `tasks.TASKS`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = FORMAT
    architecture: str
    options: dict[str, Any]
    training: TrainingOptions
    input_shape: tuple[int, ...]
    classes: int
    task: str = "classes"

    @model_validator(mode="before")
    @classmethod
    def _as_they_were_written(cls, content: Any) -> Any:
        """Take options by the names that they had, and have a tagger of words alone stay what it was: its settings say
        nothing of characters, which others have by default."""
        training = content.get("training") if isinstance(content, dict) else None
        if not isinstance(training, dict):
            return content
        training = {RENAMED.get(name, name): value for name, value in training.items()}
        if content.get("task") == "tags":
            training = {"characters": 0, **training}
        return {**content, "training": training}

    @property
    def title(self) -> str:
        """What the run is called when nobody names it, such as `"resnet-20-add-digits"`."""
        data = self.training.data.replace("\\", "/").rstrip("/").split("/")[-1].removesuffix(".npz")
        data = "".join(sign if sign.isalnum() else "-" for sign in data).strip("-") or "data"
        data = data[:60]  # A folder name holds 255 bytes.
        return f"{self.architecture}-{self.options.get('depth', '')}-{self.options.get('skip', '')}-{data}"


class ScriptSettings(BaseModel):
    """The content of `settings.json` where a script of the user's own trains, and reskeras only watches.

    Attributes:
        format: version of the folder's layout.
        model: what the model is called.
        kind: its class.
        optimizer: the class of its optimizer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = FORMAT
    model: str
    kind: str
    optimizer: str


def settings_of(content: dict[str, Any]) -> RunSettings | ScriptSettings:
    """Return the settings that a file holds.

    Args:
        content: what the file says.

    Raises:
        ValueError: for what are no such settings, with the version of the program that wrote them if it is another.
    """
    content = dict(content)
    writer = content.pop("version", None)
    try:
        return (RunSettings if "architecture" in content else ScriptSettings)(**content)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        why = "is damaged"
        if not isinstance(writer, str):
            why += f", or of a version before reskeras {__version__} that it does not name"
        elif writer != __version__:
            why = f"is of reskeras {writer}, and cannot be read by reskeras {__version__}"
        raise ValueError(f"{why}: {wrong}") from None


def text_of(settings: RunSettings | ScriptSettings) -> str:
    """Return what is written to a file of settings: these, and which version of the program wrote them."""
    return json.dumps({"version": __version__, **settings.model_dump(mode="json")}, indent=2) + "\n"
