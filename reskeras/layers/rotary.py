"""Rotary positions: queries and keys turned by an angle that grows with their position."""

import keras


def turned(x, times):
    """Return queries or keys turned by their positions (Su et al. 2021, 2104.09864, equation 34).

    Features 2i and 2i + 1 of each head are turned by the angle t / 10000^(2i / size).

    Args:
        x: (batch, time, heads, size), the size even.
        times: (time,), the position t of each.
    """
    ops = keras.ops
    size = x.shape[-1]
    rates = 10_000 ** (-ops.arange(0, size, 2, dtype="float32") / size)
    # In float32: bfloat16 cannot tell position 257 from 256.
    angles = (ops.cast(times, "float32")[:, None] * rates)[None, :, None, :]
    cos, sin = ops.cast(ops.cos(angles), x.dtype), ops.cast(ops.sin(angles), x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = ops.stack([even * cos - odd * sin, odd * cos + even * sin], axis=-1)
    return ops.reshape(pairs, ops.shape(x))


@keras.saving.register_keras_serializable(package="reskeras")
class RotaryAttention(keras.layers.MultiHeadAttention):
    """Keras's multi-head attention of a sequence to itself, with rotary positions (2104.09864)."""

    def build(self, query_shape, value_shape, key_shape=None):
        if self.key_dim % 2:
            raise ValueError(
                f"Rotary positions turn pairs of features. Received: heads of an odd size of {self.key_dim}; "
                f"{2 * self.num_heads} must divide the width."
            )
        super().build(query_shape, value_shape, key_shape)

    def _compute_attention(self, query, key, value, *arguments, **options):
        times = keras.ops.arange(keras.ops.shape(query)[1], dtype="int32")
        return super()._compute_attention(turned(query, times), turned(key, times), value, *arguments, **options)
