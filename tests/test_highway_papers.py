"""Highway networks and their plain twins by the numbers of their papers (Srivastava et al. 2015)."""

import pytest

from reskeras.catalogue import PRESETS, plan

pytestmark = pytest.mark.any_backend

# 1507.06228, section 3.1: 784 inputs and 10 classes; 71 units a plain layer, 50 a highway layer; 900 by the same rule.
FULLY_CONNECTED = [
    ("plain-10", 102_463, ""),
    ("plain-20", 153_583, ""),
    ("plain-50", 306_943, ""),
    ("plain-100", 562_543, ""),
    ("highway-10", 85_660, ""),
    ("highway-20", 136_660, ""),
    ("highway-50", 289_660, ""),
    ("highway-100", 544_660, ""),
    ("highway-900", 784 * 50 + 50 + 899 * 5_100 + 510, ""),
]
# Tables 1 and 2, by the authors' network definitions: gates with 3x3 kernels, biases everywhere, pools that round up.
CONVOLUTIONAL = [
    ("highway-mnist-16", 38_986, "39K"),
    ("highway-mnist-32", 151_690, "151K"),
    ("highway-cifar-19", 2_256_838, "2.3M"),
]


@pytest.mark.parametrize(("name", "parameters", "printed"), FULLY_CONNECTED + CONVOLUTIONAL)
def test_counts_are_those_of_the_paper(name, parameters, printed):
    _, preset = PRESETS[name]
    assert (plan(name).parameters(), preset.parameters, preset.paper) == (parameters, parameters, printed)


def test_every_preset_is_in_the_tables():
    families = ("plain", "highway", "highway_convolution")
    known = {name for name, *_ in FULLY_CONNECTED + CONVOLUTIONAL}
    assert known == {name for name, (entry, _) in PRESETS.items() if entry.name in families}


def _highway_layers(count: int, width: int) -> int:
    """Return the weights of layers that each have two 3x3 convolutions of `width` channels, with biases."""
    return count * 2 * (9 * width**2 + width)


@pytest.mark.parametrize("width", [16, 32])
def test_the_mnist_network_is_the_authors(width):
    """5x5 convolution without padding, 2 + 3 + 3 highway layers, grids of 24, 12, 6 and 3."""
    network = plan(f"highway-mnist-{width}")
    grids = [shape[0] for name, shape in network.shapes() if name == "stem" or "pool" in name]
    assert grids == [24, 12, 6]
    assert [len([b for b in stage.blocks if b.label == "block"]) for stage in network.stages] == [2, 3, 3]
    parts = (25 * width + width, _highway_layers(8, width), 9 * width * 10 + 10)
    assert network.parameters() == sum(parts)


def test_the_cifar_network_is_the_authors():
    """4, 5 and 5 highway layers of 32, 80 and 128 channels, each behind a plain convolution; then 1x1 to 100."""
    network = plan("highway-cifar-19")
    assert [shape for name, shape in network.shapes() if "pool" in name] == [(16, 16, 80), (8, 8, 128)]
    plain = 9 * (3 * 32 + 32 * 80 + 80 * 128) + (32 + 80 + 128) + (128 * 100 + 100) + (100 * 10 + 10)
    gated = sum(_highway_layers(count, width) for count, width in ((4, 32), (5, 80), (5, 128)))
    assert network.parameters() == plain + gated


def test_a_highway_layer_costs_about_what_its_plain_twin_costs():
    """5,100 against 5,112 weights a layer, "about 5000" in the paper."""
    for name, weights in (("highway", 5_100), ("plain", 5_112)):
        assert plan(f"{name}-20").parameters() - plan(f"{name}-10").parameters() == 10 * weights
