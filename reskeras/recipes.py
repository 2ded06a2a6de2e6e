"""How papers trained their networks, as values for training options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """Training options of a paper.

    Attributes:
        summary: for what, in a few words.
        source: the paper, and where in it.
        values: option name -> value.
    """

    summary: str
    source: str
    values: Mapping[str, Any]


_SMALL_IMAGES = {
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 1e-4,
    "schedule": "step",
    "pad_crop": 4,
    "flip": True,
}

RECIPES: dict[str, Recipe] = {
    # 64,000 steps of 128 of 50,000 images.
    "cifar": Recipe(
        "residual networks on small images",
        "He et al. 2015 (1512.03385), section 4.2",
        {**_SMALL_IMAGES, "epochs": 164, "batch_size": 128, "nesterov": False},
    ),
    # Falls after 60, 120 and 160 of the 200 epochs. The authors' code, train.lua and scripts/train_cifar.sh, has the
    # same numbers, and fills with the image mirrored at its edge.
    "wide_resnet": Recipe(
        "wide residual networks on small images; what comes in at the edge has the mean colour",
        "Zagoruyko and Komodakis 2016 (1605.07146), section 3",
        {
            **_SMALL_IMAGES,
            "weight_decay": 5e-4,
            "schedule": "fifths",
            "epochs": 200,
            "batch_size": 128,
            "nesterov": True,
        },
    ),
    "densenet": Recipe(
        "densely connected networks on small images",
        "Huang et al. 2017 (1608.06993), section 4.2",
        {**_SMALL_IMAGES, "epochs": 300, "batch_size": 64, "nesterov": True},
    ),
    # The height is that of a width of 512 with 4,000 of 100,000 steps of warm-up: (512 x 4,000)^-0.5.
    "transformer": Recipe(
        "encoder-decoder Transformers; epsilon is Keras's",
        "Vaswani et al. 2017 (1706.03762), sections 5.3 and 5.4",
        {
            "optimizer": "adam",
            "learning_rate": 7e-4,
            "square_momentum": 0.98,
            "schedule": "inverse_root",
            "warmup": 0.04,
            "label_smoothing": 0.1,
        },
    ),
    # Warm-up, decay and norm are those of the authors' code, run_classifier.py and optimization.py,
    # whose rate falls as if there were no warm-up; of the paper's rates, 2e-5 to 5e-5, it is its default.
    "bert": Recipe(
        "classes of texts, from weights that are trained already; epsilon is Keras's, and all weights decay",
        "Devlin et al. 2018 (1810.04805), section 4.1 and appendix A.3",
        {
            "optimizer": "adamw",
            "learning_rate": 5e-5,
            "weight_decay": 0.01,
            "clip_norm": 1.0,
            "schedule": "linear",
            "warmup": 0.1,
            "epochs": 3,
            "batch_size": 32,
        },
    ),
    # 375 million of 300 billion tokens of warm-up.
    "gpt": Recipe(
        "language models; the smallest one's rate, which falls to 0 and not to a tenth",
        "Brown et al. 2020 (2005.14165), appendix B",
        {
            "optimizer": "adamw",
            "learning_rate": 6e-4,
            "square_momentum": 0.95,
            "weight_decay": 0.1,
            "clip_norm": 1.0,
            "schedule": "cosine",
            "warmup": 0.00125,
        },
    ),
}
"""By the names that `--recipe` takes."""


def values_of(name: Any) -> Mapping[str, Any]:
    """Return the options of a recipe; none where there is no such one."""
    return RECIPES[name].values if name in RECIPES else {}
