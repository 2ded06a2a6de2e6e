"""Residual with every skip, and what can stand round it; the scaled skips."""

from keras import layers

from examples import Example
from reskeras.layers import DropPath, Residual, Scale, ScaledAdd


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
    _residual("recomputed", lambda: {"branch": _dense(), "recompute": True}, 2),
    _residual("normalized", lambda: {"branch": [layers.BatchNormalization(), _dense()]}, 4, fixed=2),
    _residual("dropout", lambda: {"branch": [_dense(), layers.Dropout(0.5)]}, 2, seeds=1),
    _residual("layerscale", lambda: {"branch": [_dense()], "skip": "layerscale"}, 3),
    _residual("projection", lambda: {"branch": [_dense(6)], "skip_path": "projection"}, 3, units=6),
    _residual("projection-same", lambda: {"branch": [_dense()], "skip_path": "projection"}, 2),
    _residual("sequence", lambda: {"branch": [_dense()]}, 2, shape=(2, 5, 4), unknown=(1,)),
]


def _smaller(name, path, weights, stride=2):
    return Example(
        f"Residual-{name}",
        Residual,
        lambda: {"branch": layers.Conv2D(6, 3, strides=stride, padding="same"), "skip_path": path},
        (2, 4, 5, 3),
        (2, 2, 5 if stride == (2, 1) else 3, 6),
        weights,
        unknown=(1, 2),
    )


EXAMPLES += [
    _smaller("projection-image", "projection", 3),
    _smaller("projection-rows", "projection", 3, (2, 1)),
    _smaller("pad-image", "pad", 2),
    Example(
        "Residual-pad-sequence",
        Residual,
        lambda: {"branch": layers.Conv1D(6, 3, strides=2, padding="same"), "skip_path": "pad", "skip": "scaled"},
        (2, 4, 3),
        (2, 2, 6),
        3,
        unknown=(1,),
        keeps_mask=False,
    ),
]


def _scales(layer, name, arguments, weights, shape=(2, 3, 4), **facts):
    shapes = [shape, shape] if layer is ScaledAdd else shape
    unknown = tuple(range(1, len(shape) - 1))
    return Example(f"{layer.__name__}-{name}", layer, arguments, shapes, shape, weights, unknown=unknown, **facts)


IMAGE = (2, 3, 2, 4)
EXAMPLES += [
    _scales(Scale, "layer", lambda: {"initial": 0.5}, 1),
    _scales(Scale, "layer-vector", dict, 1, (2, 4)),
    _scales(Scale, "layer-image", dict, 1, IMAGE, channels_first=True),
    _scales(Scale, "channel", lambda: {"per": "channel"}, 1),
    _scales(Scale, "channel-image", lambda: {"per": "channel"}, 1, IMAGE, channels_first=True),
    _scales(Scale, "constant", lambda: {"initial": 0.5, "trained": False}, 0),
    _scales(ScaledAdd, "rezero", dict, 1),
    _scales(ScaledAdd, "layerscale", lambda: {"initial": 1e-5, "per": "channel"}, 1),
    _scales(ScaledAdd, "layerscale-image", lambda: {"per": "channel"}, 1, IMAGE, channels_first=True),
    _scales(ScaledAdd, "deepnorm", lambda: {"initial": 1.0, "trained": False, "carry": 1.5}, 0),
    _scales(ScaledAdd, "constant", lambda: {"initial": 0.5, "trained": False, "carry": 0.5}, 0),
    Example("DropPath-sample", DropPath, lambda: {"rate": 0.5}, (2, 3, 4), (2, 3, 4), 0, seeds=1, unknown=(1,)),
    Example("DropPath-none", DropPath, lambda: {"rate": 0}, (2, 4), (2, 4), 0),
    Example(
        "DropPath-batch",
        DropPath,
        lambda: {"rate": 0.5, "per": "batch", "scale": "test", "seed": 7},
        (2, 3, 2, 4),
        (2, 3, 2, 4),
        0,
        seeds=1,
        unknown=(1, 2),
    ),
]
