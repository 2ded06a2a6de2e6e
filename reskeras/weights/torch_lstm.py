"""Weights of PyTorch's LSTM in a `StackedLSTM` of this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np

from reskeras.layers.residual import Residual
from reskeras.layers.stacked_lstm import StackedLSTM


def fill_lstm_from_torch(layer: StackedLSTM, state: Mapping[str, np.ndarray]) -> None:
    """Give a layer the weights of a `torch.nn.LSTM` with as many layers, units and directions.

    With `skip="none"` and `return_sequences=True` the layer then computes what the module's `output` is. Both order the
    four maps alike; PyTorch has two biases, which are added.

    Args:
        layer: a built `StackedLSTM` of the cell `"2000"`.
        state: the module's state as arrays: `{name: each.numpy() for name, each in module.state_dict().items()}`.

    Raises:
        ValueError: where the state has not the weights that the layer has.

    Example:
        >>> layer = StackedLSTM(32, depth=2, skip="none", return_sequences=True)
        >>> layer.build((None, None, 16))
        >>> fill_lstm_from_torch(layer, {name: each.numpy() for name, each in module.state_dict().items()})
    """
    rest = {name: np.asarray(value) for name, value in state.items()}
    cells = list(_cells(layer))
    directions = 2 if layer.bidirectional else 1
    if len(cells) != layer.depth * directions:
        raise ValueError(f"A torch.nn.LSTM has forget gates. Received: {layer.name} with cell={layer.cell!r}")
    for number, cell in enumerate(cells):
        suffix = f"l{number // directions}" + ("_reverse" if number % directions else "")
        try:
            maps, recurrent, bias, recurrent_bias = (
                rest.pop(f"{kind}_{suffix}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
        except KeyError as missing:
            raise ValueError(
                f"The state lacks {missing}, which {layer.name} with depth={layer.depth} and "
                f"bidirectional={layer.bidirectional} has. Received: {', '.join(state)}"
            ) from None
        if maps.T.shape != cell.cell.kernel.shape:
            raise ValueError(
                f"weight_ih_{suffix} is {maps.shape}, where {layer.name} takes {tuple(cell.cell.kernel.shape[::-1])}: "
                "features and units must be the module's."
            )
        cell.set_weights([maps.T, recurrent.T, bias + recurrent_bias])
    if rest:
        raise ValueError(f"{layer.name} has no place for these weights of the state: {', '.join(rest)}.")


def _cells(layer: StackedLSTM) -> Iterator[keras.layers.LSTM]:
    """Yield Keras's LSTMs from the first layer on, of each bidirectional one that which reads forwards first."""
    parts = [part for each in layer.stack for part in (each.branch if isinstance(each, Residual) else [each])]
    for part in parts:
        if isinstance(part, keras.layers.Bidirectional):
            yield from (part.forward_layer, part.backward_layer)
        elif isinstance(part, keras.layers.LSTM):
            yield part
