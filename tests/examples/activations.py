"""Activations."""

from examples import Example
from reskeras.layers import TanhGELU

EXAMPLES = [Example("TanhGELU", TanhGELU, dict, (2, 5, 4), (2, 5, 4), 0, unknown=(1, 2))]
