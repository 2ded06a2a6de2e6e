"""Densely connected networks by the numbers of their paper (Huang et al. 2017, 1608.06993)."""

from itertools import pairwise

import pytest

from reskeras.catalogue import PRESETS, plan

pytestmark = pytest.mark.any_backend

# Table 2: trained parameters counted as the authors' code has them, what the table prints, and multiply-adds.
SMALL_IMAGES = [
    ("densenet-40-12", 1_019_722, "1.0M", "0.265"),
    ("densenet-100-12", 6_979_642, "7.0M", "1.770"),
    ("densenet-100-24", 27_249_082, "27.2M", "6.889"),
    ("densenet-bc-100-12", 769_162, "0.8M", "0.288"),
    ("densenet-bc-250-24", 15_324_406, "15.3M", "5.419"),
    ("densenet-bc-190-40", 25_624_430, "25.6M", "9.302"),
    ("densenet-bc-40-36", 1_542_682, "1.5M", None),
    ("densenet-bc-40-48", 2_733_130, "2.7M", None),
    ("densenet-bc-40-60", 4_261_690, "4.3M", None),
]
# The first four as torchvision and Keras have them; 264 by the paper's Table 1.
IMAGENET = [
    ("densenet-121", 7_978_856, "", "2.834"),
    ("densenet-161", 28_681_000, "", "7.728"),
    ("densenet-169", 14_149_480, "", "3.360"),
    ("densenet-201", 20_013_928, "", "4.291"),
    ("densenet-264", 33_337_704, "", "5.752"),
]


@pytest.mark.parametrize(("name", "parameters", "printed", "giga"), SMALL_IMAGES + IMAGENET)
def test_counts_are_those_of_the_paper(name, parameters, printed, giga):
    cost, (_, preset) = plan(name).cost(), PRESETS[name]
    assert (cost.parameters, preset.parameters, preset.paper) == (parameters, parameters, printed)
    if printed:
        assert f"{parameters / 1e6:.1f}M" == printed
    if giga:
        assert f"{cost.multiply_adds / 1e9:.3f}" == giga


def test_every_preset_is_in_the_tables():
    families = ("densenet", "imagenet_densenet")
    known = {name for name, *_ in SMALL_IMAGES + IMAGENET}
    assert known == {name for name, (entry, _) in PRESETS.items() if entry.name in families}


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("densenet-40-12", [(32, 32, 160), (16, 16, 304), (8, 8, 448)]),
        ("densenet-bc-100-12", [(32, 32, 216), (16, 16, 300), (8, 8, 342)]),
        ("densenet-121", [(56, 56, 256), (28, 28, 512), (14, 14, 1024), (7, 7, 1024)]),
        ("densenet-161", [(56, 56, 384), (28, 28, 768), (14, 14, 2112), (7, 7, 2208)]),
    ],
)
def test_the_grid_is_halved_between_dense_blocks_and_channels_are_added(name, shapes):
    """Table 1: the sizes of each dense block's output; channels are those of the input plus k a layer."""
    network = plan(name)
    after = dict(network.shapes())
    ends = [[name for name in stage.names(i) if "block" in name][-1] for i, stage in enumerate(network.stages, 1)]
    assert [after[name] for name in ends] == shapes


def test_dropout_follows_every_convolution_but_the_first():
    """The authors train without augmentation with dropout of 0.2 so placed (section 4.2)."""
    network = plan("densenet-bc-100-12", dropout=0.2).to_json()
    chains = [block["branch"] for stage in network["stages"] for block in stage["blocks"]]
    followed = [after["step"] for chain in chains for step, after in pairwise(chain) if step["step"] == "conv"]
    assert followed == ["dropout"] * (100 - 2)
    assert "dropout" not in {step["step"] for step in network["stem"]}
