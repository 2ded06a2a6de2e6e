"""Highway layers."""

from examples import Example
from reskeras.layers import Gate

EXAMPLES = [
    Example("Gate", Gate, lambda: {"bias": -1.0}, [(2, 4), (2, 4)], (2, 4), 2),
]
