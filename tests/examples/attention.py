"""Examples of attention and of the layers of token sequences."""

from examples import Example
from reskeras.layers import (
    Bias,
    ClassToken,
    CrossAttention,
    FirstToken,
    PositionEmbedding,
    SegmentEmbedding,
    SelfAttention,
    Sequence,
    SpelledEmbedding,
    TokenEmbedding,
    Tokens,
)

_SEQUENCE = (2, 5, 4)


def _self_attention(name, weights=8, seeds=0, **arguments):
    arguments = {"heads": 2, **arguments}
    return Example(
        f"SelfAttention-{name}", SelfAttention, lambda: dict(arguments), _SEQUENCE, _SEQUENCE, weights, seeds=seeds,
        unknown=(1,), fused_attention=True,
    )  # fmt: skip


EXAMPLES = [
    _self_attention("plain"),
    _self_attention("causal", causal=True),
    _self_attention("no-bias", weights=4, use_bias=False),
    _self_attention("dropout", seeds=1, dropout=0.1),
    _self_attention("key-width", key_width=3),
    _self_attention("starts", value_initializer="zeros", output_initializer="orthogonal"),
    Example("PositionEmbedding", PositionEmbedding, lambda: {"most": 10}, _SEQUENCE, _SEQUENCE, 1, unknown=(1,)),
    Example(
        "PositionEmbedding-sinusoidal", PositionEmbedding, lambda: {"most": 10, "kind": "sinusoidal"}, _SEQUENCE,
        _SEQUENCE, 0, fixed=1, unknown=(1,),
    ),
    Example(
        "TokenEmbedding", TokenEmbedding, lambda: {"vocabulary": 7, "width": 4}, (2, 5), _SEQUENCE, 1, unknown=(1,),
        integer=True,
    ),
    Example(
        "TokenEmbedding-scaled", TokenEmbedding, lambda: {"vocabulary": 7, "width": 4, "scaled": True}, (2, 5),
        _SEQUENCE, 1, unknown=(1,), integer=True,
    ),
    Example(
        "SegmentEmbedding", SegmentEmbedding, lambda: {"types": 4}, [_SEQUENCE, (2, 5)], _SEQUENCE, 1, unknown=(1,),
        integer=(False, True),
    ),
    Example(
        "SpelledEmbedding", SpelledEmbedding,
        lambda: {"vocabulary": 7, "alphabet": 6, "width": 4, "filters": 2, "character_width": 3}, _SEQUENCE, _SEQUENCE,
        4, unknown=(1,), integer=True,
    ),
    Example("ClassToken", ClassToken, dict, _SEQUENCE, (2, 6, 4), 1, unknown=(1,), keeps_mask=False),
    Example("FirstToken", FirstToken, dict, _SEQUENCE, (2, 4), 0, unknown=(1,), keeps_mask=False),
    Example("Sequence", Sequence, dict, (2, 3, 4, 5), (2, 12, 5), 0, unknown=(1, 2), keeps_mask=False),
    Example("Bias", Bias, dict, _SEQUENCE, _SEQUENCE, 1, unknown=(1,)),
    Example(
        "CrossAttention", CrossAttention, lambda: {"heads": 2}, {"memory_shape": (2, 3, 4), "x_shape": _SEQUENCE},
        _SEQUENCE, 8, unknown=(1,), fused_attention=True,
    ),
    Example(
        "CrossAttention-key-width", CrossAttention, lambda: {"heads": 2, "key_width": 3},
        {"memory_shape": (2, 3, 4), "x_shape": _SEQUENCE}, _SEQUENCE, 8, unknown=(1,), fused_attention=True,
    ),
    Example("Tokens-image", Tokens, lambda: {"width": 4, "patch": 2}, (2, 4, 6, 3), (2, 6, 4), 2),
    Example("Tokens-sequence", Tokens, lambda: {"width": 4}, (2, 7, 3), (2, 7, 4), 2, keeps_mask=False),
    Example("Tokens-vector", Tokens, lambda: {"width": 4}, (2, 9), (2, 9, 4), 2),
]  # fmt: skip
