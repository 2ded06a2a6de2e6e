"""Layers of Transformers: encoder and decoder blocks, each part with a skip of its own."""

import keras

from reskeras.blocks.transformer import NORMS, attention_part, cross_attention_part, feed_forward, named_joint
from reskeras.layers.attention import SelfAttention
from reskeras.layers.block import UNKNOWN_SIZE
from reskeras.layers.composite import Composite
from reskeras.layers.making import make_block

SKIPS = ("add", "none", "scaled", "gate")


class _TransformerBlock(Composite):
    """What encoder and decoder blocks share: their parts, which are blocks that are called one after another."""

    axes = keras.layers.InputSpec(ndim=3)

    def _keep(self, **arguments) -> None:
        """Set the arguments as attributes, those checked that are names."""
        skips = [name for name in arguments if name.endswith("_skip")]
        for name, allowed in (("norm", NORMS), *((skip, SKIPS) for skip in skips)):
            if arguments[name] not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}. Received: {name}={arguments[name]!r}")
        if arguments["norm"] == "deep" and arguments["deepnorm"] is None:
            raise ValueError(
                "norm='deep' needs deepnorm, a pair (alpha, beta) such as reskeras.blocks.scales.deepnorm(layers). "
                "Received: deepnorm=None"
            )
        for name, value in arguments.items():
            setattr(self, name, value)

    def _joint(self, skip: str):
        return named_joint(self.norm, skip, self.dropout, self.drop_path, self.epsilon, self.deepnorm)

    def _self_attention(self, width: int):
        return attention_part(
            self._joint(self.attention_skip),
            width,
            self.heads,
            dropout=self.dropout,
            causal=self.causal,
            bias=self.use_bias,
            rotary=self.rotary,
            deepnorm=self.deepnorm,
        )

    def _feed_forward(self, width: int):
        return feed_forward(
            self._joint(self.feed_forward_skip), width, self.feed_forward, self.activation, deepnorm=self.deepnorm
        )

    def _make(self, block, name: str, shape, *others):
        time, width = shape[1:]
        part = make_block(block, (UNKNOWN_SIZE if time is None else time, width), name, dtype=self.dtype_policy)
        part.build(shape, *others)
        return part

    def new_cache(self, batch: int, longest: int):
        """Return a cache without tokens for `batch` sequences of at most `longest` tokens; the layer must be built."""
        return _attention_of(self.attention).new_cache(batch, longest)

    def _attend(self, x, cache, position):
        """Return the attention part's output, and the cache with the keys and values of x."""
        if cache is None:
            return self.attention(x), None
        part, inner = self.attention, x
        for layer in part.branch:
            if isinstance(layer, SelfAttention):
                inner, cache = layer(inner, cache=cache, position=position)
            else:
                inner = layer(inner)
        y = inner if part.skip is None else part.skip([x, inner])
        for layer in part.after:
            y = layer(y)
        return y, cache


@keras.saving.register_keras_serializable(package="reskeras")
class EncoderBlock(_TransformerBlock):
    """Attention of a sequence to itself, then a feed-forward part (Vaswani et al. 2017, 1706.03762, section 3.1).

    With `causal=True` it is the block of GPT. Masks go through it, and padding is not attended to.

    Args:
        heads: attention heads; must divide the width.
        feed_forward: units of the feed-forward part.
        norm: `"post"` norm(x + f(x)) (2017), `"pre"` x + f(norm(x)) (GPT-2), `"deep"` norm(alpha x + f(x)) with smaller
            starting weights (DeepNorm, 2203.00555), or `"none"` x + f(x).
        activation: activation of the feed-forward part, by Keras's name; `"gelu"` is exact and `"gelu_tanh"` its
            approximation.
        dropout: dropout of attention weights and of what each part computes.
        drop_path: probability that a part is dropped as a whole, for each sample.
        attention_skip: how attention rejoins the stream: `"add"` x + f, `"none"` f, `"scaled"` x + a f with a trained
            from 0 (ReZero), `"gate"` t f + (1 - t) x (highway).
        feed_forward_skip: how the feed-forward part does.
        causal: whether a token sees only those before it and itself.
        use_bias: whether the maps of attention have biases.
        rotary: whether attention has rotary positions.
        epsilon: what the normalisation adds to the variance.
        deepnorm: alpha and beta of `norm="deep"`, such as `reskeras.blocks.scales.deepnorm(layers)`.

    Token by token, where it is causal: `y, cache = block(x, cache=cache, position=position)`, as `SelfAttention` has
    it; `new_cache` makes the first cache.

    Input shape: (batch, time, width). Output shape: the same.

    Raises:
        ValueError: for a norm or skip that is not among these, and where the heads do not divide the width.

    Example:
        >>> block = EncoderBlock(heads=4, feed_forward=256, norm="pre", activation="gelu")
        >>> block(keras.Input((None, 64))).shape
        (None, None, 64)
    """

    def __init__(
        self,
        heads,
        feed_forward,
        norm="post",
        activation="relu",
        dropout=0.0,
        drop_path=0.0,
        attention_skip="add",
        feed_forward_skip="add",
        causal=False,
        use_bias=True,
        rotary=False,
        epsilon=1e-5,
        deepnorm=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._keep(
            heads=heads,
            feed_forward=feed_forward,
            norm=norm,
            activation=activation,
            dropout=dropout,
            drop_path=drop_path,
            attention_skip=attention_skip,
            feed_forward_skip=feed_forward_skip,
            causal=causal,
            use_bias=use_bias,
            rotary=rotary,
            epsilon=epsilon,
            deepnorm=deepnorm,
        )

    def build(self, input_shape):
        width = input_shape[-1]
        self.attention = self._make(self._self_attention(width), "attention", input_shape)
        self.feedforward = self._make(self._feed_forward(width), "feedforward", input_shape)
        self.built = True

    def call(self, x, cache=None, position=None):
        y, cache = self._attend(x, cache, position)
        y = self.feedforward(y)
        return y if cache is None else (y, cache)

    def compute_output_spec(self, x, cache=None, position=None):
        y = keras.KerasTensor(x.shape, dtype=self.compute_dtype)
        return y if cache is None else (y, keras.KerasTensor(cache.shape, dtype=cache.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="reskeras")
class DecoderBlock(_TransformerBlock):
    """Causal attention to itself, attention to a memory, then a feed-forward part (1706.03762, section 3.1).

    Called as `block(x, memory)`, where the memory is what an encoder gives, of the same width. Masks of x go through
    it; padding of x and of the memory is not attended to.

    Args: as those of `EncoderBlock`, without `causal`, and with
        cross_attention_skip: how the attention to the memory rejoins the stream.

    Token by token: `y, cache = block(x, memory, cache=cache, position=position)`, as `SelfAttention` has it;
    `new_cache` makes the first cache.

    Input shape: (batch, time, width), and (batch, memory time, width). Output shape: that of the first.

    Raises:
        ValueError: for a norm or skip that is not among these, where the heads do not divide the width, and for a
            memory of another width.

    Example:
        >>> block = DecoderBlock(heads=4, feed_forward=256)
        >>> block(keras.Input((None, 64)), keras.Input((None, 64))).shape
        (None, None, 64)
    """

    causal = True

    def __init__(
        self,
        heads,
        feed_forward,
        norm="post",
        activation="relu",
        dropout=0.0,
        drop_path=0.0,
        attention_skip="add",
        cross_attention_skip="add",
        feed_forward_skip="add",
        use_bias=True,
        rotary=False,
        epsilon=1e-5,
        deepnorm=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._keep(
            heads=heads,
            feed_forward=feed_forward,
            norm=norm,
            activation=activation,
            dropout=dropout,
            drop_path=drop_path,
            attention_skip=attention_skip,
            cross_attention_skip=cross_attention_skip,
            feed_forward_skip=feed_forward_skip,
            use_bias=use_bias,
            rotary=rotary,
            epsilon=epsilon,
            deepnorm=deepnorm,
        )

    def build(self, x_shape, memory_shape):
        width = x_shape[-1]
        cross = cross_attention_part(
            self._joint(self.cross_attention_skip),
            width,
            self.heads,
            memory=memory_shape[1] or UNKNOWN_SIZE,
            dropout=self.dropout,
            bias=self.use_bias,
            deepnorm=self.deepnorm,
        )
        self.attention = self._make(self._self_attention(width), "attention", x_shape)
        self.crossattention = self._make(cross, "crossattention", x_shape, memory_shape)
        self.feedforward = self._make(self._feed_forward(width), "feedforward", x_shape)
        self.built = True

    def call(self, x, memory, cache=None, position=None):
        y, cache = self._attend(x, cache, position)
        y = self.feedforward(self.crossattention(y, memory))
        return y if cache is None else (y, cache)

    def compute_output_spec(self, x, memory, cache=None, position=None):
        y = keras.KerasTensor(x.shape, dtype=self.compute_dtype)
        return y if cache is None else (y, keras.KerasTensor(cache.shape, dtype=cache.dtype))

    def compute_output_shape(self, x_shape, memory_shape):
        return x_shape


def _attention_of(part) -> SelfAttention:
    return next(layer for layer in part.branch if isinstance(layer, SelfAttention))
