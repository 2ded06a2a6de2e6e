"""The Transformer networks of the papers: every number that their papers or their authors' code give."""

import re
from dataclasses import replace
from math import ceil, floor

import pytest

from reskeras.catalogue import ARCHITECTURES, plan
from reskeras.options import OptionError
from reskeras.plan import Plan, Stage
from reskeras.steps import Attention, CrossAttention, DropPath, Initializer, PlanError, chain_parameters

pytestmark = pytest.mark.any_backend

FAMILIES = [ARCHITECTURES[name] for name in ("translator", "bert", "gpt", "vit")]
PRESETS = [pytest.param(preset, id=preset.name) for entry in FAMILIES for preset in entry.presets]


@pytest.mark.parametrize("preset", PRESETS)
def test_parameters_are_those_of_the_paper(preset):
    assert plan(preset.name).parameters() == preset.parameters


@pytest.mark.parametrize("preset", ARCHITECTURES["gpt"].presets[4:], ids=lambda preset: preset.name)
def test_parameters_round_to_the_table_of_gpt3(preset):
    """Brown et al. 2020, table D.1: millions, of three or four digits."""
    printed = int(preset.paper.removesuffix("M"))
    unit = 10 ** (len(str(printed)) - len(str(printed).rstrip("0")))
    assert abs(preset.parameters / 1e6 - printed) <= unit / 2


def without_head(network: Plan) -> int:
    """Return the weights of a network up to its head's last step."""
    return network.parameters() - chain_parameters(network.head, network.shapes()[-2][1])


def with_attention_biases(network: Plan) -> Plan:
    """Return a network whose attention has biases."""
    encoder = network.encoder and with_attention_biases(network.encoder)
    stages = tuple(
        Stage(tuple(replace(block, branch=tuple(map(_with_bias, block.branch))) for block in stage.blocks))
        for stage in network.stages
    )
    return replace(network, stages=stages, encoder=encoder)


def _with_bias(step):
    return replace(step, bias=True) if isinstance(step, (Attention, CrossAttention)) else step


COUNTS = {
    "transformer-base with attention biases": (with_attention_biases(plan("transformer-base")), 63_082_496),
    "transformer-big with attention biases": (with_attention_biases(plan("transformer-big")), 214_245_376),
    "bert-base pooled": (plan("bert-base", head="features"), 109_482_240),
    "bert-large pooled": (plan("bert-large", head="features"), 335_141_888),
    "bert-base-cased pooled": (plan("bert-base-cased", head="features"), 108_310_272),
    "bert-large-cased pooled": (plan("bert-large-cased", head="features"), 333_579_264),
    # Radford et al. 2019, table 2, has 117M, 345M, 762M and 1542M: those of GPT's own vocabulary.
    "gpt2 of the paper": (plan("gpt2", classes=40_478), 116_929_536),
    "gpt2-medium of the paper": (plan("gpt2-medium", classes=40_478), 344_809_472),
    "gpt2-large of the paper": (plan("gpt2-large", classes=40_478), 761_512_960),
    "gpt2-xl of the paper": (plan("gpt2-xl", classes=40_478), 1_541_964_800),
    "vit-b16 without head": (plan("vit-b16", head="features"), 85_798_656),
    "vit-l16 without head": (plan("vit-l16", head="features"), 303_301_632),
    "vit-h14 without head": (plan("vit-h14", head="features"), 630_764_800),
    "vit-b16 of 384 pixels": (plan("vit-b16", (384, 384, 3)), 86_859_496),
    "vit-l16 of 384 pixels": (plan("vit-l16", (384, 384, 3)), 304_715_752),
}


@pytest.mark.parametrize(("network", "count"), COUNTS.values(), ids=COUNTS)
def test_further_parameters(network, count):
    assert network.parameters() == count


def test_bert_without_its_pooler():
    assert without_head(plan("bert-base", head="features")) == 108_891_648


def test_the_width_printed_for_gpt3_13b_does_not_give_its_parameters():
    """Table 2.1 has a width of 5,140, which 40 heads do not divide."""
    assert round(plan("gpt3-13b", width=5140, heads=20).parameters() / 1e9, 2) == 12.95
    assert round(plan("gpt3-13b").parameters() / 1e9, 2) == 12.85


# Vaswani et al. 2017, table 3: what differs from the base model, and millions of parameters.
TRANSLATORS = {
    "base": ({}, 65),
    "keys of 16": ({"key_width": 16}, 58),
    "keys of 32": ({"key_width": 32}, 60),
    "2 layers": ({"depth": 2}, 36),
    "4 layers": ({"depth": 4}, 50),
    "8 layers": ({"depth": 8}, 80),
    "width of 256": ({"width": 256, "feed_forward": 8}, 28),
    "width of 1024": ({"width": 1024, "feed_forward": 2}, 168),
    "1024 units": ({"feed_forward": 2}, 53),
    "4096 units": ({"feed_forward": 8}, 90),
}


def vocabularies(name: str, options: dict, millions: int) -> range:
    """Return the vocabularies whose network has so many millions of parameters, rounded."""
    width = plan(name, **options).shapes()[0][1][-1]
    others = plan(name, classes=1000, **options).parameters() - 1000 * width
    return range(ceil(((millions - 0.5) * 1e6 - others) / width), floor(((millions + 0.5) * 1e6 - others) / width) + 1)


@pytest.mark.parametrize(("options", "millions"), TRANSLATORS.values(), ids=TRANSLATORS)
def test_variations_of_the_transformer(options, millions):
    assert round(plan("transformer-base", classes=41_100, **options).parameters() / 1e6) == millions


def test_the_vocabularies_that_the_table_of_the_transformer_allows():
    """The ten rows agree on one interval, and the big model's row on another: the paper's table mixes vocabularies."""
    ranges = [vocabularies("transformer-base", options, millions) for options, millions in TRANSLATORS.values()]
    assert (max(each.start for each in ranges), min(each.stop for each in ranges) - 1) == (41_004, 41_208)
    big = vocabularies("transformer-big", {}, 213)
    assert (big.start, big.stop - 1) == (35_368, 36_344)


@pytest.mark.parametrize(("depth", "width", "factor", "words"), [(1, 8, 2, 11), (6, 512, 4, 37_000), (3, 96, 1, 100)])
def test_parameters_of_the_transformer_by_hand(depth, width, factor, words):
    """An encoder layer has 4 d^2 + 2 d f + f + d of maps and 4 d of two normalisations; a decoder layer 4 d^2 + 2 d
    more."""
    units = width * factor
    encoder = 4 * width**2 + 2 * width * units + units + 5 * width
    decoder = 8 * width**2 + 2 * width * units + units + 7 * width
    options = {"depth": depth, "width": width, "heads": 8, "feed_forward": factor}
    assert plan("translator", (5,), words, **options).parameters() == words * width + depth * (encoder + decoder)


@pytest.mark.parametrize("preset", ARCHITECTURES["gpt"].presets, ids=lambda preset: preset.name)
def test_multiply_adds_of_gpt_by_hand(preset):
    """For each of T tokens: 12 d^2 in the maps of a layer, 2 T d in its attention, and d V in the logits."""
    depth, width, time = (preset.options[each] for each in ("depth", "width", "positions"))
    layer = 12 * width**2 + 2 * time * width
    assert plan(preset.name).cost().multiply_adds == time * (depth * layer + width * preset.classes)


def test_multiply_adds_of_the_transformer_by_hand():
    """For S words in and T out: maps and products of attention, each map counted on the side whose words it reads."""
    network = plan("translator", (7,), 50, depth=3, width=16, heads=4, feed_forward=2)
    encoder = 7 * (4 * 16**2 + 2 * 7 * 16 + 2 * 16 * 32)
    decoder = encoder + 7 * (4 * 16**2 + 2 * 7 * 16)
    assert network.cost().multiply_adds == 3 * (encoder + decoder) + 7 * 16 * 50


# Billions, counted by the authors of torchvision with a tool that reads the running model.
VITS = {"vit-b16": 17.564, "vit-b32": 4.409, "vit-l16": 61.555, "vit-l32": 15.378}


@pytest.mark.parametrize(("name", "billions"), VITS.items())
def test_multiply_adds_of_vit(name, billions):
    assert round(plan(name).cost().multiply_adds / 1e9, 3) == billions


def test_gpt_starts_its_output_maps_smaller_the_deeper_it_is():
    network = plan("gpt2-xl")
    attention, feed_forward = (block.branch for _, block in network.blocks()[:2])
    small = Initializer("RandomNormal", stddev=0.02 / 96**0.5)
    assert {attention[1].output_initializer, feed_forward[3].initializer} == {small}
    assert {attention[1].initializer, feed_forward[1].initializer} == {Initializer("RandomNormal", stddev=0.02)}


@pytest.mark.parametrize("name", ["translator", "bert", "gpt", "vit", "transformer"])
def test_layers_are_dropped_more_often_the_deeper_they_are(name):
    entry = ARCHITECTURES[name]
    sample = (8,) if "tokens" in entry.inputs else (8, 8, 3)
    network = plan(name, sample, 5, **{**entry.tiny, "depth": 5, "drop_path": 0.2})
    for part in filter(None, (network.encoder, network)):
        rates = [step.rate for _, block in part.blocks() for step in block.branch if isinstance(step, DropPath)]
        parts = len(part.blocks()) // 5
        assert rates == pytest.approx([0.05 * layer for layer in range(1, 5) for _ in range(parts)])


def test_a_skip_can_be_taken_from_one_part():
    network = plan("vit", (8, 8, 3), 5, skip_around="feedforward", depth=2)
    assert [block.skip.kind for _, block in network.blocks()] == ["none", "add"] * 2


def test_what_cannot_be_is_answered_with_what_can():
    with pytest.raises(
        PlanError, match=re.escape("The network has 1024 positions; received a sequence of 1025 tokens")
    ):
        plan("gpt2", (1025,))
    with pytest.raises(PlanError, match=r"patch must divide both sides of the image 224x224 .*Did you mean 14\?"):
        plan("vit-b16", patch=15)
    with pytest.raises(OptionError, match=r"heads must divide width 768 .*received 5\. Did you mean 4\?"):
        plan("gpt2", heads=5)
    for options in ({"skip": "none"}, {"skip_around": "attention"}):
        with pytest.raises(OptionError, match="drop_path needs a skip round every part"):
            plan("bert-base", drop_path=0.1, **options)
