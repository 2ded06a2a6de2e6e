"""Plans: every architecture of the catalogue as data, counted against the papers."""

import json
import re
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import output_shape, skips

from reskeras.catalogue import ARCHITECTURES, plan
from reskeras.options import OptionError, check, describe
from reskeras.plan import Block, Plan, Skip, Stage, repeats
from reskeras.steps import AveragePool, Conv, Dense, Norm, PlanError
from reskeras.tasks import INPUT_KINDS, TOKEN_KINDS

pytestmark = pytest.mark.any_backend

SAMPLES = {"vector": (6,), "sequence": (6, 3), "image": (8, 8, 3), "tokens": (6,), "spelled words": (6, 3)}
CLASSES = 5


def test_there_is_a_sample_of_every_kind():
    assert set(SAMPLES) == {*INPUT_KINDS.values(), *TOKEN_KINDS.values()}


def every_block(network: Plan) -> list[Block]:
    """Return the blocks of a network and of its encoder."""
    return [block for part in (network.encoder, network) if part for _, block in part.blocks()]


NETWORKS = [
    pytest.param(entry.name, SAMPLES[kind], options, id=f"{entry.name}-{kind}-{size}")
    for entry in ARCHITECTURES.values()
    for kind in entry.inputs
    for size, options in (("tiny", entry.tiny), ("default", {}))
]


def variant(entry, **options):
    """Return the options of the smallest network with these: some options change which depths exist."""
    asked = {**entry.tiny, **options}
    depths = entry.options.model_construct(**asked).depths()
    return asked if asked["depth"] in depths else {**asked, "depth": depths[0]}


VARIANTS = [
    pytest.param(entry.name, variant(entry, **{option.name: value}), id=f"{entry.name}-{option.name}-{value}")
    for entry in ARCHITECTURES.values()
    for option in describe(entry.options)
    for value in {"choice": option.choices, "flag": (True, False)}.get(option.kind, ())
]


@pytest.mark.parametrize(("name", "sample", "options"), NETWORKS)
def test_a_network_leads_from_the_sample_to_the_classes(name, sample, options):
    network = plan(name, sample, CLASSES, **options)
    shapes = network.shapes()
    assert (network.input_shape, network.classes) == (sample, CLASSES)
    assert [shapes[0][0], shapes[-1][0]] == ["stem", "head"]
    assert shapes[-1][1] == output_shape(name, sample, CLASSES)
    assert len(shapes) == len(network.blocks()) + 2
    assert all(isinstance(size, int) and size > 0 for _, shape in shapes for size in shape)
    assert network.parameters() > 0


@pytest.mark.parametrize(("name", "sample", "options"), NETWORKS)
def test_addresses_are_unique_and_fit_every_backend(name, sample, options):
    """Keras refuses `/` in a name and PyTorch refuses `.`."""
    names = [address for address, _ in plan(name, sample, CLASSES, **options).blocks()]
    assert names
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"stage[1-9]\d*_[a-z]+[1-9]\d*", address) for address in names)


@pytest.mark.parametrize(("name", "sample", "options"), NETWORKS)
def test_the_json_form_is_json_and_holds_every_block(name, sample, options):
    network = plan(name, sample, CLASSES, **options)
    content = network.to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["input_shape"] == list(sample)
    written = [block for stage in content["stages"] for block in stage["blocks"]]
    for (_, block), row in zip(network.blocks(), written, strict=True):
        assert row["skip"]["kind"] == block.skip.kind
        assert [step["step"] for step in row["branch"]] == [type(step).__name__.lower() for step in block.branch]


@pytest.mark.parametrize(("name", "sample", "options"), NETWORKS)
def test_the_text_form_counts_every_block_once(name, sample, options):
    network = plan(name, sample, CLASSES, **options)
    lines = network.text().splitlines()
    of_encoder = [line.removeprefix("encoder: ") for line in lines if line.startswith("encoder: ")]
    if network.encoder:
        assert of_encoder == network.encoder.text().splitlines()
    lines = lines[len(of_encoder) :]
    for head in reversed(network.further_heads):
        assert lines.pop().startswith(head.name)
    rows = [re.fullmatch(r"(\S+) +(\S+)(?: +(?:(\d+) x )?(.*))?", line) for line in lines]
    assert all(line == line.rstrip() for line in lines)
    assert [rows[0][1], rows[1][1], rows[-1][1]] == ["input", "stem", "head"]
    assert rows[0][2] == "x".join(map(str, sample))
    blocks = dict(network.blocks())
    assert all(row[4] == blocks[row[1]].text() for row in rows[2:-1])
    assert sum(int(row[3] or 1) for row in rows[2:-1]) == len(blocks)


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_every_choice_makes_a_network(name, options):
    sample = SAMPLES[ARCHITECTURES[name].inputs[0]]
    network = plan(name, sample, CLASSES, **options)
    # What another head gives is its family's own affair.
    if "head" not in options:
        assert network.outputs()["output"] == output_shape(name, sample, CLASSES)
    assert any(block.skip.kind == options.get("skip", block.skip.kind) for block in every_block(network))


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if "none" in skips(name)])
def test_skip_none_joins_nothing(name):
    network = plan(name, SAMPLES[ARCHITECTURES[name].inputs[0]], CLASSES, **ARCHITECTURES[name].tiny, skip="none")
    assert {block.skip.kind for block in every_block(network)} == {"none"}
    assert not any(block.skip.path for block in every_block(network))


@pytest.mark.parametrize("entry", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_deeper_network_has_more_blocks_and_more_weights(entry):
    sample = SAMPLES[entry.inputs[0]]
    depths = check(entry.options, entry.tiny).depths()
    sizes = [plan(entry.name, sample, CLASSES, **{**entry.tiny, "depth": depth}) for depth in depths[:5]]
    for smaller, larger in pairwise(sizes):
        # ResNet-50 has the blocks of ResNet-34, each with one more layer.
        assert len(smaller.blocks()) <= len(larger.blocks())
        assert smaller.parameters() < larger.parameters()
    deepest = plan(entry.name, sample, CLASSES, **{**entry.tiny, "depth": depths[-1]})
    parts = [part for part in (deepest.encoder, deepest) if part]
    most = sum(4 + 3 * len(part.stages) + len(part.further_heads) for part in parts)
    assert len(deepest.text().splitlines()) <= most


@pytest.mark.parametrize("entry", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_the_wrong_kind_of_sample_is_answered_with_the_kinds_that_fit(entry):
    # Token numbers have the shapes of a vector and of a sequence.
    fitting = {len(SAMPLES[kind]) for kind in entry.inputs}
    for kind, sample in {**SAMPLES, "unknown kind": (2, 8, 8, 3)}.items():
        if len(sample) in fitting or kind in TOKEN_KINDS.values():
            continue
        with pytest.raises(PlanError) as caught:
            plan(entry.name, sample, CLASSES, **entry.tiny)
        assert str(caught.value) == (
            f"{entry.name} takes {' or '.join(entry.inputs)} samples; received samples of shape {sample} ({kind})."
        )


@pytest.mark.parametrize("entry", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_an_empty_sample_or_a_single_class_is_refused(entry):
    sample = SAMPLES[entry.inputs[0]]
    for shape, classes in ((sample, 1), (sample, 0), ((0, *sample[1:]), CLASSES)):
        with pytest.raises(PlanError, match=re.escape(f"received shape {shape} and {classes} classes")):
            plan(entry.name, shape, classes, **entry.tiny)


def test_what_must_divide_is_answered_with_the_nearest_that_does():
    with pytest.raises(PlanError) as caught:
        plan("transformer", (12, 18, 1), 2, patch=4)
    assert str(caught.value) == (
        "patch must divide both sides of the image 12x18 (it can be 1, 2, 3, 6); received 4. Did you mean 3?"
    )
    with pytest.raises(OptionError) as caught:
        plan("transformer", (8, 8, 1), 2, width=134, heads=128)
    assert caught.value.problems["heads"] == (
        "heads must divide width 134 (they can be 1, 2, 67); received 128. Did you mean 67?"
    )


# Trained parameters by He et al. 2015, Table 6 (the paper gives two digits; PAPERS.md section 2 the whole numbers).
RESNETS = [(20, 269_722, 272_474), (32, 464_154, 466_906), (44, 658_586, 661_338), (56, 853_018, 855_770),
           (110, 1_727_962, 1_730_714)]  # fmt: skip

small_image = partial(partial, plan, input_shape=(32, 32, 3), classes=10)
COUNTS = {
    **{f"resnet-{d}-A": (small_image("resnet", depth=d, shortcut="pad"), a) for d, a, _ in RESNETS},
    **{f"resnet-{d}-B": (small_image("resnet", depth=d, shortcut="projection"), b) for d, _, b in RESNETS},
    # He et al. 2016 (section 3): the projection of a pre-activation network has no normalisation.
    "preactivation-110-A": (small_image("resnet", depth=110, order="pre", shortcut="pad"), 1_727_962),
    "preactivation-110-B": (small_image("resnet", depth=110, order="pre"), 1_730_522),
}


@pytest.mark.parametrize(("write", "count"), COUNTS.values(), ids=COUNTS)
def test_parameters_are_those_of_the_paper(write, count):
    assert write().parameters() == count


@pytest.mark.parametrize(
    ("width", "heads", "count"),
    [
        # Encoder layer of Vaswani et al. 2017 with biases of attention: 12 d^2 + 13 d (section 8, plus 4 d).
        (512, 8, 12 * 512**2 + 13 * 512),
        # ViT-B/16 of Dosovitskiy et al. 2020: 85,798,656 is 12 layers, patches, positions, class token, last norm.
        (768, 12, (85_798_656 - 590_592 - 197 * 768 - 768 - 2 * 768) // 12),
    ],
)
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_an_encoder_layer_has_the_parameters_of_the_paper(width, heads, count, norm):
    shallow, deep = (
        plan("transformer", (32, 32, 3), 10, depth=depth, width=width, heads=heads, norm=norm) for depth in (3, 4)
    )
    assert deep.parameters() - shallow.parameters() == count


def test_each_skip_counts_its_own_weights():
    """A gate owns a square map and its bias, a scaled sum one number, the others nothing."""
    counts = {kind: Block((Dense(4),), Skip(kind)).parameters((4,)) for kind in Skip.KINDS}
    assert counts == {"add": 20, "none": 20, "concat": 20, "gate": 40, "scaled": 21}


def test_what_follows_a_concat_sees_the_joined_stream():
    block = Block((Dense(4),), Skip("concat"), after=(Norm("layer"), Dense(2)))
    assert block.output_shape((3,)) == (2,)
    assert block.parameters((3,)) == (3 * 4 + 4) + 2 * 7 + (7 * 2 + 2)


def test_a_skip_that_cannot_join_is_refused_with_both_shapes():
    with pytest.raises(PlanError, match=r"'add' joins \(4,\) and \(3,\): the shapes must agree"):
        Block((Dense(3),), Skip("add")).output_shape((4,))
    with pytest.raises(PlanError, match=r"concat skip joins \(8, 8, 3\) and \(4, 4, 3\)"):
        Block((AveragePool(2),), Skip("concat")).output_shape((8, 8, 3))
    with pytest.raises(PlanError, match=r"no skip 'sum' \(skips: add, none, concat, gate, scaled\)"):
        Skip("sum")


def test_blocks_are_counted_apart_for_each_label():
    one, other = Block((Dense(3),)), Block((Dense(3),), label="transition")
    network = Plan("mixed", (3,), 2, (), (Stage((one, one, other)), Stage((one,))), (Dense(2),))
    assert [name for name, _ in network.blocks()] == [
        "stage1_block1",
        "stage1_block2",
        "stage1_transition1",
        "stage2_block1",
    ]


def test_sizes_after_a_stride_are_rounded_up():
    assert Conv(4, stride=2).output_shape((7, 8, 3)) == (4, 4, 4)


BLOCKS = tuple(Block((Dense(3),), label=label) for label in "abc")


def naive_repeats(blocks):
    """Take the longest run of one, two or three blocks from the start on; fewer blocks win a draw."""
    found, start = [], 0
    while start < len(blocks):
        rest = len(blocks) - start
        covered = {
            period: max(
                times
                for times in range(1, rest // period + 1)
                if all(blocks[start + i] == blocks[start + i % period] for i in range(times * period))
            )
            for period in (1, 2, 3)
            if period <= rest
        }
        period = 1
        for longer in (2, 3):
            if covered.get(longer, 1) > 1 and covered[longer] * longer > covered[period] * period:
                period = longer
        found.append((start, covered[period], period))
        start += covered[period] * period
    return found


@given(st.lists(st.sampled_from(BLOCKS), max_size=16).map(tuple))
def test_repeats_are_those_of_a_naive_search_and_cover_every_block(blocks):
    found = repeats(blocks)
    assert found == naive_repeats(blocks)
    assert tuple(b for start, times, period in found for b in blocks[start : start + period] * times) == blocks


def test_pairs_and_triples_are_found():
    a, b, c = BLOCKS
    assert repeats((a, a, b) * 2 + (a, b, c) * 3) == [(0, 2, 3), (6, 3, 3)]
    assert repeats((a, b) * 4 + (c,) * 3) == [(0, 4, 2), (8, 3, 1)]
    assert repeats((a,) * 4) == [(0, 4, 1)]
