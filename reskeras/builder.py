"""From a plan to a Keras model; the only place where layers get their names."""

from __future__ import annotations

import keras

from reskeras import steps
from reskeras.catalogue import plan as plan_network
from reskeras.layers.deep import functional
from reskeras.layers.making import make_block, make_chain
from reskeras.plan import Plan
from reskeras.steps import Shape, chain_shape


def build(
    name: str,
    *,
    input_shape: Shape | None = None,
    classes: int | None = None,
    classifier_activation: str | None = None,
    **options,
) -> keras.Model:
    """Return a new network: `build("resnet", depth=20, input_shape=(32, 32, 3), classes=10)`, or `build("resnet-50")`.

    Args:
        name: an architecture's name in the catalogue, or a preset's.
        input_shape: shape of one sample, channels last; a preset has its paper's.
        classes: how many classes to tell apart; a preset has its paper's.
        classifier_activation: activation of the output; None gives logits, `"softmax"` probabilities.
        **options: the architecture's options; the others keep their defaults, or the preset's values.

    Returns:
        A functional model from samples to (batch, classes), not compiled.

    Raises:
        OptionError: for an unknown name, or an option that cannot be used.
        PlanError: where the architecture does not take samples of this shape.
    """
    return build_plan(plan_network(name, input_shape, classes, **options), classifier_activation)


def build_plan(plan: Plan, classifier_activation: str | None = None) -> keras.Model:
    """Return a new network written by a plan; arguments as in `build`.

    A plan with further heads gives a dictionary of outputs, `"output"` the main one; a plan with an encoder takes a
    dictionary of inputs, `"source"` the encoder's and `"samples"` its own.
    """
    network = _Network()
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


class _Network:
    """A model while it is built: its inputs so far, and the table of words that several of its parts use."""

    def __init__(self):
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
        for name, block in plan.blocks():
            reads_memory = any(isinstance(step, steps.CrossAttention) for step in block.branch)
            layer = make_block(block, shape, prefix + name)
            x = layer(x, memory) if reads_memory else layer(x)
            shape = block.output_shape(shape)
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
