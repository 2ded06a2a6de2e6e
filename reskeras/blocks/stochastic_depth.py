"""How likely each block of a network is to be dropped in training (Huang et al. 2016, 1603.09382)."""

from __future__ import annotations

from collections.abc import Sequence


def linear(count: int, rate: float, from_zero: bool = False) -> tuple[float, ...]:
    """Return rates that grow in a line from the first of `count` blocks to the last, which has `rate`.

    Args:
        count: L, how many blocks there are.
        rate: probability that the last block is dropped, 1 - p_L.
        from_zero: whether the first block is never dropped, as in Transformers for images (2012.12877); else it has
            rate / L, as in the paper: p_l = 1 - l / L (1 - p_L) (equation 4).
    """
    steps = max(count - 1, 1) if from_zero else count
    return tuple(rate * (number - from_zero) / steps for number in range(1, count + 1))


def uniform(count: int, rate: float) -> tuple[float, ...]:
    """Return the same rate for each of `count` blocks."""
    return (rate,) * count


def expected_blocks(rates: Sequence[float]) -> float:
    """Return how many blocks are there in a training step on average (section 3, "Expected network depth")."""
    return sum(1 - rate for rate in rates)
