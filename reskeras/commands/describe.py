"""`reskeras describe`: a network's plan and what it costs, counted without building it."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import click

from reskeras import catalogue, datasets
from reskeras.architectures import Architecture, Preset
from reskeras.commands.common import CONTEXT, given
from reskeras.commands.network_group import NetworkGroup, network_options, network_summary, option_parameter
from reskeras.plan import Plan
from reskeras.runs import TrainingOptions
from reskeras.steps import PlanError, Shape
from reskeras.tasks import TOKEN_KINDS

FLOAT32_BYTES = 4
THOUSANDS = ("", "thousand", "million", "billion", "trillion")

DEFAULT_DATA = TrainingOptions().data

USUAL = {"tokens": (128,), "vector": (64,), "sequence": (128, 64), "image": (224, 224, 3)}
"""The sample on which a family is described that neither learns classes nor has a preset, with `USUAL_CLASSES`."""

USUAL_CLASSES = 10


def describe_network(plan: Plan) -> dict[str, Any]:
    """Return what a network is and costs, for one sample where a number depends on samples.

    `blocks` counts as papers do: residual blocks, dense layers, highway layers, or Transformer layers, each attention
    with its feed-forward part; transitions between stages are not counted. `memory_per_sample` is what training keeps
    of one sample for the gradient, in bytes of float32; `memory_of_parameters` is the weights alone, likewise.
    """
    cost = plan.cost()
    return {
        "name": plan.name,
        "input_shape": list(plan.input_shape),
        "classes": plan.classes,
        "parameters": cost.parameters,
        "multiply_adds": cost.multiply_adds,
        "activations": cost.activations,
        "memory_per_sample": FLOAT32_BYTES * cost.activations,
        "memory_of_parameters": FLOAT32_BYTES * cost.parameters,
        "blocks": count_blocks(plan),
        "plan": plan.to_json(),
    }


def count_blocks(plan: Plan) -> int:
    """Return how many blocks a network has, an encoder's included: in each stage, those of the commonest label."""
    own = sum(max(Counter(block.label for block in stage.blocks).values()) for stage in plan.stages)
    return own + (count_blocks(plan.encoder) if plan.encoder else 0)


def _text(plan: Plan) -> str:
    facts = describe_network(plan)
    numbers = [
        (facts["parameters"], "parameters", _bytes(facts["memory_of_parameters"])),
        (facts["multiply_adds"], "multiply-adds a sample", _scaled(facts["multiply_adds"], 1000, THOUSANDS)),
        (facts["activations"], "activations a sample, kept for the gradient", _bytes(facts["memory_per_sample"])),
        (facts["blocks"], "blocks", ""),
    ]
    wide = max(len(f"{amount:,}") for amount, _, _ in numbers)
    lines = [f"{amount:>{wide},} {what}" + (f" ({note})" if note else "") for amount, what, note in numbers]
    return "\n".join([plan.text(), "", *lines])


def _scaled(amount: float, base: int, units: tuple[str, ...]) -> str:
    power = 0
    while amount >= base and power < len(units) - 1:
        amount, power = amount / base, power + 1
    return f"{amount:.3g} {units[power]}".rstrip()


def _bytes(amount: int) -> str:
    return _scaled(amount, 1024, ("B", "KiB", "MiB", "GiB", "TiB")) + " in float32"


def parse_shape(text: str) -> Shape:
    """Return the shape that a text such as `"32x32x3"` or `"512"` says.

    Raises:
        PlanError: where it says none.
    """
    if not re.fullmatch(r"\d{1,9}(x\d{1,9})*", text):
        raise PlanError(
            f"--input-shape is sizes of one sample joined by x, such as 32x32x3, or 512 for so many tokens or features;"
            f" received {text!r}."
        )
    return tuple(int(size) for size in text.split("x"))


def sample_of(family: Architecture, preset: Preset | None, data: str | None) -> tuple[Shape, int]:
    """Return the sample's shape and the classes that a network is described with when nobody says which.

    A data set's where it is named, else a preset's; a family stands as `reskeras train` would make it, or, where it
    learns something else than classes of samples, on what its first preset takes.
    """
    if data is not None or (preset is None and family.fits("classes", datasets.describe(DEFAULT_DATA).kind)):
        shape = datasets.describe(DEFAULT_DATA if data is None else data)
        return shape.input_shape, shape.classes
    for each in (preset, *family.presets):
        if each:
            return each.input_shape, each.classes
    return USUAL[family.inputs[0]], USUAL_CLASSES


def _command(network: str, family: Architecture, preset: Preset | None) -> click.Command:
    of_text = set(family.inputs) <= set(TOKEN_KINDS.values())
    standing = "none, but the paper's sizes" if of_text or preset else DEFAULT_DATA
    parameters = [option_parameter(option) for option in network_options(family, preset)]
    parameters += [
        click.Option(["--data"], metavar="TEXT", help=f"Data set that gives the shapes. [default: {standing}]"),
        click.Option(["--input-shape"], metavar="SIZES", help="Shape of one sample, such as 32x32x3 or 512."),
        click.Option(["--classes", "number_of_classes"], type=click.IntRange(2), help="Classes, or words it knows."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print counts and plan as JSON."),
    ]

    def callback(data, input_shape, number_of_classes, as_json, **values):
        shape, classes = sample_of(family, preset, data)
        shape = parse_shape(input_shape) if input_shape else shape
        plan = catalogue.plan(network, shape, number_of_classes or classes, **given(values))
        click.echo(json.dumps(describe_network(plan)) if as_json else _text(plan))

    return click.Command(
        network,
        params=parameters,
        callback=callback,
        help=network_summary(family, preset),
        short_help=family.summary,
        context_settings=CONTEXT,
    )


@click.group(cls=NetworkGroup, make=_command, listed=catalogue.ARCHITECTURES, name="describe", context_settings=CONTEXT)
def describe_group():
    """Show a network's plan and count what it costs, without building it.

    A network is one of the families below, or a preset of theirs: see reskeras list.

    \b
    Examples:
      reskeras describe resnet --depth 56
      reskeras describe densenet --depth 100 --bottleneck --compression 0.5 --json
    """
