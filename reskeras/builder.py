"""From a plan to a Keras model; the only place where layers get their names."""

from __future__ import annotations

from functools import partial

import keras

from reskeras import steps
from reskeras.catalogue import plan as plan_network
from reskeras.layers.deep import functional
from reskeras.layers.making import make_block, make_chain
from reskeras.layers.stack import Stack
from reskeras.plan import Block, Plan, drop_rate, repeats, without_rate
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
        remat: whether each `Stack` keeps for the backward pass the inputs of its blocks alone, True, or as few as the
            root of their number, `"sqrt"`, and computes the rest again: memory for a third more arithmetic.
        **options: the architecture's options; the others keep their defaults, or the preset's values.

    Returns:
        A functional model from samples to (batch, classes), not compiled.

    Raises:
        OptionError: for an unknown name, or an option that cannot be used.
        PlanError: where the architecture does not take samples of this shape.
        ValueError: for `remat` without stacks.
    """
    return build_plan(plan_network(name, input_shape, classes, **options), classifier_activation, stacked, remat)


def build_plan(
    plan: Plan, classifier_activation: str | None = None, stacked: bool = True, remat: bool | str = False
) -> keras.Model:
    """Return a new network written by a plan; arguments as in `build`.

    A plan with further heads gives a dictionary of outputs, `"output"` the main one; a plan with an encoder takes a
    dictionary of inputs, `"source"` the encoder's and `"samples"` its own.
    """
    if remat and not stacked:
        raise ValueError(f"Activations are recomputed in stacks alone. Received: stacked=False and remat={remat!r}")
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


def _reads_memory(blocks: tuple[Block, ...]) -> bool:
    return any(isinstance(step, steps.CrossAttention) for block in blocks for step in block.branch)


def _layers(group: tuple[Block, ...], shape: Shape, names: list[str]) -> list[keras.Layer]:
    """Return new layers for blocks that follow one another."""
    layers = []
    for block, name in zip(group, names, strict=False):
        layers.append(make_block(block, shape, name))
        shape = block.output_shape(shape)
    return layers


def _stack(layers: list[keras.Layer], blocks: tuple[Block, ...], names: list[str], remat: bool | str) -> Stack:
    """Return the stack of blocks that are, in turn, like these layers."""
    rates = [drop_rate(block) for block in blocks[:: len(layers)]]
    return Stack(
        layers if len(layers) > 1 else layers[0],
        len(blocks) // len(layers),
        drop_path=rates if len(set(rates)) > 1 else None,
        remat=remat,
        names=names,
        name=f"{names[0]}_to_{names[-1]}",
    )


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
            for start, times, period in repeats(tuple(map(without_rate, stage.blocks))):
                run = slice(start, start + times * period)
                x, shape = self._run(stage.blocks[run], names[run], period, x, shape, memory)
        return x

    def _run(self, blocks, names, period, x, shape, memory):
        """Return `x` after blocks of which every `period` are equal, and the shape of one sample of it."""
        for first in range(0, len(blocks), period):
            group, inside = blocks[first : first + period], chain_shape(blocks[first : first + period], shape)
            layers = _layers(group, shape, names[first:])
            if self.stacked and len(blocks) - first > period and inside == shape:
                stack = _stack(layers, blocks[first:], names[first:], self.remat)
                # Random numbers are drawn in the order in which layers of their own draw them.
                stack.start_slices_as(partial(_layers, group, shape, names[first:]))
                return (stack(x, memory) if _reads_memory(group) else stack(x)), shape
            for layer, block in zip(layers, group, strict=True):
                x = layer(x, memory) if _reads_memory((block,)) else layer(x)
            shape = inside
        return x, shape

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
