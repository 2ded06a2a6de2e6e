"""Layers of long short-term memory with a skip round each, as data."""

from __future__ import annotations

from reskeras.plan import Block, Skip
from reskeras.steps import LSTM, Dropout, Step


def lstm_blocks(layer: LSTM, depth: int, features: int, skip: str = "add", dropout: float = 0.0) -> tuple[Block, ...]:
    """Return `depth` equal LSTM layers that give their output at every time step, each as a block.

    y = x + LSTM(x) with the skip `"add"` (Wu et al. 2016, 1609.08144, equation 6); [x, LSTM(x)] with `"concat"` (Ding
    et al. 2018, 1802.00889); t LSTM(x) + (1 - t) x with `"gate"` (Srivastava et al. 2015, 1505.00387, equation 3).
    Where the skip needs equal sizes and the first layer changes the size, that layer is plain, as it is in a highway
    network.

    Args:
        layer: the layer.
        depth: how many there are.
        features: features of each time step of the input.
        skip: `"add"`, `"concat"`, `"gate"` or `"none"`.
        dropout: dropout of what each layer reads; the skip carries x as it is (Zaremba et al. 2014, 1409.2329).
    """
    branch = lstm_chain(layer, dropout)
    block = Block(branch, Skip(skip))
    plain = skip != "concat" and features != layer.width()
    first = Block(branch, Skip("none")) if plain else block
    return (first, *(block,) * (depth - 1)) if depth else ()


def lstm_chain(layer: LSTM, dropout: float = 0.0) -> tuple[Step, ...]:
    """Return an LSTM layer behind dropout of what it reads."""
    return (Dropout(dropout), layer) if dropout else (layer,)
