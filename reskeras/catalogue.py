"""The architectures, in the order that people are shown them, and the look-up by name."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reskeras.architectures import Architecture, Preset
from reskeras.architectures.alphago_zero import ALPHAGO_ZERO
from reskeras.architectures.bert import BERT
from reskeras.architectures.densenet import DENSENET
from reskeras.architectures.gpt import GPT
from reskeras.architectures.highway import HIGHWAY
from reskeras.architectures.highway_convolution import HIGHWAY_CONVOLUTION
from reskeras.architectures.imagenet_densenet import IMAGENET_DENSENET
from reskeras.architectures.imagenet_resnet import IMAGENET_RESNET
from reskeras.architectures.keras_hub import KERAS_HUB_BERT, KERAS_HUB_GPT2
from reskeras.architectures.lstm import LSTM_CLASSIFIER, LSTM_TAGGER
from reskeras.architectures.plain import PLAIN
from reskeras.architectures.residual_mlp import RESIDUAL_MLP
from reskeras.architectures.resnet import RESNET
from reskeras.architectures.skip_layer_mlp import SKIP_LAYER_MLP
from reskeras.architectures.text_densenet import TEXT_DENSENET
from reskeras.architectures.text_resnet import TEXT_RESNET
from reskeras.architectures.transformer import TRANSFORMER
from reskeras.architectures.translator import TRANSLATOR
from reskeras.architectures.vit import VIT
from reskeras.architectures.wide_resnet import WIDE_RESNET
from reskeras.options import OptionError, check
from reskeras.plan import Plan
from reskeras.steps import PlanError
from reskeras.suggestions import suggest

ARCHITECTURES: dict[str, Architecture] = {
    each.name: each
    for each in (
        RESNET,
        PLAIN,
        WIDE_RESNET,
        IMAGENET_RESNET,
        DENSENET,
        IMAGENET_DENSENET,
        HIGHWAY,
        HIGHWAY_CONVOLUTION,
        RESIDUAL_MLP,
        SKIP_LAYER_MLP,
        TEXT_RESNET,
        TEXT_DENSENET,
        LSTM_CLASSIFIER,
        LSTM_TAGGER,
        TRANSFORMER,
        VIT,
        BERT,
        GPT,
        TRANSLATOR,
        ALPHAGO_ZERO,
        KERAS_HUB_BERT,
        KERAS_HUB_GPT2,
    )
}

PRESETS: dict[str, tuple[Architecture, Preset]] = {
    preset.name: (entry, preset) for entry in ARCHITECTURES.values() for preset in entry.presets
}
"""Every network of a paper by its name, with its family."""


def find(name: str) -> tuple[Architecture, Preset | None]:
    """Return the family that a name means, and the preset where it is a preset's.

    Raises:
        OptionError: where neither is called so, with the nearest names.
    """
    if name in PRESETS:
        return PRESETS[name]
    if name in ARCHITECTURES:
        return ARCHITECTURES[name], None
    known, near = ", ".join(ARCHITECTURES), suggest(name, [*ARCHITECTURES, *PRESETS])
    known += "; presets: see reskeras list" if PRESETS else ""
    raise OptionError({"architecture": f"There is no architecture {name!r} (architectures: {known}).{near}"})


def plan(name: str, input_shape: tuple[int, ...] | None = None, classes: int | None = None, **options) -> Plan:
    """Return a network as data: `plan("resnet", (32, 32, 3), 10, depth=20)`, or `plan("resnet-50")`.

    Args:
        name: an architecture's name, or a preset's.
        input_shape: shape of one sample; a preset has its paper's.
        classes: how many classes to tell apart; a preset has its paper's.
        **options: the architecture's options; the others keep their defaults, or the preset's values.

    Raises:
        OptionError: for an unknown name, or an option that cannot be used.
        PlanError: where the architecture does not take samples of this shape, or neither shape nor preset is given.
    """
    return plan_with(name, options, input_shape, classes)


def plan_with(
    name: str, options: Mapping[str, Any], input_shape: tuple[int, ...] | None = None, classes: int | None = None
) -> Plan:
    """Return the same as `plan` with the options as one argument: those of a file may have any name."""
    entry, preset = find(name)
    if preset is None and (input_shape is None or classes is None):
        raise PlanError(f"{name} is a family of networks: give input_shape and classes, or a preset's name.")
    if preset is not None:
        options = {**preset.options, **options}
        input_shape = preset.input_shape if input_shape is None else input_shape
        classes = preset.classes if classes is None else classes
    network = entry.plan(check(entry.options, options, name), tuple(input_shape), classes)
    return replace(network, name=name) if preset else network
