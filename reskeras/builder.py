"""From a plan to a Keras model; the only place where layers get their names."""

from __future__ import annotations

import keras

from reskeras import steps
from reskeras.catalogue import plan as plan_network
from reskeras.layers import Gate, PadChannels, Residual, SelfAttention, Tokens
from reskeras.layers.composite import pooled_class
from reskeras.plan import Block, Plan
from reskeras.steps import Shape, Step, chain_shape

# As in the authors' code of residual and dense networks; Keras's 0.99 needs thousands of steps before the statistics
# used in prediction have followed those of training.
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def build(
    name: str, *, input_shape: Shape, classes: int, classifier_activation: str | None = None, **options
) -> keras.Model:
    """Return a new network: `build("resnet", depth=20, input_shape=(32, 32, 3), classes=10)`.

    Args:
        name: an architecture's name in the catalogue.
        input_shape: shape of one sample, channels last.
        classes: how many classes to tell apart.
        classifier_activation: activation of the output; None gives logits, `"softmax"` probabilities.
        **options: the architecture's options; the others keep their defaults.

    Returns:
        A functional model from samples to (batch, classes), not compiled.

    Raises:
        OptionError: for an unknown architecture, or an option that cannot be used.
        PlanError: where the architecture does not take samples of this shape.
    """
    return build_plan(plan_network(name, input_shape, classes, **options), classifier_activation)


def build_plan(plan: Plan, classifier_activation: str | None = None) -> keras.Model:
    """Return a new network written by a plan; arguments as in `build`."""
    inputs = keras.Input(plan.input_shape, name="samples")
    x = inputs
    for layer, _ in _chain(plan.stem, plan.input_shape, "stem_"):
        x = layer(x)
    shape = chain_shape(plan.stem, plan.input_shape)
    for name, block in plan.blocks():
        x = _block(block, shape, name)(x)
        shape = block.output_shape(shape)
    for layer, _ in _chain(plan.head, shape, "head_"):
        x = layer(x)
    if classifier_activation is not None:
        x = keras.layers.Activation(classifier_activation, dtype="float32", name="head_output")(x)
    # A Keras name: letters, digits, and signs that every backend takes.
    return keras.Model(inputs, x, name=plan.name.replace("-", "_"))


def _block(block: Block, shape: Shape, name: str) -> Residual:
    skip = block.skip.kind
    if skip == "gate":
        skip = Gate(block.skip.gate_bias, name="skip")
    inner = block.output_shape(shape)
    return Residual(
        [layer for layer, _ in _chain(block.branch, shape)],
        skip,
        [layer for layer, _ in _chain(block.skip.path, shape, "path_")],
        [layer for layer, _ in _chain(block.after, inner, "after_")],
        name=name,
    )


def _chain(chain: tuple[Step, ...], shape: Shape, prefix: str = ""):
    counts: dict[str, int] = {}
    for step in chain:
        counts[step.word] = counts.get(step.word, 0) + 1
        layer = _layer(step, shape, f"{prefix}{step.word}{counts[step.word]}")
        shape = step.output_shape(shape)
        yield layer, shape


def _layer(step: Step, shape: Shape, name: str) -> keras.Layer:
    return _MAKERS[type(step)](step, len(shape) - 1, name)


def _conv(step: steps.Conv, axes: int, name: str) -> keras.Layer:
    return pooled_class("Conv", axes)(
        step.filters,
        step.kernel,
        step.stride,
        padding="same",
        use_bias=step.bias,
        kernel_initializer="he_normal",
        data_format="channels_last",
        name=name,
    )


def _norm(step: steps.Norm, axes: int, name: str) -> keras.Layer:
    start = "zeros" if step.zero else "ones"
    if step.kind == "batch":
        return keras.layers.BatchNormalization(gamma_initializer=start, name=name, **BATCH_NORM)
    return keras.layers.LayerNormalization(gamma_initializer=start, epsilon=1e-5, name=name)


def _average_pool(step: steps.AveragePool, axes: int, name: str) -> keras.Layer:
    return pooled_class("AveragePooling", axes)(step.size, padding="same", data_format="channels_last", name=name)


_MAKERS = {
    steps.Conv: _conv,
    steps.Norm: _norm,
    steps.AveragePool: _average_pool,
    steps.Dense: lambda step, _, name: keras.layers.Dense(step.units, kernel_initializer=step.initializer, name=name),
    steps.Activation: lambda step, _, name: keras.layers.Activation(step.name, name=name),
    steps.Dropout: lambda step, _, name: keras.layers.Dropout(step.rate, name=name),
    steps.Flatten: lambda _step, _, name: keras.layers.Flatten(name=name),
    steps.GlobalPool: lambda _step, axes, name: pooled_class("GlobalAveragePooling", axes)(name=name),
    steps.PadChannels: lambda step, _, name: PadChannels(step.filters, step.stride, name=name),
    steps.Tokens: lambda step, _, name: Tokens(step.width, step.patch, name=name),
    steps.Attention: lambda step, _, name: SelfAttention(step.heads, step.dropout, name=name),
    steps.Standardize: lambda step, _, name: keras.layers.Normalization(
        axis=-1, mean=list(step.mean), variance=list(step.variance), name=name
    ),
}
