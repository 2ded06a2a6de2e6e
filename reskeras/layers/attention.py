"""Attention as layers that a skip can be put round: of a sequence to itself, and to a memory."""

import keras

from reskeras.layers.composite import Composite, NotPortable, mask_of, start_as
from reskeras.layers.rotary import RotaryAttention, turned


class _Attention(Composite):
    """What self-attention and cross-attention share: their arguments and their four maps."""

    axes = keras.layers.InputSpec(ndim=3)

    def _keep(self, heads, dropout, use_bias, flash_attention, key_width, **initializers):
        """Set the arguments as attributes."""
        self.heads = heads
        self.dropout = dropout
        self.use_bias = use_bias
        self.flash_attention = flash_attention
        self.key_width = key_width
        for name, initializer in initializers.items():
            setattr(self, name, keras.initializers.get(initializer))

    def _make_attention(self, shape, memory_shape) -> None:
        width = shape[-1]
        if self.heads < 1 or width % self.heads:
            fits = [heads for heads in range(1, width + 1) if width % heads == 0]
            near = min(fits, key=lambda heads: abs(heads - self.heads))
            raise ValueError(
                f"heads must divide the width. Received: heads={self.heads} and a width of {width}. "
                f"Did you mean heads={near}?"
            )
        self.attention = self.part(
            self._attention_class(),
            "heads",
            num_heads=self.heads,
            key_dim=self.key_width or width // self.heads,
            value_dim=width // self.heads,
            dropout=self.dropout,
            use_bias=self.use_bias,
            flash_attention=self.flash_attention,
            kernel_initializer=self.kernel_initializer,
        )
        self.attention.build(shape, memory_shape)
        for part, initializer in (
            (self.attention.value_dense, self.value_initializer),
            (self.attention.output_dense, self.output_initializer),
        ):
            if initializer is not None:
                start_as(part.kernel, initializer)
        # MultiHeadAttention takes the masks off its inputs, and so off the skip and off the memory of the next block:
        # it gets copies.
        self.copy = self.part(keras.layers.Rescaling, "copy", scale=1.0)

    def _attend(self, x, memory, **masks):
        if self.key_width is None:
            return self.attention(x, memory, **masks)
        # JAX's fused attention needs values of the size of keys; where scores are asked for, Keras leaves it out.
        return self.attention(x, memory, return_attention_scores=True, **masks)[0]

    def _attention_class(self) -> type[keras.layers.MultiHeadAttention]:
        return keras.layers.MultiHeadAttention

    def _given(self, x):
        """Return what MultiHeadAttention may take the mask off: x, or a copy where it has one."""
        return x if mask_of(x) is None else self.copy(x)


@keras.saving.register_keras_serializable(package="reskeras")
class SelfAttention(_Attention):
    """Multi-head attention of a sequence to itself (Vaswani et al. 2017, 1706.03762, section 3.2.2).

    Padding is left out where the input has a mask, together with later tokens where the attention is causal.

    Args:
        heads: number of heads; must divide the width.
        dropout: dropout of attention weights.
        causal: whether a token sees only those before it and itself.
        use_bias: whether the maps of query, key, value and output have biases.
        rotary: whether queries and keys are turned by their position (Su et al. 2021, 2104.09864). Keras has no layer
            that does so: a network with one cannot be written for Keras alone.
        flash_attention: as in `keras.layers.MultiHeadAttention`; None uses it where the backend has it.
        kernel_initializer: how the maps start.
        value_initializer: how the map of values starts; None as the others.
        output_initializer: how the map of the output starts; None as the others.
        key_width: size of queries and keys in each head; None for the width divided by the heads.

    Token by token, as a text is written: `y, cache = layer(x, cache=cache, position=position)` gives what causal
    attention to all tokens so far gives, from those of x alone. The cache, (batch, 2, longest time, heads, head size),
    holds keys and values; `new_cache` makes the first, and `position` is how many tokens it holds already, a number or
    an integer tensor. Tokens beyond its longest time overwrite the last ones; masks are not heeded.

    Input shape: (batch, time, width). Output shape: the same.

    Raises:
        ValueError: where the heads do not divide the width, a rotary head has an odd size, a mask is not of shape
            (batch, time), or a cache is given to attention that is not causal.

    Example:
        >>> SelfAttention(heads=4, causal=True)(keras.Input((None, 64))).shape
        (None, None, 64)
    """

    def __init__(
        self,
        heads,
        dropout=0.0,
        causal=False,
        use_bias=True,
        rotary=False,
        flash_attention=None,
        kernel_initializer="glorot_uniform",
        value_initializer=None,
        output_initializer=None,
        key_width=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._keep(
            heads,
            dropout,
            use_bias,
            flash_attention,
            key_width,
            kernel_initializer=kernel_initializer,
            value_initializer=value_initializer,
            output_initializer=output_initializer,
        )
        self.causal = causal
        self.rotary = rotary

    def _attention_class(self):
        return RotaryAttention if self.rotary else keras.layers.MultiHeadAttention

    def build(self, input_shape):
        self._make_attention(input_shape, input_shape)
        self.built = True

    def call(self, x, mask=None, cache=None, position=None):
        if cache is not None:
            return self._call_with_cache(x, cache, position)
        given = self._given(x)
        return self._attend(given, given, use_causal_mask=self.causal, **_masks(x, mask, "query", "value"))

    def call_in_core_layers(self, x, **options):
        if self.rotary:
            raise NotPortable(
                f"{self.name} has rotary positions, which no layer of Keras's own has. Use learned or sinusoidal "
                "positions for a file that loads without this package."
            )
        return self.call(x, **options)

    def new_cache(self, batch: int, longest: int):
        """Return a cache without tokens for `batch` sequences of at most `longest` tokens; the layer must be built."""
        heads, size = self.attention.num_heads, self.attention.key_dim
        return keras.ops.zeros((batch, 2, longest, heads, size), dtype=self.compute_dtype)

    def _call_with_cache(self, x, cache, position):
        attention, ops = self.attention, keras.ops
        if not self.causal or attention.key_dim != attention.value_dim:
            raise ValueError(
                f"A cache fits causal attention whose keys are as wide as its values. Received: causal={self.causal}, "
                f"keys of {attention.key_dim} and values of {attention.value_dim} in each head."
            )
        position = ops.cast(position, "int32")
        query, key, value = (part(x) for part in (attention.query_dense, attention.key_dense, attention.value_dense))
        times = position + ops.arange(ops.shape(x)[1], dtype="int32")
        if self.rotary:
            query, key = turned(query, times), turned(key, times)
        zero = ops.zeros_like(position)
        new = ops.cast(ops.stack([key, value], axis=1), cache.dtype)
        cache = ops.slice_update(cache, ops.stack([zero, zero, position, zero, zero]), new)
        seen = ops.arange(cache.shape[2], dtype="int32")[None, None, :] <= times[None, :, None]
        scores = ops.einsum("bthe,bshe->bhts", query, cache[:, 0]) / attention.key_dim**0.5
        weights = ops.softmax(ops.where(seen[:, None], scores, ops.cast(-1e9, scores.dtype)))
        mixed = ops.einsum("bhts,bshe->bthe", weights, cache[:, 1])
        return attention.output_dense(mixed), cache

    def compute_output_spec(self, x, mask=None, cache=None, position=None):
        y = keras.KerasTensor(x.shape, dtype=self.compute_dtype)
        return y if cache is None else (y, keras.KerasTensor(cache.shape, dtype=cache.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="reskeras")
class CrossAttention(_Attention):
    """Multi-head attention of a sequence to a memory, such as an encoder's output (1706.03762, section 3.2.3).

    Called as `layer(x, memory)`. Tokens that the memory's mask leaves out are not attended to.

    Args: as those of `SelfAttention`, without `causal`.

    Input shape: (batch, time, width), and (batch, memory time, width). Output shape: that of the first.

    Raises:
        ValueError: where the heads do not divide the width, the memory is not a sequence of the same width, or a mask
            is not of shape (batch, time).

    Example:
        >>> CrossAttention(heads=4)(keras.Input((None, 64)), keras.Input((7, 64))).shape
        (None, None, 64)
    """

    def __init__(
        self,
        heads,
        dropout=0.0,
        use_bias=True,
        flash_attention=None,
        kernel_initializer="glorot_uniform",
        value_initializer=None,
        output_initializer=None,
        key_width=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._keep(
            heads,
            dropout,
            use_bias,
            flash_attention,
            key_width,
            kernel_initializer=kernel_initializer,
            value_initializer=value_initializer,
            output_initializer=output_initializer,
        )

    def build(self, x_shape, memory_shape):
        if len(memory_shape) != 3 or memory_shape[-1] != x_shape[-1]:
            raise ValueError(
                f"memory must be a sequence of the width of the input, (batch, time, {x_shape[-1]}). Received: a "
                f"memory of shape {tuple(memory_shape)} for an input of shape {tuple(x_shape)}. A Dense layer of "
                f"{x_shape[-1]} units maps one width to the other."
            )
        self._make_attention(x_shape, memory_shape)
        self.built = True

    def call(self, x, memory, x_mask=None, memory_mask=None):
        masks = {**_masks(x, x_mask, "query"), **_masks(memory, memory_mask, "value")}
        return self._attend(self._given(x), self._given(memory), **masks)

    def compute_output_shape(self, x_shape, memory_shape):
        return x_shape


def _masks(x, mask, *places: str) -> dict:
    """Return arguments of MultiHeadAttention that give it a mask which x does not carry itself."""
    if mask is None or mask is mask_of(x):
        return {}
    if len(mask.shape) != 2:
        raise ValueError(
            f"A mask says which tokens are real: its shape is (batch, time). Received: a mask of shape "
            f"{tuple(mask.shape)} for an input of shape {tuple(x.shape)}"
        )
    return {f"{place}_mask": mask for place in places}
