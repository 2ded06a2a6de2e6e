"""Networks too deep for Keras's recursion: counted on the plan, and refused before they are trained."""

from __future__ import annotations

import keras
import pytest
from networks import recursion

from reskeras.builder import build_plan
from reskeras.catalogue import plan
from reskeras.options import OptionError
from reskeras.request import LONGEST_CHAIN, check_request
from reskeras.transforms.portable import portable


@pytest.mark.parametrize("options", [{"order": "pre"}, {"skip": "none"}, {"shortcut": "average"}])
def test_each_further_block_adds_what_it_chains(options):
    """An identity skip leaves only its sum on the chain, and with the activation after it two layers."""
    shallow, deep = (plan("resnet", (8, 8, 1), 3, depth=depth, width=4, **options) for depth in (8, 14))
    grown = recursion(portable(build_plan(deep))) - recursion(portable(build_plan(shallow)))
    assert deep.chain_length() - shallow.chain_length() == grown


def test_a_network_that_no_file_could_hold_is_refused_with_the_deepest_that_fits():
    with pytest.raises(OptionError) as caught:
        check_request("resnet", {"depth": 1202}, {})
    sentence = caught.value.problems["depth"]
    assert sentence.startswith("A resnet of depth 1202 cannot be trained: ")
    nearest = int(sentence.split("Did you mean ")[1].rstrip("?"))
    request = check_request("resnet", {"depth": nearest}, {})
    assert request.plan.chain_length() <= LONGEST_CHAIN
    with pytest.raises(OptionError):
        check_request("resnet", {"depth": nearest + 6}, {})
    assert check_request("resnet", {"depth": 1199, "block": "bottleneck", "order": "shared"}, {})


def test_what_the_limit_allows_is_within_pythons():
    """A chain as long as the limit goes through Keras, from here as from a program that is nested as deeply."""
    x = inputs = keras.Input((2,))
    for number in range(LONGEST_CHAIN - 1):
        x = keras.layers.ReLU(name=f"relu{number}")(x)
    assert recursion(keras.Model(inputs, x)) == LONGEST_CHAIN
