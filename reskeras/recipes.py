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
            "beta_2": 0.98,
            "schedule": "inverse_root",
            "warmup": 0.04,
            "label_smoothing": 0.1,
        },
    ),
    # 375 million of 300 billion tokens of warm-up.
    "gpt": Recipe(
        "language models; the smallest one's rate, which falls to 0 and not to a tenth",
        "Brown et al. 2020 (2005.14165), appendix B",
        {
            "optimizer": "adamw",
            "learning_rate": 6e-4,
            "beta_2": 0.95,
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
