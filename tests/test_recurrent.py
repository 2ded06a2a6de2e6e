"""Layers that run through time, against the recurrences of the papers written in numpy."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from autodiff import gradients

import reskeras
from reskeras.layers import LSTM1997, StackedLSTM
from reskeras.steps import LSTM, PlanError
from reskeras.weights import fill_lstm_from_torch

LENGTHS = (5, 3, 1)
"""Time steps of each sequence of a batch; the rest of the longest is padding."""


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _read(weights, x):
    """Return the output of an LSTM at each time step of one sequence; three maps are the cell of 1997."""
    kernel, recurrent, bias = weights
    units = recurrent.shape[0]
    output, state, outputs = np.zeros(units), np.zeros(units), []
    for step in x:
        maps = np.split(step @ kernel + output @ recurrent + bias, bias.size // units)
        kept = 1.0 if len(maps) == 3 else _sigmoid(maps[1])
        state = kept * state + _sigmoid(maps[0]) * np.tanh(maps[-2])
        output = _sigmoid(maps[-1]) * np.tanh(state)
        outputs.append(output)
    return np.stack(outputs)


def _read_both_ways(weights, x):
    """Return the same of a second cell that reads from the end behind the first's, where there are six weights."""
    forward = _read(weights[:3], x)
    return forward if len(weights) == 3 else np.concatenate([forward, _read(weights[3:], x[::-1])[::-1]], -1)


def _last(outputs, units):
    """Return what each direction gives after the whole sequence."""
    return np.concatenate([outputs[-1, :units], outputs[0, units:]])


def _randomise(layer, scale=0.5):
    generator = np.random.default_rng(4)
    layer.set_weights([generator.normal(scale=scale, size=each.shape) for each in layer.get_weights()])


def _weights(layer):
    return [keras.ops.convert_to_numpy(each).astype("float64") for each in layer.trainable_variables]


def _padded(features=3, seed=0):
    """Return a batch of sequences of different lengths, padded with a number that is masked but not harmless."""
    x = np.random.default_rng(seed).normal(size=(len(LENGTHS), max(LENGTHS), features)).astype("float32")
    for sample, length in zip(x, LENGTHS, strict=True):
        sample[length:] = 7.0
    return x


def _masked(layer, features=3):
    inputs = keras.Input((None, features))
    return keras.Model(inputs, layer(keras.layers.Masking(7.0)(inputs)))


def _make(cell, bidirectional, **arguments):
    if cell == "1997":
        return LSTM1997(2, bidirectional, **arguments)
    return StackedLSTM(2, depth=1, skip="none", bidirectional=bidirectional, **arguments)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["2000", "1997"])
def test_each_sequence_of_a_batch_is_read_as_if_it_were_alone(cell, bidirectional):
    x = _padded()
    layer, last = (_make(cell, bidirectional, return_sequences=each) for each in (True, False))
    every, model = _masked(layer), _masked(last)
    _randomise(layer)
    last.set_weights(layer.get_weights())
    found, ends = every.predict(x, verbose=0), model.predict(x, verbose=0)
    for sample, length, output, end in zip(x, LENGTHS, found, ends, strict=True):
        wanted = _read_both_ways(_weights(layer), sample[:length])
        np.testing.assert_allclose(output[:length], wanted, rtol=0, atol=1e-6)
        np.testing.assert_allclose(end, _last(wanted, 2), rtol=0, atol=1e-6)


def test_the_gradient_through_time_is_that_of_the_recurrence():
    """Against central differences of the recurrence in numpy, in float64."""
    x, labels = _padded(), np.array([0, 2, 1], "int32")
    layer, head = LSTM1997(2), keras.layers.Dense(3, use_bias=False)
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.Masking(7.0), layer, head])
    _randomise(model, scale=1.0)
    weights = _weights(model)

    def loss():
        ends = [_read(weights[:3], sample[:length])[-1] for sample, length in zip(x, LENGTHS, strict=True)]
        logits = np.stack(ends) @ weights[3]
        return np.mean(np.log(np.exp(logits).sum(-1)) - logits[range(3), labels])

    found = [gradients(model, x, labels)[variable.path] for variable in model.trainable_variables]
    for weight, gradient in zip(weights, found, strict=True):
        wanted = np.zeros_like(weight)
        for index in np.ndindex(weight.shape):
            value, losses = weight[index], []
            for change in (1e-6, -1e-6):
                weight[index] = value + change
                losses.append(loss())
            weight[index] = value
            wanted[index] = (losses[0] - losses[1]) / 2e-6
        np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("skip", "cell"), [("add", "2000"), ("concat", "1997"), ("gate", "2000"), ("none", "1997")])
def test_a_stack_joins_each_layer_as_its_skip_says(skip, cell):
    stack = StackedLSTM(2, 2, skip, bidirectional=True, cell=cell, return_sequences=True)
    x = _padded(features=4)
    model = _masked(stack, features=4)
    _randomise(stack)
    found, weights = model.predict(x, verbose=0), _weights(stack)
    owned = len(weights) // 2
    for sample, length, output in zip(x, LENGTHS, found, strict=True):
        stream = sample[:length].astype("float64")
        for layer in range(2):
            own = weights[layer * owned : (layer + 1) * owned]
            f = _read_both_ways(own[:6], stream)
            if skip == "gate":
                t = _sigmoid(stream @ own[6] + own[7])
                f = t * f + (1 - t) * stream
            joined = np.concatenate([stream, f], -1)
            stream = joined if skip == "concat" else stream + f if skip == "add" else f
        np.testing.assert_allclose(output[:length], stream, rtol=0, atol=2e-6)


def test_a_classifier_answers_a_text_of_nothing_but_padding_without_it():
    """The mean over no token is 0, so that its logits are the biases; a mean that divides by 0 spoils all weights."""
    options = {"depth": 2, "width": 4, "vocabulary": 11}
    model = reskeras.build("lstm_classifier", input_shape=(5,), classes=3, **options)
    _randomise(model)
    head = model.layers[-1]
    tokens = np.array([[3, 7, 1, 0, 0], [0, 0, 0, 0, 0], [9, 2, 0, 0, 0]], "int32")
    features = keras.Model(model.input, model.layers[-3].output)
    steps, kernel, bias = features.predict(tokens, verbose=0), *map(keras.ops.convert_to_numpy, head.weights)
    means = np.stack([steps[0, :3].mean(0), np.zeros(steps.shape[-1]), steps[2, :2].mean(0)])
    for each in (model, reskeras.portable(model)):
        np.testing.assert_allclose(each.predict(tokens, verbose=0), means @ kernel + bias, rtol=0, atol=1e-5)
    found = gradients(model, tokens, np.array([0, 2, 1], "int32"))
    for name, gradient in found.items():
        assert np.isfinite(gradient).all() and gradient.any(), name


def test_the_first_layer_is_plain_where_sizes_differ_and_so_is_a_last_output():
    stack = StackedLSTM(2, 3)
    x = np.random.default_rng(0).normal(size=(1, 5, 3)).astype("float32")
    found = keras.ops.convert_to_numpy(stack(x))
    weights = _weights(stack)
    first = _read(weights[:3], x[0])
    second = first + _read(weights[3:6], first)
    np.testing.assert_allclose(found[0], _read(weights[6:], second)[-1], rtol=0, atol=1e-6)


def test_forget_gates_start_with_their_bias_and_nothing_else_does():
    for bias in (1.0, 2.5, 0.0):
        stack = StackedLSTM(3, 2, bidirectional=True, forget_bias=bias)
        stack.build((None, 5, 4))
        biases = [each for each in stack.get_weights() if each.ndim == 1 and each.size == 12]
        assert len(biases) == 4
        for each in biases:
            np.testing.assert_array_equal(each, [0] * 3 + [bias] * 3 + [0] * 6)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["2000", "1997"])
def test_the_portable_form_is_of_keras_layers_under_the_same_addresses(cell, bidirectional):
    stack = StackedLSTM(2, 2, bidirectional=bidirectional, cell=cell, forget_bias=3.0, return_sequences=True)
    model, x = _masked(stack), _padded()
    _randomise(stack)
    flat = reskeras.portable(model)
    assert "reskeras" not in flat.to_json()
    loaded = keras.models.model_from_json(flat.to_json())
    loaded.set_weights(flat.get_weights())
    for found, wanted in zip(*(each.predict(x, verbose=0) for each in (loaded, model)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    paths = [{each.path.replace("/", "_") for each in part.trainable_variables} for part in (flat, model)]
    assert paths[0] == paths[1]
    assert len(paths[0]) == 6 * (1 + bidirectional)


def test_training_the_portable_form_of_the_cell_of_1997_leaves_its_gate_open():
    inputs = keras.Input((5, 3))
    flat = reskeras.portable(keras.Model(inputs, LSTM1997(2)(inputs)))
    before = flat.get_weights()
    flat.compile(keras.optimizers.Adam(0.1), "mse")
    flat.fit(_padded(), np.ones((3, 2)), epochs=3, verbose=0)
    for old, new in zip(before, flat.get_weights(), strict=True):
        gates, moved = np.split(old, 4, axis=-1), np.split(new, 4, axis=-1)
        np.testing.assert_array_equal(moved[1], gates[1])
        assert all((moved[i] != gates[i]).any() for i in (0, 2, 3))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", ["2000", "1997"])
def test_a_step_counts_the_weights_of_its_layer_and_their_products(cell, bidirectional):
    """4 (3) maps of units (features + units + 1) numbers for each direction; multiply-adds leave out the bias."""
    maps, directions, units, features, time = (4 if cell == "2000" else 3), 1 + bidirectional, 3, 5, 7
    step = LSTM(units, bidirectional, cell)
    products = directions * maps * (features * units + units * units)
    layer = _make(cell, bidirectional)
    assert step.parameters((time, features)) == products + directions * maps * units
    assert step.multiply_adds((time, features)) == time * products
    assert step.output_shape((time, features)) == (time, directions * units)
    layer.build((None, time, features))
    assert layer.count_params() == LSTM(2, bidirectional, cell).parameters((time, features))


def test_counts_are_those_of_torch_but_for_its_second_bias():
    torch = pytest.importorskip("torch")
    for bidirectional in (False, True):
        reference = torch.nn.LSTM(5, 3, num_layers=3, bidirectional=bidirectional)
        stack = StackedLSTM(3, 3, "none", bidirectional)
        stack.build((None, 7, 5))
        second_biases = 3 * (1 + bidirectional) * 4 * 3
        assert stack.count_params() == sum(each.numel() for each in reference.parameters()) - second_biases


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StackedLSTM(4, skip="sum"), r"skip must be one of add, concat, gate, none\. Received: skip='sum'"),
        (lambda: StackedLSTM(4, depth=0), r"1 layer or more\. Received: depth=0"),
        (lambda: StackedLSTM(4, cell="1998"), r"no LSTM cell '1998' \(cells: 2000, 1997\)"),
        (lambda: StackedLSTM(0), r"1 unit or more; received 0"),
        (lambda: StackedLSTM(4, forget_bias=-1.0), r"must be 0 or more.*received -1\.0"),
    ],
)
def test_wrong_arguments_say_what_came_and_what_fits(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_plan_refuses_a_cell_that_there_is_not():
    with pytest.raises(PlanError, match="no LSTM cell '2001'"):
        LSTM(4, cell="2001")


@pytest.mark.parametrize("bidirectional", [False, True])
def test_weights_of_torch_give_what_torch_gives_on_sequences_of_any_length(bidirectional):
    """PyTorch passes over padding where sequences are packed, Keras where they are masked."""
    torch = pytest.importorskip("torch")
    lengths, features = [7, 4, 1], 5
    module = torch.nn.LSTM(features, 3, num_layers=2, bidirectional=bidirectional, batch_first=True).cpu()
    x = np.random.default_rng(2).normal(size=(3, 7, features)).astype("float32")
    for row, length in zip(x, lengths, strict=True):
        row[length:] = 0
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), lengths, batch_first=True)
    with torch.no_grad():
        wanted, _ = torch.nn.utils.rnn.pad_packed_sequence(module(packed)[0], batch_first=True)
    inputs = keras.Input((None, features))
    layer = StackedLSTM(3, 2, "none", bidirectional, return_sequences=True)
    model = keras.Model(inputs, layer(keras.layers.Masking()(inputs)))
    fill_lstm_from_torch(layer, {name: each.numpy() for name, each in module.state_dict().items()})
    found = keras.ops.convert_to_numpy(model(x))
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(found[row, :length], wanted.numpy()[row, :length], rtol=0, atol=1e-6)


def test_weights_of_torch_that_do_not_fit_are_refused():
    torch = pytest.importorskip("torch")
    module = torch.nn.LSTM(5, 3, num_layers=2)
    state = {name: each.cpu().detach().numpy() for name, each in module.state_dict().items()}
    for arguments, message in (
        ({"units": 3, "depth": 3}, "lacks 'weight_ih_l2'"),
        ({"units": 3, "depth": 1}, "no place for these weights of the state: weight_ih_l1"),
        ({"units": 4, "depth": 2}, r"weight_ih_l0 is \(12, 5\), where .* takes \(16, 5\)"),
        ({"units": 3, "depth": 2, "cell": "1997"}, "has forget gates"),
    ):
        layer = StackedLSTM(**arguments, skip="none", return_sequences=True)
        layer.build((None, None, 5))
        with pytest.raises(ValueError, match=message):
            fill_lstm_from_torch(layer, state)
