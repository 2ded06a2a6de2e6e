"""Learned and fixed vectors for token numbers, segments and positions."""

import keras
import numpy as np

from reskeras.layers.composite import Composite, check_counts, mask_of, start_as

POSITION_KINDS = ("learned", "sinusoidal")


@keras.saving.register_keras_serializable(package="reskeras")
class TokenEmbedding(Composite):
    """A trained vector for each token number, and back: a logit for each token number from a vector.

    Called with `reverse=True` on vectors, it gives their products with its own table (tied embeddings, Press and Wolf
    2016, 1608.05859; Vaswani et al. 2017, 1706.03762, section 3.4).

    Args:
        vocabulary: how many token numbers there are, from 0.
        width: size of each vector.
        mask_zero: whether the number 0 is padding that the layers after this one leave out.
        scaled: whether vectors are multiplied by the root of the width (Vaswani et al. 2017, section 3.4).
        embeddings_initializer: how the table starts.

    Input shape: (batch, time), whole numbers; with `reverse=True` (batch, ..., width).
    Output shape: (batch, time, width); with `reverse=True` (batch, ..., vocabulary).

    Example:
        >>> embedding = TokenEmbedding(vocabulary=1000, width=64, mask_zero=True)
        >>> vectors = embedding(keras.Input((None,), dtype="int32"))
        >>> embedding(vectors, reverse=True).shape
        (None, None, 1000)
    """

    def __init__(self, vocabulary, width, mask_zero=False, scaled=False, embeddings_initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.vocabulary = vocabulary
        self.width = width
        self.mask_zero = mask_zero
        self.scaled = scaled
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        # Token numbers must not be rounded to the precision of a mixed policy.
        self.autocast = False
        self.table = self.part(
            keras.layers.ReversibleEmbedding,
            "table",
            input_dim=vocabulary,
            output_dim=width,
            mask_zero=mask_zero,
            embeddings_initializer=self.embeddings_initializer,
        )
        self.scale = self.part(keras.layers.Rescaling, "scale", scale=float(np.sqrt(width))) if scaled else None

    def build(self, input_shape):
        self.table.build(input_shape)
        self.built = True

    def call(self, inputs, reverse=False):
        if reverse:
            return self.table(inputs, reverse=True)
        vectors = self.table(inputs)
        return self.scale(vectors) if self.scaled else vectors

    def compute_mask(self, inputs, mask=None):
        if not self.mask_zero or "int" not in keras.backend.standardize_dtype(inputs.dtype):
            return None
        return keras.ops.not_equal(inputs, 0)

    def compute_output_spec(self, inputs, reverse=False):
        return self.table.compute_output_spec(inputs, reverse=reverse)


@keras.saving.register_keras_serializable(package="reskeras")
class PositionEmbedding(Composite):
    """y = x + p: a vector for each position in the sequence is added.

    `"learned"` vectors are trained; `"sinusoidal"` ones are fixed, p(t, 2i) = sin(t / 10000^(2i / width)) and
    p(t, 2i + 1) the cosine of the same (Vaswani et al. 2017, 1706.03762, section 3.5).

    Args:
        most: how many positions there are: the longest sequence.
        kind: `"learned"` or `"sinusoidal"`.
        embeddings_initializer: how learned vectors start.

    Input shape: (batch, time, width), time at most `most`. Output shape: the same.

    Raises:
        ValueError: for an unknown kind, or a sequence longer than `most`.

    Example:
        >>> PositionEmbedding(512)(keras.Input((None, 64))).shape
        (None, None, 64)
    """

    axes = keras.layers.InputSpec(ndim=3)

    def __init__(self, most, kind="learned", embeddings_initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        if kind not in POSITION_KINDS:
            raise ValueError(f"kind must be one of {', '.join(POSITION_KINDS)}. Received: kind={kind!r}")
        check_counts(most=most)
        self.most = most
        self.kind = kind
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape):
        _, time, width = input_shape
        if time is not None and time > self.most:
            raise ValueError(
                f"{self.name} has {self.most} positions. Received: a sequence of {time} tokens; give most={time} or "
                "shorter sequences."
            )
        learned = self.kind == "learned"
        self.table = self.part(
            keras.layers.Embedding,
            "table",
            input_dim=self.most,
            output_dim=width,
            mask_zero=True,
            embeddings_initializer=self.embeddings_initializer if learned else "zeros",
            trainable=learned,
        )
        self.table.build()
        if not learned:
            start_as(self.table.embeddings, lambda shape, dtype: keras.ops.cast(sinusoids(*shape), dtype))
        self.sum = self.part(keras.layers.Add, "sum")
        self.sum.build([input_shape, input_shape])
        self.built = True

    def call(self, x):
        ones = keras.ops.ones_like(x[:, :, 0], dtype="int32")
        return add_rows(self.sum, x, self.table, keras.ops.cumsum(ones, axis=1) - 1)

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable(package="reskeras")
class SegmentEmbedding(Composite):
    """y = x + s on the list [x, segments]: a trained vector for each token's segment is added (BERT, 1810.04805).

    Args:
        types: how many segments there are, numbered from 0.
        embeddings_initializer: how the vectors start.

    Input shape: (batch, time, width), and (batch, time) of whole numbers. Output shape: that of the first.

    Example:
        >>> SegmentEmbedding(2)([keras.Input((7, 64)), keras.Input((7,), dtype="int32")]).shape
        (None, 7, 64)
    """

    def __init__(self, types, embeddings_initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.types = types
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape):
        shape = input_shape[0]
        self.table = self.part(
            keras.layers.Embedding,
            "table",
            input_dim=self.types,
            output_dim=shape[-1],
            mask_zero=True,
            embeddings_initializer=self.embeddings_initializer,
        )
        self.table.build()
        self.sum = self.part(keras.layers.Add, "sum")
        self.sum.build([shape, shape])
        self.built = True

    def call(self, inputs):
        x, segments = inputs
        return add_rows(self.sum, x, self.table, keras.ops.cast(segments, "int32"))

    def compute_mask(self, inputs, mask=None):
        return None if mask is None else mask[0]

    def compute_output_shape(self, input_shape):
        return input_shape[0]


def add_rows(add: keras.layers.Add, x, table: keras.layers.Embedding, numbers):
    """Return x plus the rows of `table` that `numbers` say, with the mask of x.

    Keras's Add keeps a mask only where both terms have it, so the rows must get that of x. A table with `mask_zero`
    masks what has the number 0: padding gets it, and every other row is counted from the table's end, as -1 is its
    last row, so that none of them is 0.

    Args:
        add: adds the two.
        x: (batch, time, width).
        table: an embedding with `mask_zero=True`.
        numbers: (batch, time), int32.
    """
    mask = mask_of(x)
    if mask is not None:
        numbers = (numbers - table.input_dim) * keras.ops.cast(mask, "int32")
    return add([x, table(numbers)])


def sinusoids(most: int, width: int) -> np.ndarray:
    """Return the (most, width) table of sinusoidal positions (Vaswani et al. 2017, 1706.03762, section 3.5)."""
    pairs = np.arange(width) // 2
    angles = np.arange(most)[:, None] / 10_000 ** (2 * pairs / width)
    return np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles))
