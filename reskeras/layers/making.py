"""From steps, which are data, to Keras layers; networks and the blocks that people import are both made here."""

from __future__ import annotations

import keras

from reskeras import steps
from reskeras.layers.activation import TanhGELU
from reskeras.layers.attention import CrossAttention, SelfAttention
from reskeras.layers.batch_norm import BatchNormalization
from reskeras.layers.composite import pooled_class
from reskeras.layers.drop_path import DropPath
from reskeras.layers.embedding import PositionEmbedding, SegmentEmbedding, TokenEmbedding
from reskeras.layers.gate import Gate
from reskeras.layers.lstm import lstm_layer
from reskeras.layers.padding import PadChannels
from reskeras.layers.residual import Residual
from reskeras.layers.scaling import ScaledAdd
from reskeras.layers.spelling import SpelledEmbedding
from reskeras.layers.tokens import Bias, ClassToken, FirstToken, Sequence, TokenMean, Tokens
from reskeras.plan import Block, Skip
from reskeras.steps import Shape, Step

# As in the authors' code of residual and dense networks; Keras's 0.99 needs thousands of steps before the statistics
# used in prediction have followed those of training.
BATCH_NORM_MOMENTUM = 0.9


def make_chain(chain: tuple[Step, ...], shape: Shape, prefix: str = "", **settings) -> list[keras.Layer]:
    """Return a layer for each step, named by its word and its number of that word: `conv1`, `norm1`, `conv2`, ...

    Args:
        chain: the steps.
        shape: shape of one sample before the first, channels last.
        prefix: what each name begins with.
        settings: as in `make_layer`.
    """
    counts: dict[str, int] = {}
    layers = []
    for step in chain:
        counts[step.word] = counts.get(step.word, 0) + 1
        layers.append(make_layer(step, shape, f"{prefix}{step.word}{counts[step.word]}", **settings))
        shape = step.output_shape(shape)
    return layers


def make_layer(step: Step, shape: Shape, name: str, data_format: str = "channels_last", dtype=None) -> keras.Layer:
    """Return the layer that a step describes.

    Args:
        step: the step.
        shape: shape of one sample before it, channels last whatever the data format.
        name: the layer's name.
        data_format: where the layer finds the channels.
        dtype: precision, as a Keras layer takes it.
    """
    layer = _MAKERS[type(step)](step, len(shape) - 1, {"name": name, "dtype": dtype}, data_format)
    return layer


def make_block(block: Block, shape: Shape, name: str, recompute: bool = False, **settings) -> Residual:
    """Return a block as one layer; `recompute` as in `Residual`, the other arguments as in `make_layer`."""
    shared = steps.chain_shape(block.before, shape)
    carried, inner = steps.chain_shape(block.skip.path, shared), block.joined_shape(shape)
    return Residual(
        make_chain(block.branch, shared, **settings),
        make_skip(block.skip, carried, **settings),
        make_chain(block.skip.path, shared, "path_", **settings),
        make_chain(block.after, inner, "after_", **settings),
        make_chain(block.before, shape, "before_", **settings),
        recompute,
        name=name,
        dtype=settings.get("dtype"),
    )


def make_appended(block: Block, shape: Shape, name: str) -> Residual:
    """Return what a block appends, f of [x0, x1, ...], as a layer of which training keeps these pieces alone.

    The joined pieces are not kept, so memory grows with the number of blocks and not with its square (Pleiss et al.
    2017, 1707.06990).

    Args:
        block: a block that appends.
        shape: shape of one sample of all pieces joined, channels last.
        name: the layer's name.
    """
    join = keras.layers.Concatenate(name="join")
    return Residual(make_chain(block.branch, shape), "none", before=join, recompute=True, name=name)


def make_skip(skip: Skip, carried: Shape, data_format: str = "channels_last", dtype=None) -> keras.Layer | str:
    """Return what joins the two streams: a layer called on [x, f], or the name of a skip that `Residual` makes."""
    common = {"name": "skip", "dtype": dtype}
    if skip.kind == "gate":
        return Gate(skip.gate_bias, skip.gate_kernel, skip.coupled, data_format, **common)
    if skip.kind == "scaled":
        return ScaledAdd(skip.scale, skip.per, skip.trained, skip.carry, data_format, **common)
    if skip.kind == "concat" and data_format == "channels_first":
        return keras.layers.Concatenate(axis=1, **common)
    return skip.kind


def make_initializer(start: steps.Start) -> keras.Initializer:
    """Return a new initializer: one that two layers share would give both the same values."""
    if isinstance(start, steps.Initializer):
        return getattr(keras.initializers, start.name)(**dict(start.arguments))
    if isinstance(start, keras.Initializer):
        return start.clone()
    return keras.initializers.get(start)


def _conv(step: steps.Conv, axes: int, common, data_format: str) -> keras.Layer:
    return pooled_class("Conv", axes)(
        step.filters,
        step.kernel,
        step.stride,
        padding=step.padding,
        use_bias=step.bias,
        kernel_initializer=make_initializer(step.initializer),
        data_format=data_format,
        **common,
    )


def _dense(step: steps.Dense, axes: int, common, data_format: str) -> keras.Layer:
    initializer = make_initializer(step.initializer)
    return keras.layers.Dense(step.units, use_bias=step.bias, kernel_initializer=initializer, **common)


def _norm(step: steps.Norm, axes: int, common, data_format: str) -> keras.Layer:
    settings = {
        "axis": 1 if data_format == "channels_first" and axes else -1,
        "gamma_initializer": "zeros" if step.zero else "ones",
        "epsilon": step.epsilon,
        **common,
    }
    if step.kind == "batch":
        return BatchNormalization(momentum=BATCH_NORM_MOMENTUM, **settings)
    if data_format == "channels_last" or not axes:
        return keras.layers.LayerNormalization(**settings)
    # Keras's own normalisation of another axis than the last fails on PyTorch.
    last, back = (*range(2, axes + 2), 1), (axes + 1, *range(1, axes + 1))
    norm = keras.layers.LayerNormalization(**{**settings, "axis": -1, "name": "norm"})
    parts = [keras.layers.Permute(last, name="last"), norm, keras.layers.Permute(back, name="back")]
    return Residual(parts, "none", **common)


def _pool(step: steps.AveragePool | steps.MaxPool, axes: int, common, data_format: str) -> keras.Layer:
    kind = "AveragePooling" if isinstance(step, steps.AveragePool) else "MaxPooling"
    return pooled_class(kind, axes)(
        step.size, step.step_size(), padding=step.padding, data_format=data_format, **common
    )


def _pad(step: steps.Pad, axes: int, common, data_format: str) -> keras.Layer:
    return pooled_class("ZeroPadding", axes)(step.size, data_format=data_format, **common)


def _global_pool(step: steps.GlobalPool, axes: int, common, data_format: str) -> keras.Layer:
    if step.masked:
        return TokenMean(**common)
    return pooled_class("GlobalAveragePooling", axes)(data_format=data_format, **common)


def _embedding(step: steps.Embedding, axes: int, common, data_format: str) -> keras.Layer:
    initializer = make_initializer(step.initializer)
    return TokenEmbedding(step.vocabulary, step.width, step.masked, step.scaled, initializer, **common)


def _positions(step: steps.Positions, axes: int, common, data_format: str) -> keras.Layer:
    return PositionEmbedding(step.most, step.kind, make_initializer(step.initializer), **common)


def _segments(step: steps.Segments, axes: int, common, data_format: str) -> keras.Layer:
    return SegmentEmbedding(step.types, make_initializer(step.initializer), **common)


def _attention(step: steps.Attention | steps.CrossAttention, axes: int, common, data_format: str) -> keras.Layer:
    settings = {"use_bias": step.bias, "kernel_initializer": make_initializer(step.initializer), **common}
    for name in ("value_initializer", "output_initializer"):
        if getattr(step, name) not in (None, step.initializer):
            settings[name] = make_initializer(getattr(step, name))
    if step.key_width:
        settings["key_width"] = step.key_width
    if isinstance(step, steps.CrossAttention):
        return CrossAttention(step.heads, step.dropout, **settings)
    return SelfAttention(step.heads, step.dropout, step.causal, rotary=step.rotary, **settings)


def _activation(step: steps.Activation, axes: int, common, data_format: str) -> keras.Layer:
    return TanhGELU(**common) if step.name == "gelu_tanh" else keras.layers.Activation(step.name, **common)


def _change(step, _axes, common, _):
    # Images come with channels last, and in numbers as they are, whatever the blocks compute in.
    common = {**common, "dtype": "float32", "data_format": "channels_last", "seed": step.seed}
    if step.kind == "rotate":
        return keras.layers.RandomRotation(step.amount, fill_mode="nearest", **common)
    if step.kind == "zoom":
        return keras.layers.RandomZoom(step.amount, fill_mode="nearest", **common)
    kind = {"contrast": keras.layers.RandomContrast, "brightness": keras.layers.RandomBrightness}[step.kind]
    return kind(step.amount, value_range=(step.low, step.high), **common)


_MAKERS = {
    steps.Conv: _conv,
    steps.Dense: _dense,
    steps.Norm: _norm,
    steps.AveragePool: _pool,
    steps.MaxPool: _pool,
    steps.Pad: _pad,
    steps.GlobalPool: _global_pool,
    steps.Activation: _activation,
    steps.Dropout: lambda step, _axes, common, _: keras.layers.Dropout(step.rate, **common),
    steps.Change: _change,
    steps.DropPath: lambda step, _axes, common, _: DropPath(step.rate, step.per, step.scale, **common),
    steps.Flatten: lambda _step, _axes, common, _: keras.layers.Flatten(**common),
    steps.PadChannels: lambda step, _axes, common, data_format: PadChannels(
        step.filters, step.stride, step.pool, data_format, **common
    ),
    steps.Tokens: lambda step, _axes, common, _: Tokens(step.width, step.patch, **common),
    steps.LSTM: lambda step, _axes, common, _: lstm_layer(step, **common),
    steps.Sequence: lambda _step, _axes, common, _: Sequence(**common),
    steps.Embedding: _embedding,
    steps.SpelledEmbedding: lambda step, _axes, common, _: SpelledEmbedding(
        step.vocabulary, step.alphabet, step.width, step.filters, step.character_width, step.kernel, **common
    ),
    steps.Positions: _positions,
    steps.Segments: _segments,
    steps.ClassToken: lambda _step, _axes, common, _: ClassToken(**common),
    steps.FirstToken: lambda _step, _axes, common, _: FirstToken(**common),
    steps.Attention: _attention,
    steps.CrossAttention: _attention,
    # Called on products with the table of words, which is the embedding's own.
    steps.TiedLogits: lambda step, _axes, common, _: (Bias if step.bias else keras.layers.Identity)(**common),
    steps.Standardize: lambda step, _axes, common, _: keras.layers.Normalization(
        axis=-1, mean=list(step.mean), variance=list(step.variance), **common
    ),
}
