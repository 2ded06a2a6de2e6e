"""From a plan to a Keras model; the only place where layers get their names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby

import keras

from reskeras import steps
from reskeras.catalogue import plan as plan_network
from reskeras.layers.backbones import backbone_network
from reskeras.layers.deep import functional
from reskeras.layers.making import make_appended, make_block, make_chain
from reskeras.layers.recompute import SummedGradients
from reskeras.layers.stack import Stack, check_remat
from reskeras.plan import Block, Plan, drop_rate, stackable
from reskeras.steps import Shape, chain_shape


def build(
    name: str,
    *,
    input_shape: Shape | None = None,
    classes: int | None = None,
    classifier_activation: str | None = None,
    stacked: bool = True,
    remat: bool | str = False,
    **options,
) -> keras.Model:
    """Return a new network: `build("resnet", depth=20, input_shape=(32, 32, 3), classes=10)`, or `build("resnet-50")`.

    Args:
        name: an architecture's name in the catalogue, or a preset's.
        input_shape: shape of one sample, channels last; a preset has its paper's.
        classes: how many classes to tell apart; a preset has its paper's.
        classifier_activation: activation of the output; None gives logits, `"softmax"` probabilities.
        stacked: whether each run of equal blocks is one layer, a `Stack`, which starts as fast at any depth; otherwise
            each block is a layer. Weights, losses and gradients are the same.
        remat: whether training keeps the inputs of blocks alone, True, or in each `Stack` as few as the root of their
            number, `"sqrt"`, and computes the rest again: memory for a third more arithmetic. A DenseNet keeps what
            each layer adds to the stream, and not the stream at each layer.
        **options: the architecture's options; the others keep their defaults, or the preset's values.

    Returns:
        A functional model from samples to (batch, classes), not compiled.

    Raises:
        OptionError: for an unknown name, or an option that cannot be used.
        PlanError: where the architecture does not take samples of this shape.
        ValueError: for an unknown `remat`, and for `"sqrt"` where there is no `Stack`.
    """
    return build_plan(plan_network(name, input_shape, classes, **options), classifier_activation, stacked, remat)


def build_plan(
    plan: Plan, classifier_activation: str | None = None, stacked: bool = True, remat: bool | str = False
) -> keras.Model:
    """Return a new network written by a plan; arguments as in `build`.

    A plan with further heads gives a dictionary of outputs, `"output"` the main one; a plan with an encoder takes a
    dictionary of inputs, `"source"` the encoder's and `"samples"` its own.
    """
    check_remat(remat)
    if plan.backbone is not None:
        if remat:
            raise ValueError(f"keras-hub keeps all that {plan.name} computes; received remat={remat!r}.")
        return _activated(backbone_network(plan), classifier_activation)
    if remat == "sqrt" and not (stacked and plan.has_stacks()):
        reason = f"{plan.name} has no equal blocks of one shape in a row" if stacked else "received stacked=False"
        raise ValueError(f"remat='sqrt' keeps inputs of some blocks of a stack; {reason}. Did you mean remat=True?")
    network = _Network(stacked, remat)
    memory = network.memory(plan.encoder) if plan.encoder else None
    features = network.features(plan, "samples", "", memory)
    shape = plan.shapes()[-2][1]
    output = network.apply(plan.head, features, shape, "head_")
    if classifier_activation is not None:
        output = keras.layers.Activation(classifier_activation, dtype="float32", name="head_output")(output)
    if plan.further_heads:
        further = {
            head.name: network.apply(head.steps, features, shape, f"{head.name}_") for head in plan.further_heads
        }
        output = {"output": output, **further}
    inputs = network.inputs if len(network.inputs) > 1 else next(iter(network.inputs.values()))
    # A Keras name: letters, digits, and signs that every backend takes.
    return functional(inputs, output, name=plan.name.replace("-", "_").replace(".", "_"))


def _activated(model: keras.Model, activation: str | None) -> keras.Model:
    if activation is None:
        return model
    output = keras.layers.Activation(activation, dtype="float32", name="head_output")(model.output)
    return functional(model.input, output, name=model.name)


def _reads_memory(blocks: Sequence[Block]) -> bool:
    return any(isinstance(step, steps.CrossAttention) for block in blocks for step in block.branch)


def _layers(group: Sequence[Block], shape: Shape, names: list[str], recompute: bool = False) -> list[keras.Layer]:
    """Return new layers for blocks that follow one another."""
    layers = []
    for block, name in zip(group, names, strict=False):
        layers.append(make_block(block, shape, name, recompute))
        shape = block.output_shape(shape)
    return layers


class _Network:
    """A model while it is built: its inputs so far, and the table of words that several of its parts use."""

    def __init__(self, stacked: bool, remat: bool | str):
        self.stacked, self.remat = stacked, remat
        self.inputs: dict[str, keras.KerasTensor] = {}
        self.table: keras.Layer | None = None

    def features(self, plan: Plan, source: str, prefix: str, memory: keras.KerasTensor | None = None):
        """Return the output of the last stage of a plan that reads the input called `source`."""
        dtype = "int32" if plan.takes_tokens() else None
        x = self.inputs[source] = keras.Input(plan.input_shape, name=source, dtype=dtype)
        if plan.takes_segments():
            self.inputs["segments"] = keras.Input(plan.input_shape, name="segments", dtype="int32")
        x = self.apply(plan.stem, x, plan.input_shape, f"{prefix}stem_")
        shape = chain_shape(plan.stem, plan.input_shape)
        for number, stage in enumerate(plan.stages, 1):
            names = [prefix + name for name in stage.names(number)]
            named = zip(stage.blocks, names, strict=True)
            for appended, pairs in groupby(named, lambda pair: bool(self.remat) and pair[0].appends()):
                blocks, names = map(list, zip(*pairs, strict=True))
                x = self._appended(blocks, names, x, shape) if appended else self._run(blocks, names, x, shape, memory)
                shape = chain_shape(blocks, shape)
        return x

    def _appended(self, blocks, names, x, shape):
        """Return `x` and what blocks append to it, each of which reads the pieces before it and not their join."""
        pieces = [x]
        for number, (block, name) in enumerate(zip(blocks, names, strict=True), start=1):
            pieces = SummedGradients(number, name=f"{name}_pieces")(pieces) if number > 1 else pieces
            pieces = [*pieces, make_appended(block, shape, name)(pieces)]
            shape = block.output_shape(shape)
        return keras.layers.Concatenate(name=f"{names[-1]}_skip")(pieces)

    def _run(self, blocks, names, x, shape, memory):
        """Return `x` after blocks that follow one another."""
        for start, times, period in stackable(blocks, shape):
            run = slice(start, start + times * period)
            call = self._stack if self.stacked and times > 1 else self._separate
            x = call(blocks[run], names[run], period, x, shape, memory)
            shape = chain_shape(blocks[run], shape)
        return x

    def _stack(self, blocks, names, period, x, shape, memory):
        """Return `x` after blocks of which every `period` are equal, as one layer."""
        new = partial(_layers, blocks[:period], shape, names)
        layers, rates = new(), [drop_rate(block) for block in blocks[::period]]
        stack = Stack(
            layers if period > 1 else layers[0],
            len(blocks) // period,
            drop_path=rates if len(set(rates)) > 1 else None,
            remat=self.remat,
            names=names,
            name=f"{names[0]}_to_{names[-1]}",
        )
        # Random numbers are drawn in the order in which layers of their own draw them.
        stack.start_slices_as(new)
        return stack(x, memory) if _reads_memory(blocks) else stack(x)

    def _separate(self, blocks, names, period, x, shape, memory):
        """Return `x` after blocks that are layers of their own, `period` of them made at a time."""
        for first in range(0, len(blocks), period):
            group = blocks[first : first + period]
            for layer, block in zip(_layers(group, shape, names[first:], bool(self.remat)), group, strict=True):
                x = layer(x, memory) if _reads_memory((block,)) else layer(x)
            shape = chain_shape(group, shape)
        return x

    def memory(self, encoder: Plan) -> keras.KerasTensor:
        """Return the output of an encoder."""
        x = self.features(encoder, "source", "encoder_")
        return self.apply(encoder.head, x, encoder.shapes()[-2][1], "encoder_head_")

    def apply(self, chain: tuple[steps.Step, ...], x, shape: Shape, prefix: str):
        """Return `x` after a chain of steps."""
        for step, layer in zip(chain, make_chain(chain, shape, prefix), strict=True):
            if isinstance(step, steps.Embedding):
                self.table = self.table if step.shared else layer
                x = self.table(x)
            elif isinstance(step, steps.Segments):
                x = layer([x, self.inputs["segments"]])
            elif isinstance(step, steps.TiedLogits):
                x = layer(self.table(x, reverse=True))
            else:
                x = layer(x)
        return x
