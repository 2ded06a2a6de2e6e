"""What a plan says a network costs, against counts from Keras's own layers, which know nothing of plans."""

from __future__ import annotations

from math import prod

import keras
import pytest
from networks import CLASSES, TINY, input_shape, tiny_options, tiny_plan

import reskeras
from reskeras.catalogue import ARCHITECTURES, plan
from reskeras.plan import Block, Plan, Skip, Stage
from reskeras.steps import LSTM, Activation, Attention, Conv, Dense, Dropout, Flatten, GlobalPool, MaxPool, Norm
from reskeras.transforms.portable import portable

pytestmark = pytest.mark.any_backend

LARGEST, LONGEST = 8_000_000, 12
"""Trained numbers and blocks of a preset that is built to be counted: the first of each family within both."""


def _within_reach(preset) -> bool:
    return preset.parameters < LARGEST and len(plan(preset.name).blocks()) <= LONGEST


BUILT = [preset.name for entry in ARCHITECTURES.values() for preset in list(filter(_within_reach, entry.presets))[:1]]


SUM_NOTHING = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Embedding,
    keras.layers.PReLU,
)
"""Layers whose weights scale, shift or are looked up; PReLU is the factor of a scaled skip."""


def counted(model: keras.Model) -> tuple[int, int]:
    """Return the trained numbers and the multiply-adds of one sample, of a model in Keras's own layers."""
    multiply_adds = 0
    for nodes in model._nodes_by_depth.values():
        for node in nodes:
            if not node.is_input:
                multiply_adds += _multiply_adds(node.operation, node)
    return sum(prod(variable.shape) for variable in model.trainable_variables), multiply_adds


def _multiply_adds(layer, node) -> int:
    """Return the products that are summed up in one call of a layer for one sample; papers count no others."""
    given, made = (tuple(tensor.shape[1:]) for tensor in (node.input_tensors[0], node.output_tensors[0]))
    if isinstance(layer, (keras.layers.Conv1D, keras.layers.Conv2D)):
        return prod(layer.kernel.shape[:-1]) * prod(made)
    if isinstance(layer, keras.layers.Dense):
        # A map of the constant 1 is how a layer keeps a vector of weights: there is nothing to sum.
        return prod(given) * layer.units if given[-1] > 1 else 0
    if isinstance(layer, keras.layers.EinsumDense):
        return _of_equation(layer.equation, (None, *given), layer.kernel.shape)
    if isinstance(layer, keras.layers.MultiHeadAttention):
        return _of_attention(layer, node)
    if isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional)):
        return given[0] * sum(prod(each.shape) for each in layer.trainable_variables if len(each.shape) == 2)
    if isinstance(layer, keras.layers.ReversibleEmbedding):
        # Called on numbers it looks up rows; called on vectors it multiplies them with the table.
        reverse = node.arguments.kwargs.get("reverse", False)
        return prod(given) * layer.input_dim if reverse else 0
    multiplies = "dot" in layer.name or "einsum" in layer.name or "matmul" in layer.name
    if multiplies or (getattr(layer, "trainable_variables", ()) and not isinstance(layer, SUM_NOTHING)):
        raise AssertionError(f"nothing here says how {layer.name} ({type(layer).__name__}) is counted")
    return 0


def _of_equation(equation: str, given, kernel) -> int:
    """Return the products of an einsum over one sample; without a letter that is summed over there are none."""
    left, result = equation.replace("...", "").split("->")
    tensor, weights = left.split(",")
    batch = len(given) - len(tensor)
    sizes = {**dict(zip(tensor, given[batch:], strict=True)), **dict(zip(weights, kernel, strict=True))}
    if batch == 0:
        sizes[tensor[0]] = 1
    if not set(left) - {","} - set(result):
        return 0
    return prod(given[1:batch]) * prod(sizes.values())


def _of_attention(layer, node) -> int:
    query, *others = [tensor.shape for tensor in node.input_tensors]
    asked, answered = query[1], (others[0] if others else query)[1]
    parts = {
        variable.path.split("/")[-2]: prod(variable.shape)
        for variable in layer.trainable_variables
        if variable.path.endswith("kernel")
    }
    maps = asked * (parts["query"] + parts["attention_output"]) + answered * (parts["key"] + parts["value"])
    return maps + asked * answered * layer.num_heads * (layer.key_dim + layer.value_dim)


@pytest.mark.parametrize(("name", "skip"), TINY)
def test_a_plan_costs_what_its_tiny_network_costs(name, skip):
    model = reskeras.build(name, input_shape=input_shape(name), classes=CLASSES, **tiny_options(name, skip))
    cost = tiny_plan(name, skip).cost()
    assert (cost.parameters, cost.multiply_adds) == counted(portable(model))


def test_words_with_their_characters_cost_what_their_network_costs():
    given = {"input_shape": (5, 4), "classes": CLASSES, "depth": 1, "width": 4}
    cost = plan("lstm_tagger", **given).cost()
    assert (cost.parameters, cost.multiply_adds) == counted(portable(reskeras.build("lstm_tagger", **given)))


@pytest.mark.parametrize("name", BUILT)
def test_a_plan_costs_what_its_network_of_a_paper_costs(name):
    cost = plan(name).cost()
    assert (cost.parameters, cost.multiply_adds) == counted(portable(reskeras.build(name)))


def test_each_number_that_a_step_writes_is_kept():
    """Counted by hand for one image of 6 x 6 pixels and 2 channels, and for 5 time steps of 8 numbers."""
    image = Plan(
        "image",
        (6, 6, 2),
        3,
        (Conv(4), Norm(), Activation()),
        (
            Stage((Block((Conv(4), Dropout(0.0), Dropout(0.5)), after=(Activation(),)),)),
            Stage((Block((MaxPool(2), Conv(8)), Skip("add", (Conv(8, 1, 2),))),)),
        ),
        (GlobalPool(), Flatten(), Dense(3)),
    )
    stem, first = 3 * 144, 2 * 144 + 144 + 144  # branch and dropout, sum, activation
    second = 3 * 3 * 4 + 3 * 3 * 8 + 3 * 3 * 8 + 3 * 3 * 8  # pool, convolution, path, sum
    assert image.cost().activations == stem + first + second + 8 + 3
    sequence = Plan("sequence", (5, 8), 3, (), (Stage((Block((Attention(2),)), Block((LSTM(8),)))),), (Dense(3),))
    # Query, key, value, what the heads give and the output; scores and shares of two heads; and the sum.
    attention = 5 * 40 + 2 * 2 * 25 + 40
    # Four gates, the state and its output, at each step; and the sum.
    assert sequence.cost().activations == attention + 5 * 6 * 8 + 40 + 15


def test_a_skip_keeps_what_it_joins_with():
    kept = {
        skip: Block((Dense(4),), Skip(skip)).cost((4,)).activations
        for skip in ("none", "add", "concat", "gate", "scaled")
    }
    # The gate, f - x and their product beside the sum; a f beside the sum.
    assert kept == {"add": 8, "none": 4, "concat": 12, "gate": 20, "scaled": 12}
