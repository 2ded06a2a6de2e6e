"""Convolutional residual networks of the papers: weights and multiply-adds to the last one, and how blocks are made."""

from __future__ import annotations

import pytest

from reskeras.architectures.alphago_zero import ALPHAGO_ZERO
from reskeras.architectures.imagenet_resnet import IMAGENET_RESNET
from reskeras.architectures.resnet import RESNET
from reskeras.architectures.wide_resnet import WIDE_RESNET
from reskeras.catalogue import plan
from reskeras.options import OptionError
from reskeras.steps import Activation, Conv, Dropout, DropPath, Norm, Pad

pytestmark = pytest.mark.any_backend

CIFAR = {"input_shape": (32, 32, 3), "classes": 10}
CIFAR_100 = {"input_shape": (32, 32, 3), "classes": 100}
IMAGENET = {"input_shape": (224, 224, 3), "classes": 1000}

# PAPERS.md: trained weights, and multiply-adds in billions as they are printed there. A preset by its name, another
# network by its family and what differs from the family's defaults.
NUMBERS = [
    # Section 2: He et al. 2015, table 6, options A and B.
    ("cifar-resnet-20", {}, 269_722, 0.0406),
    ("cifar-resnet-32", {}, 464_154, 0.0689),
    ("cifar-resnet-44", {}, 658_586, 0.0972),
    ("cifar-resnet-56", {}, 853_018, 0.1255),
    ("cifar-resnet-110", {}, 1_727_962, 0.2529),
    ("cifar-resnet-1202", {}, 19_421_274, 2.829),
    ("cifar-resnet-1202", {"shortcut": "projection"}, 19_424_026, None),
    ("cifar-plain-20", {}, 269_722, 0.0406),
    ("cifar-plain-110", {}, 1_727_962, 0.2529),
    # Section 3: He et al. 2016.
    ("preact-resnet-110", {}, 1_727_962, None),
    ("preact-resnet-110", {"shortcut": "projection"}, 1_730_522, None),
    ("preact-resnet-164", {}, 1_703_258, 0.2445),
    ("preact-resnet-1001", {}, 10_327_706, 1.4878),
    ("preact-resnet-164", CIFAR_100, 1_726_388, None),
    ("preact-resnet-1001", CIFAR_100, 10_350_836, None),
    # Section 7: Huang et al. 2016; the averages of option A have no weights either.
    ("stochastic-depth-110", {}, 1_727_962, 0.2529),
    ("stochastic-depth-1202", {}, 19_421_274, 2.829),
    # Section 5: Zagoruyko and Komodakis 2016.
    ("wrn-40-1", {}, 563_930, None),
    ("wrn-40-2", {}, 2_243_546, None),
    ("wrn-40-4", {}, 8_949_210, None),
    ("wrn-40-8", {}, 35_748_314, None),
    ("wrn-28-10", {}, 36_479_194, 5.243),
    ("wrn-28-10", CIFAR_100, 36_536_884, None),
    ("wrn-28-12", {}, 52_517_850, None),
    ("wrn-22-8", {}, 17_158_106, None),
    ("wrn-22-10", {}, 26_797_914, None),
    ("wrn-16-4", {}, 2_748_890, None),
    ("wrn-16-8", {}, 10_961_370, None),
    ("wrn-16-10", {}, 17_116_634, None),
    # Section 1: He et al. 2015, table 1; the stride in the 3x3 convolution; pre-activation as timm counts it.
    ("resnet-18", {}, 11_689_512, 1.8141),
    ("resnet-18", {"shortcut": "pad"}, 11_515_688, 1.7948),
    ("resnet-34", {}, 21_797_672, 3.6638),
    ("resnet-34", {"shortcut": "pad"}, 21_623_848, 3.6445),
    ("resnet-50", {}, 25_557_032, 3.858),
    ("resnet-101", {}, 44_549_160, 7.5702),
    ("resnet-152", {}, 60_192_808, 11.2824),
    ("resnet-200", {}, 64_673_832, 14.776),
    ("resnet-200", {"version": "v1.5"}, 64_673_832, 15.008),
    ("resnet-50-v1.5", {}, 25_557_032, 4.0892),
    ("resnet-101-v1.5", {}, 44_549_160, 7.8014),
    ("resnet-152-v1.5", {}, 60_192_808, 11.5136),
    ("resnet-50-v2", {}, 25_549_352, None),
    # keras.applications trains 44,577,896 and 60,236,904 numbers in its second version: these and the biases of the
    # stem, of the last convolution of each block and of the projections.
    ("resnet-101-v2", {}, 44_577_896 - (64 + 256 * 3 + 512 * 4 + 1024 * 23 + 2048 * 3 + 256 * 15), None),
    ("resnet-152-v2", {}, 60_236_904 - (64 + 256 * 3 + 512 * 8 + 1024 * 36 + 2048 * 3 + 256 * 15), None),
    # Those of the first version without the two numbers a channel of the projections' normalisation.
    ("resnet-18-v2", {}, 11_689_512 - 2 * (128 + 256 + 512), None),
    ("resnet-34-v2", {}, 21_797_672 - 2 * (128 + 256 + 512), None),
    ("resnet-200-v2", {}, 64_673_832 - 2 * (256 + 512 + 1024 + 2048), None),
    ("wrn-50-2", {}, 68_883_240, 11.398),
    ("wrn-101-2", {}, 126_886_696, None),
    # Section 10: Silver et al. 2017.
    ("alphago-zero-19", {}, 22_827_877, 8.106),
    ("alphago-zero-39", {}, 46_441_317, 16.623),
]


@pytest.mark.parametrize(
    ("name", "changes", "parameters", "billions"), NUMBERS, ids=[f"{row[0]}-{i}" for i, row in enumerate(NUMBERS)]
)
def test_weights_and_multiply_adds_are_those_of_the_paper(name, changes, parameters, billions):
    cost = plan(name, **changes).cost()
    assert cost.parameters == parameters
    if billions is not None:
        digits = len(str(billions).split(".")[1])
        # 15.008 was rounded twice: the exact number is 15.00748.
        assert cost.multiply_adds / 1e9 == pytest.approx(billions, abs=0.53 * 10.0**-digits)


@pytest.mark.parametrize("entry", [RESNET, WIDE_RESNET, IMAGENET_RESNET, ALPHAGO_ZERO], ids=lambda entry: entry.name)
def test_presets_count_what_they_say(entry):
    for preset in entry.presets:
        assert plan(preset.name).parameters() == preset.parameters, preset.name


def branches(name, **options):
    return [block.branch for _, block in plan(name, **options).blocks()]


def test_the_plain_twin_is_the_same_network_without_skips():
    residual, twin = plan("cifar-resnet-20"), plan("cifar-plain-20")
    assert [block.branch for _, block in residual.blocks()] == [block.branch for _, block in twin.blocks()]
    assert {block.skip.kind for _, block in twin.blocks()} == {"none"}


def test_branches_are_dropped_more_often_with_depth():
    """Huang et al. 2016, equation 4 and section 4: p_l = 1 - l / (2 L); a mean of (3 L - 1) / 4 blocks is trained."""
    for name, blocks, mean in (("stochastic-depth-110", 54, 40.25), ("stochastic-depth-1202", 600, 449.75)):
        last = [branch[-1] for branch in branches(name)]
        assert [step.rate for step in last] == pytest.approx([0.5 * number / blocks for number in range(1, blocks + 1)])
        assert sum(1 - step.rate for step in last) == pytest.approx(mean)
        assert {(step.per, step.scale) for step in last} == {("batch", "test")}
    assert not any(isinstance(step, DropPath) for branch in branches("cifar-resnet-20") for step in branch)


def test_the_stride_is_where_the_version_says():
    def strides(name):
        return [step.stride for step in branches(name)[3] if isinstance(step, Conv)]

    assert strides("resnet-50") == [2, 1, 1]
    assert strides("resnet-50-v1.5") == strides("resnet-50-v2") == [1, 2, 1]
    assert strides("preact-resnet-164") == [1, 1, 1]
    assert [step.stride for step in branches("preact-resnet-164")[18] if isinstance(step, Conv)] == [2, 1, 1]


def test_strided_convolutions_for_large_images_pad_both_sides():
    for _, block in plan("resnet-50-v1.5").blocks():
        for before, step in zip((None, *block.branch), block.branch, strict=False):
            if isinstance(step, Conv) and step.stride > 1 and step.kernel > 1:
                assert (before, step.padding) == (Pad(1), "valid")
    assert plan("resnet-18").stem[0] == Pad(3)


@pytest.mark.parametrize("name", ["preact-resnet-164", "wrn-16-4", "resnet-50-v2"])
def test_units_that_change_size_share_their_first_activation(name):
    """As in the code of He et al. 2016; what follows an activated stem has none before it at all."""
    opening = (Norm("batch"), Activation("relu"))
    blocks = [block for _, block in plan(name).blocks()]
    after_stem = name == "resnet-50-v2"
    for number, block in enumerate(blocks):
        assert not block.after
        if number == 0 and after_stem:
            assert not block.before
            assert isinstance(block.branch[0], Conv)
        elif block.skip.path:
            assert block.before == opening
            assert isinstance(block.branch[0], Conv)
            assert all(isinstance(step, Conv) for step in block.skip.path)
        else:
            assert not block.before
            assert block.branch[:2] == opening
    assert sum(bool(block.skip.path) for block in blocks) == plan(name).text().count("(conv 1x1")


def test_projections_are_normalised_only_where_the_activation_follows_the_addition():
    for name, wanted in (("resnet-50", 2), ("resnet-50-v2", 1)):
        assert {len(block.skip.path) for _, block in plan(name).blocks()} == {0, wanted}
    everywhere = plan("resnet-34", shortcut="everywhere")
    assert {len(block.skip.path) for _, block in everywhere.blocks()} == {2}


def test_wide_blocks_drop_units_before_their_second_convolution():
    branch = branches("wrn-28-10", dropout=0.3)[1]
    assert branch[-2:] == (Dropout(0.3), Conv(160))


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("imagenet_resnet", {"depth": 57}, "..., 34, 50, 101, 152, ...). Did you mean 50?"),
        ("resnet", {"depth": 57, "block": "bottleneck"}, "(it has 9n+2 from 11 to 1199: ..., 47, 56, 65, 74, ...)"),
        ("wide_resnet", {"depth": 29}, "Did you mean 28?"),
        ("imagenet_resnet", {"depth": 34, "widen": 2}, "Did you mean depth=50?"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_does(name, options, sentence):
    with pytest.raises(OptionError) as caught:
        plan(name, (32, 32, 3), 10, **options)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("name", "skip"),
    [("resnet", "none"), ("resnet", "scaled"), ("imagenet_resnet", "none"), ("residual_mlp", "scaled")],
)
def test_a_branch_that_starts_at_zero_needs_a_skip_that_passes_it(name, skip):
    with pytest.raises(OptionError, match=rf"lets the gradient reach the branch; received skip={skip}\. Did you mean"):
        plan(name, (32, 32, 3), 10, skip=skip, silent_start=True)


@pytest.mark.parametrize("name", ["resnet", "imagenet_resnet"])
def test_a_branch_that_is_dropped_needs_a_skip(name):
    with pytest.raises(OptionError, match="nothing is left where a branch is dropped; received skip=none"):
        plan(name, (32, 32, 3), 10, skip="none", drop_path=0.1)
