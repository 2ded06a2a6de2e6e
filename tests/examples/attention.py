"""Attention, and samples as sequences of tokens."""

from examples import Example
from reskeras.layers import SelfAttention, Tokens

EXAMPLES = [
    Example(
        "SelfAttention",
        SelfAttention,
        lambda: {"heads": 2},
        (2, 5, 4),
        (2, 5, 4),
        8,
        unknown=(1,),
        fused_attention=True,
    ),
    Example("Tokens-image", Tokens, lambda: {"width": 4, "patch": 2}, (2, 4, 6, 3), (2, 6, 4), 2),
    Example("Tokens-sequence", Tokens, lambda: {"width": 4}, (2, 7, 3), (2, 7, 4), 2, keeps_mask=False),
    Example("Tokens-vector", Tokens, lambda: {"width": 4}, (2, 9), (2, 9, 4), 2),
]
