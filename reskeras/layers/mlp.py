"""Multilayer perceptrons with a skip: the residual block of two dense layers, and the skip-layer network."""

import keras

from reskeras.blocks.mlp import ResidualMLP, skip_layer_mlp
from reskeras.layers.block import BlockLayer
from reskeras.layers.composite import check_counts

ORDERS = ("post", "pre")
NORMALIZATIONS = ("batch", "layer", "none")
SKIPS = ("add", "none", "gate", "scaled")


@keras.saving.register_keras_serializable(package="reskeras")
class ResidualMLPBlock(BlockLayer):
    """y = relu(x + W2 relu(W1 x)), or with the activation before the layers y = x + W2 relu(W1 relu(x)).

    Source: He et al. 2015, 1512.03385, equations 1 and 2; He et al. 2016, 1603.05027, for the second form.
    Normalisation stands after each dense layer, or in the second form before each activation.

    Args:
        units: size of the output; None for that of the input. Where they differ, x is mapped by a dense layer.
        hidden_units: size between the two layers; None for that of the output.
        order: `"post"` for the activation after the sum, `"pre"` for before each layer.
        normalization: `"batch"`, `"layer"` or `"none"`; without it, dense layers have biases.
        activation: an activation as Keras takes it.
        skip: `"add"` x + f, `"none"` f, `"gate"` t f + (1 - t) x, or `"scaled"` x + a f with one trained a from 0.
        silent_start: whether f starts at zero, so that the block starts as the identity (`"post"`: where x >= 0).
        kernel_initializer: how the dense layers' kernels start.

    Input shape: (batch, ..., features). Output shape: (batch, ..., units).

    Raises:
        ValueError: for a word that an argument does not know, or a silent start behind a factor that starts at zero.

    Example:
        >>> ResidualMLPBlock(64, normalization="layer")(keras.Input((16,))).shape
        (None, 64)
    """

    axes = keras.layers.InputSpec(min_ndim=2)

    def __init__(
        self,
        units=None,
        hidden_units=None,
        order="post",
        normalization="batch",
        activation="relu",
        skip="add",
        silent_start=False,
        kernel_initializer="he_normal",
        **kwargs,
    ):
        # Dense layers find the features on the last axis whatever Keras's global setting is.
        super().__init__(data_format="channels_last", **kwargs)
        _check("order", order, ORDERS)
        _check("normalization", normalization, NORMALIZATIONS)
        _check("skip", skip, SKIPS)
        given = {"units": units, "hidden_units": hidden_units}
        check_counts(**{name: count for name, count in given.items() if count is not None})
        if silent_start and skip in ("none", "scaled"):
            raise ValueError(
                "silent_start needs a skip that carries x and lets the gradient reach f, skip='add' or skip='gate'. "
                f"Received: skip={skip!r}"
            )
        self.units = units
        self.hidden_units = hidden_units
        self.order = order
        self.normalization = normalization
        self.activation = keras.activations.get(activation)
        self.skip = skip
        self.silent_start = silent_start
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def write(self, shape):
        style = ResidualMLP(
            self.order, self.normalization, self.activation, self.silent_start, self.skip, self.kernel_initializer
        )
        units = self.units or shape[-1]
        return style.block(shape[-1], units, self.hidden_units or units)


@keras.saving.register_keras_serializable(package="reskeras")
class SkipLayerMLP(BlockLayer):
    """y = W x + MLP(x): hidden layers, and beside them direct linear connections from input to output.

    Source: Ripley 1996, Pattern Recognition and Neural Networks, section 5.1; Venables and Ripley 2002, Modern Applied
    Statistics with S, section 8.10 (`nnet` with `skip = TRUE`). A network without hidden units is a linear model, and
    this one learns what a linear model leaves over.

    Args:
        hidden_units: units of the hidden layer, or a list of them for several layers.
        units: outputs, which have no activation.
        activation: activation of the hidden layers, as Keras takes it; Ripley's are logistic.

    Input shape: (batch, ..., features). Output shape: (batch, ..., units).

    Example:
        >>> SkipLayerMLP(8, 3)(keras.Input((5,))).shape
        (None, 3)
    """

    axes = keras.layers.InputSpec(min_ndim=2)

    def __init__(self, hidden_units, units, activation="sigmoid", **kwargs):
        super().__init__(data_format="channels_last", **kwargs)
        self.hidden_units = hidden_units
        self.units = units
        self.activation = keras.activations.get(activation)

    def write(self, shape):
        hidden = (self.hidden_units,) if isinstance(self.hidden_units, int) else tuple(self.hidden_units)
        return skip_layer_mlp(hidden, self.units, self.activation)


def _check(argument: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{argument} must be one of {', '.join(allowed)}. Received: {argument}={value!r}")
