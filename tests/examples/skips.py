"""Residual with every skip, and what can stand round it; the scaled skips."""

from keras import layers

from examples import Example
from reskeras.layers import Residual, Scale, ScaledAdd


def _dense(units=4):
    return layers.Dense(units, activation="tanh")


def _residual(name, arguments, weights, units=4, shape=(2, 4), **facts):
    return Example(f"Residual-{name}", Residual, arguments, shape, (*shape[:-1], units), weights, **facts)


EXAMPLES = [
    _residual("add", lambda: {"branch": [_dense()]}, 2),
    _residual("none", lambda: {"branch": [_dense()], "skip": "none"}, 2),
    _residual("concat", lambda: {"branch": [_dense()], "skip": "concat"}, 2, units=8),
    _residual("gate", lambda: {"branch": [_dense()], "skip": "gate"}, 4),
    _residual("scaled", lambda: {"branch": [_dense()], "skip": "scaled"}, 3),
    _residual("layer", lambda: {"branch": [_dense()], "skip": layers.Average()}, 2),
    _residual(
        "path-after",
        lambda: {"branch": [_dense(6)], "skip_path": layers.Dense(6), "after": layers.ReLU()},
        4,
        units=6,
    ),
    _residual("before", lambda: {"branch": [_dense()], "before": [layers.LayerNormalization()]}, 4),
    _residual("nested", lambda: {"branch": [Residual(_dense()), _dense()]}, 4),
    _residual("normalized", lambda: {"branch": [layers.BatchNormalization(), _dense()]}, 4, fixed=2),
    _residual("dropout", lambda: {"branch": [_dense(), layers.Dropout(0.5)]}, 2, seeds=1),
    _residual("sequence", lambda: {"branch": [_dense()]}, 2, shape=(2, 5, 4), unknown=(1,)),
    Example("Scale", Scale, lambda: {"initial": 0.5}, (2, 3, 4), (2, 3, 4), 1, unknown=(1,), keeps_mask=False),
    Example("ScaledAdd", ScaledAdd, dict, [(2, 3, 4), (2, 3, 4)], (2, 3, 4), 1, unknown=(1,)),
]
