"""The options that every family of Transformers has."""

from typing import ClassVar, Literal

from pydantic import Field

from reskeras.architectures import ArchitectureOptions
from reskeras.blocks.scales import DeepNorm, deepnorm
from reskeras.blocks.transformer import Joint, named_joint
from reskeras.steps import PlanError, Shape

MOST_HEADS = 128
LARGEST_PATCH = 64


class TransformerOptions(ArchitectureOptions):
    """Options of a Transformer; its depth counts layers, each of attention and a feed-forward part."""

    title: ClassVar[str] = "A Transformer"
    epsilon: ClassVar[float] = 1e-5
    largest_depth: ClassVar[int] = 96
    depth: int = Field(4, ge=1, le=96, description="Layers, each of attention and a feed-forward part.")
    width: int = Field(64, ge=1, le=16_384, description="Size of each token (d_model).")
    heads: int = Field(4, ge=1, le=MOST_HEADS, description="Attention heads; must divide the width.")
    feed_forward: int = Field(4, ge=1, le=16, description="Units of the feed-forward part, in multiples of the width.")
    skip: Literal["add", "none", "scaled"] = Field(
        "add",
        description="How attention and feed-forward part rejoin the stream: x + f, f, or x + a f with a from 0.",
    )
    skip_around: Literal["all", "attention", "feedforward"] = Field(
        "all", description="Which parts have the skip; the others stand in the stream without one."
    )
    norm: Literal["pre", "post", "none"] = Field(
        "pre", description="Layer normalisation before each part (GPT-2), after each sum (2017), or nowhere."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout of attention weights and of each part's output.")
    drop_path: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Probability that a part of the last layer is dropped for a sample, growing from 0 in the first.",
    )

    def depths(self):
        return range(1, self.largest_depth + 1)

    def problems(self):
        problems = super().problems() | heads_problem(self.width, self.heads)
        if self.drop_path and (self.skip == "none" or self.skip_around != "all"):
            problems["drop_path"] = (
                "drop_path needs a skip round every part, for without one nothing is left where a part is dropped: use "
                f"it with skip=add or skip=scaled and skip_around=all; received skip={self.skip} and "
                f"skip_around={self.skip_around}."
            )
        return problems

    def units(self) -> int:
        """Return the units of the feed-forward part."""
        return self.width * self.feed_forward

    def joint(self, part: str, drop_path: float = 0.0) -> Joint:
        """Return how `"attention"` or `"feedforward"` rejoins the stream in a layer dropped with this probability."""
        skip = self.skip if self.skip_around in ("all", part) else "none"
        return named_joint(self.norm, skip, self.dropout, drop_path, self.epsilon, self.deepnorm())

    def deepnorm(self) -> DeepNorm | None:
        """Return the factors of DeepNorm where the options ask for it."""
        return deepnorm(self.depth) if self.norm == "deep" else None


def heads_problem(width: int, heads: int) -> dict[str, str]:
    """Return what is wrong with a number of heads, by the option's name: nothing where they divide the width."""
    if width % heads == 0:
        return {}
    fits = _divisors(MOST_HEADS, width)
    return {
        "heads": f"heads must divide width {width} (they can be {', '.join(map(str, fits))}); received {heads}. "
        f"Did you mean {_nearest(fits, heads)}?"
    }


def check_patch(patch: int, shape: Shape) -> None:
    """Raise PlanError where square patches of a side of `patch` do not fill an image."""
    if any(size % patch for size in shape[:2]):
        sides = _divisors(LARGEST_PATCH, *shape[:2])
        raise PlanError(
            f"patch must divide both sides of the image {shape[0]}x{shape[1]} (it can be "
            f"{', '.join(map(str, sides))}); received {patch}. Did you mean {_nearest(sides, patch)}?"
        )


def _divisors(most: int, *numbers: int) -> list[int]:
    return [n for n in range(1, min(most, *numbers) + 1) if not any(number % n for number in numbers)]


def _nearest(fits: list[int], wanted: int) -> int:
    return min(fits, key=lambda value: abs(value - wanted))
