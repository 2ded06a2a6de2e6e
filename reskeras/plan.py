"""The words a network is written in above single operations: skip, block, stage, and the plan that holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from itertools import groupby
from typing import Any, ClassVar

from reskeras.steps import PlanError, Shape, Step, chain_parameters, chain_shape


@dataclass(frozen=True)
class Skip:
    """How a branch rejoins the stream.

    Attributes:
        kind: `"add"` x + f, `"none"` f, `"concat"` [x, f], `"gate"` t f + (1 - t) x with t = sigmoid(W x + b),
            `"scaled"` x + a f with one trained a that starts at 0.
        path: steps on x before it is joined, where its shape must change; empty for the identity.
        gate_bias: the b of a gate at the start; below zero, the block starts by carrying x.
    """

    kind: str = "add"
    path: tuple[Step, ...] = ()
    gate_bias: float = -2.0

    KINDS: ClassVar[tuple[str, ...]] = ("add", "none", "concat", "gate", "scaled")

    def __post_init__(self):
        if self.kind not in self.KINDS:
            raise PlanError(f"There is no skip {self.kind!r} (skips: {', '.join(self.KINDS)}).")

    def text(self) -> str:
        """Return the formula with f for the branch and x for what the path gives."""
        x = "x" if not self.path else "(" + " · ".join(step.text() for step in self.path) + ")"
        return {
            "add": f"{x} + f",
            "none": "f",
            "concat": f"[{x}, f]",
            "gate": f"t f + (1 - t) {x}",
            "scaled": f"{x} + a f",
        }[self.kind]


@dataclass(frozen=True)
class Block:
    """y = after(skip(x, branch(x))), the one form that every family here is written in.

    Attributes:
        branch: the steps of f.
        skip: how f rejoins x.
        after: steps on the joined stream, such as the ReLU of the 2015 residual block.
        label: what the block is called in layer names.
    """

    branch: tuple[Step, ...]
    skip: Skip = field(default_factory=Skip)
    after: tuple[Step, ...] = ()
    label: str = "block"

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of y; raise PlanError where the skip cannot join x and f."""
        return chain_shape(self.after, self._joined_shape(shape))

    def _joined_shape(self, shape: Shape) -> Shape:
        inner, carried = chain_shape(self.branch, shape), chain_shape(self.skip.path, shape)
        if self.skip.kind == "concat":
            if inner[:-1] != carried[:-1]:
                raise PlanError(f"A concat skip joins {carried} and {inner}: all axes but the last must agree.")
            inner = (*inner[:-1], carried[-1] + inner[-1])
        elif self.skip.kind != "none" and inner != carried:
            raise PlanError(f"A skip of kind {self.skip.kind!r} joins {carried} and {inner}: the shapes must agree.")
        return inner

    def parameters(self, shape: Shape) -> int:
        """Return how many numbers the block trains on samples of `shape`."""
        count = chain_parameters(self.branch, shape) + chain_parameters(self.after, self._joined_shape(shape))
        if self.skip.kind == "none":
            return count
        count += chain_parameters(self.skip.path, shape)
        if self.skip.kind == "gate":
            channels = chain_shape(self.skip.path, shape)[-1]
            count += channels * (channels + 1)
        return count + (self.skip.kind == "scaled")

    def text(self) -> str:
        """Return the block as a formula."""
        f = " · ".join(step.text() for step in self.branch)
        after = "".join(f" · {step.text()}" for step in self.after)
        return f"{self.skip.text()}{after}   f = {f}"


@dataclass(frozen=True)
class Stage:
    """Blocks that follow one another at one size."""

    blocks: tuple[Block, ...]

    def names(self, number: int) -> list[str]:
        """Return each block's address in stage `number`: the label, counted apart for each label."""
        seen: dict[str, int] = {}
        names = []
        for block in self.blocks:
            seen[block.label] = seen.get(block.label, 0) + 1
            names.append(f"stage{number}_{block.label}{seen[block.label]}")
        return names


@dataclass(frozen=True)
class Plan:
    """A network as data.

    Attributes:
        name: what the network is called, such as `"resnet-20"`.
        input_shape: shape of one sample.
        classes: how many classes the head tells apart.
        stem: steps from the input to the first stage.
        stages: the blocks.
        head: steps from the last stage to the logits.
    """

    name: str
    input_shape: Shape
    classes: int
    stem: tuple[Step, ...]
    stages: tuple[Stage, ...]
    head: tuple[Step, ...]

    def blocks(self) -> list[tuple[str, Block]]:
        """Return (address, block) from shallow to deep."""
        return [
            pair
            for number, stage in enumerate(self.stages, 1)
            for pair in zip(stage.names(number), stage.blocks, strict=True)
        ]

    def shapes(self) -> list[tuple[str, Shape]]:
        """Return (address, shape of one sample at its output) for stem, every block and head."""
        shape = chain_shape(self.stem, self.input_shape)
        rows = [("stem", shape)]
        for name, block in self.blocks():
            shape = block.output_shape(shape)
            rows.append((name, shape))
        return [*rows, ("head", chain_shape(self.head, shape))]

    def parameters(self) -> int:
        """Return how many numbers the network trains."""
        shapes = self.shapes()
        count = chain_parameters(self.stem, self.input_shape)
        for (_, block), (_, shape) in zip(self.blocks(), shapes, strict=False):
            count += block.parameters(shape)
        return count + chain_parameters(self.head, shapes[-2][1])

    def text(self) -> str:
        """Return the plan as lines, equal blocks in a row written once."""
        shapes = dict(self.shapes())
        rows = [("input", _shape_text(self.input_shape), "")]
        rows.append(("stem", _shape_text(shapes["stem"]), " · ".join(step.text() for step in self.stem)))
        for number, stage in enumerate(self.stages, 1):
            named = list(zip(stage.names(number), stage.blocks, strict=True))
            for start, length, period in repeats(stage.blocks):
                for offset in range(period):
                    name, block = named[start + offset]
                    times = f"{length} x " if length > 1 else ""
                    rows.append((name, _shape_text(shapes[name]), times + block.text()))
        rows.append(("head", _shape_text(shapes["head"]), " · ".join(step.text() for step in self.head)))
        wide = [max(len(row[i]) for row in rows) for i in range(2)]
        return "\n".join(f"{name:<{wide[0]}}  {shape:<{wide[1]}}  {what}".rstrip() for name, shape, what in rows)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain lists and dictionaries."""
        return _plain(self)


def _shape_text(shape: Shape) -> str:
    return "x".join(str(size) for size in shape)


def _plain(value: Any) -> Any:
    if isinstance(value, Step):
        return {"step": type(value).__name__.lower(), **asdict(value)}
    if isinstance(value, (Plan, Stage, Block, Skip)):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def repeats(blocks: tuple[Block, ...]) -> list[tuple[int, int, int]]:
    """Return the runs of equal blocks as (start, times, period): `times` repetitions of `period` blocks from `start`.

    A period of 2 finds the attention and feed-forward pairs of a Transformer.
    """
    found, start = [], 0
    while start < len(blocks):
        single = len(list(next(groupby(blocks[start:]))[1]))
        pair = 1
        while blocks[start : start + 2] == blocks[start + 2 * pair : start + 2 * pair + 2]:
            pair += 1
        times, period = (pair, 2) if pair > 1 and pair * 2 > single else (single, 1)
        found.append((start, times, period))
        start += times * period
    return found
