"""Examples of the blocks of Transformers."""

from examples import Example
from reskeras.layers import DecoderBlock, EncoderBlock, SelfAttention

_SHAPE = (2, 5, 4)


def _block(layer, name, shape, weights, seeds=0, portable=True, **arguments):
    arguments = {"heads": 2, "feed_forward": 6, **arguments}
    return Example(
        f"{layer.__name__}-{name}",
        layer,
        lambda: dict(arguments),
        shape,
        _SHAPE,
        weights,
        seeds=seeds,
        unknown=(1,),
        fused_attention=True,
        portable=portable,
    )


_PAIR = {"memory_shape": (2, 3, 4), "x_shape": _SHAPE}

EXAMPLES = [
    _block(EncoderBlock, "post", _SHAPE, 16),
    _block(EncoderBlock, "pre-tanh", _SHAPE, 16, norm="pre", activation="gelu_tanh", causal=True),
    _block(EncoderBlock, "deep", _SHAPE, 16, norm="deep", deepnorm=(1.5, 0.6)),
    _block(EncoderBlock, "none-scaled", _SHAPE, 14, norm="none", attention_skip="scaled", feed_forward_skip="scaled"),
    _block(EncoderBlock, "one-skip", _SHAPE, 12, attention_skip="none", use_bias=False),
    _block(EncoderBlock, "drop", _SHAPE, 16, seeds=5, dropout=0.1, drop_path=0.2, activation="gelu"),
    _block(EncoderBlock, "rotary", _SHAPE, 16, norm="pre", activation="gelu", rotary=True, portable=False),
    _block(DecoderBlock, "post", _PAIR, 26),
    _block(DecoderBlock, "pre", _PAIR, 26, norm="pre"),
    Example(
        "SelfAttention-rotary",
        SelfAttention,
        lambda: {"heads": 2, "rotary": True},
        _SHAPE,
        _SHAPE,
        8,
        unknown=(1,),
        fused_attention=True,
        portable=False,
    ),
]
