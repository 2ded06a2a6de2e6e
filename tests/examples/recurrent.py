"""Examples of the layers that run through time; each option stands in one of them, for every cell is compiled apart."""

from examples import Example
from reskeras.layers import LSTM1997, StackedLSTM


def _stack(name, units, output_shape, weights, seeds=0, keeps_mask=True, **arguments):
    return Example(
        f"StackedLSTM {name}",
        StackedLSTM,
        lambda: {"units": units, "depth": 1, "return_sequences": keeps_mask, **arguments},
        (2, 5, 4),
        output_shape,
        weights,
        seeds=seeds,
        unknown=(1,),
        keeps_mask=keeps_mask,
    )


# Keras's LSTM owns a seed generator for each direction, whether or not it drops anything.
EXAMPLES = [
    Example(
        "LSTM1997", LSTM1997, lambda: {"units": 3, "return_sequences": True}, (2, 5, 4), (2, 5, 3), 3, unknown=(1,)
    ),
    _stack("add bidirectional", 2, (2, 5, 4), 6, seeds=3, bidirectional=True, forget_bias=2.0, dropout=0.2),
    _stack("concat", 3, (2, 5, 7), 3, seeds=1, skip="concat"),
    _stack("gate of 1997", 4, (2, 5, 4), 5, skip="gate", cell="1997"),
    _stack("last output of 1997", 2, (2, 4), 6, keeps_mask=False, skip="none", cell="1997", bidirectional=True),
]
