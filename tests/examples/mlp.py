"""Examples of multilayer perceptrons with a skip."""

from examples import Example
from reskeras.layers import ResidualMLPBlock, SkipLayerMLP


def _residual(name, output_shape, weights, fixed=0, input_shape=(3, 4), **arguments):
    return Example(
        f"ResidualMLPBlock {name}".strip(),
        ResidualMLPBlock,
        lambda: arguments,
        input_shape,
        output_shape,
        weights,
        fixed=fixed,
        unknown=tuple(range(1, len(input_shape) - 1)),
    )


EXAMPLES = [
    _residual("", (3, 4), 6, fixed=4),
    _residual("of another size", (3, 5), 9, fixed=6, units=5, hidden_units=6),
    _residual("layer", (2, 5, 4), 6, input_shape=(2, 5, 4), normalization="layer"),
    _residual("pre", (3, 5), 7, fixed=4, order="pre", units=5),
    _residual("without normalisation", (3, 4), 4, normalization="none", activation="gelu", silent_start=True),
    _residual("pre gate", (3, 4), 6, order="pre", normalization="none", skip="gate"),
    _residual("none", (3, 4), 4, normalization="none", skip="none"),
    _residual("scaled", (3, 4), 5, normalization="none", skip="scaled"),
    Example(
        "SkipLayerMLP", SkipLayerMLP, lambda: {"hidden_units": 3, "units": 2}, (2, 5, 4), (2, 5, 2), 5, unknown=(1,)
    ),
    Example(
        "SkipLayerMLP of two layers",
        SkipLayerMLP,
        lambda: {"hidden_units": [3, 5], "units": 2, "activation": "tanh"},
        (3, 4),
        (3, 2),
        7,
    ),
]
