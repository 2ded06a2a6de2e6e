"""The factors that let networks grow deep, as numbers of the papers that found them."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple


class DeepNorm(NamedTuple):
    """Factors of DeepNorm: the stream is multiplied by `alpha` before the branch is added, x <- norm(alpha x + f).

    `beta` is the gain of the Xavier start of the feed-forward, value and output maps.
    """

    alpha: float
    beta: float


def deepnorm(layers: int) -> DeepNorm:
    """Return the factors of a Transformer with an encoder or a decoder alone (Wang et al. 2022, 2203.00555, figure 2).

    Args:
        layers: how many layers it has, each of attention and feed-forward.
    """
    return DeepNorm((2 * layers) ** 0.25, (8 * layers) ** -0.25)


def deepnorm_pair(encoder: int, decoder: int) -> tuple[DeepNorm, DeepNorm]:
    """Return the factors of encoder and decoder of a Transformer with both (Wang et al. 2022, 2203.00555, figure 2).

    Args:
        encoder: N, layers of the encoder.
        decoder: M, layers of the decoder.
    """
    together = (encoder**4 * decoder) ** (1 / 16)
    return DeepNorm(0.81 * together, 0.87 / together), DeepNorm((3 * decoder) ** 0.25, (12 * decoder) ** -0.25)


def layerscale(depth: int) -> float:
    """Return the start of LayerScale's factors in a Transformer of `depth` layers (Touvron et al. 2021, 2103.17239)."""
    if depth <= 18:
        return 0.1
    return 1e-5 if depth <= 24 else 1e-6


def skipinit(blocks: int) -> float:
    """Return the largest start of SkipInit's factor that trains `blocks` blocks (De and Smith 2020, 2002.10444)."""
    return 1 / sqrt(blocks)


def fixup(blocks: int, layers: int = 2) -> float:
    """Return what Fixup multiplies the start of a branch's weights by (Zhang et al. 2019, 1901.09321, section 3.2).

    The last layer of each branch starts at 0 instead.

    Args:
        blocks: L, how many branches the network has.
        layers: m, how many layers each branch has, 2 or more.

    Raises:
        ValueError: for branches of fewer than two layers.
    """
    if layers < 2:
        raise ValueError(f"Fixup scales branches of 2 layers or more. Received: layers={layers}")
    return blocks ** (-1 / (2 * layers - 2))
