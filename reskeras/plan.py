"""The words a network is written in above single operations: skip, block, stage, and the plan that holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from math import prod
from typing import Any, ClassVar

from reskeras.steps import (
    Cost,
    DropPath,
    Embedding,
    Initializer,
    PlanError,
    Segments,
    Shape,
    SpelledEmbedding,
    Step,
    chain_cost,
    chain_shape,
)


@dataclass(frozen=True)
class Skip:
    """How a branch rejoins the stream.

    Attributes:
        kind: `"add"` x + f, `"none"` f, `"concat"` [x, f], `"gate"` t f + (1 - t) x with t = sigmoid(W x + b),
            `"scaled"` c x + a f.
        path: steps on x before it is joined, where its shape must change; empty for the identity.
        gate_bias: the b of a gate at the start; below zero, the block starts by carrying x.
        gate_kernel: side of the gate's convolution; 1 reads each position alone.
        coupled: whether x is carried by 1 - t; otherwise by a second gate of its own, t f + c x.
        carry: the constant c of a scaled sum (the alpha of DeepNorm, 2203.00555).
        scale: the a of a scaled sum at the start.
        per: `"layer"` for one a (ReZero, SkipInit), `"channel"` for one a channel (LayerScale, 2103.17239).
        trained: whether a is trained.
    """

    kind: str = "add"
    path: tuple[Step, ...] = ()
    gate_bias: float = -2.0
    gate_kernel: int = 1
    coupled: bool = True
    carry: float = 1.0
    scale: float = 0.0
    per: str = "layer"
    trained: bool = True

    KINDS: ClassVar[tuple[str, ...]] = ("add", "none", "concat", "gate", "scaled")

    def __post_init__(self):
        if self.kind not in self.KINDS:
            raise PlanError(f"There is no skip {self.kind!r} (skips: {', '.join(self.KINDS)}).")

    def text(self) -> str:
        """Return the formula with f for the branch and x for what the path gives."""
        x = "x" if not self.path else "(" + " · ".join(step.text() for step in self.path) + ")"
        factor = "a" if self.trained else f"{self.scale:g}"
        return {
            "add": f"{x} + f",
            "none": "f",
            "concat": f"[{x}, f]",
            "gate": f"t f + {'(1 - t)' if self.coupled else 'c'} {x}",
            "scaled": f"{'' if self.carry == 1 else f'{self.carry:.3g} '}{x} + {factor} f",
        }[self.kind]

    def cost(self, carried: Shape, joined: Shape) -> Cost:
        """Return what joining costs, without the path: `carried` is the shape of what the path gives."""
        written = Cost(activations=0 if self.kind == "none" else prod(joined))
        if self.kind == "gate":
            gates, channels = 1 if self.coupled else 2, carried[-1]
            kernel = self.gate_kernel ** (len(carried) - 1) * channels
            # The gate itself, the difference f - x and their product are kept beside the sum.
            return written + Cost(gates * channels * (kernel + 1), gates * prod(carried) * kernel, 3 * prod(carried))
        if self.kind == "scaled" and self.trained:
            return written + Cost(carried[-1] if self.per == "channel" else 1, 0, prod(joined))
        return written


@dataclass(frozen=True)
class Block:
    """y = after(skip(u, branch(u))) with u = before(x), the one form that every family here is written in.

    Attributes:
        branch: the steps of f.
        skip: how f rejoins x.
        after: steps on the joined stream, such as the ReLU of the 2015 residual block.
        label: what the block is called in layer names.
        before: steps that branch and skip share, such as the first BN-ReLU of a pre-activation block that changes
            size.

    Raises:
        PlanError: for a branch that is sometimes dropped without a skip that carries x on.
    """

    branch: tuple[Step, ...]
    skip: Skip = field(default_factory=Skip)
    after: tuple[Step, ...] = ()
    label: str = "block"
    before: tuple[Step, ...] = ()

    def __post_init__(self):
        if self.skip.kind == "none" and any(isinstance(step, DropPath) for step in self.branch):
            raise PlanError(
                "Stochastic depth needs a skip, for without one nothing is left where a branch is dropped. "
                "Received: skip 'none'"
            )

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of y; raise PlanError where the skip cannot join x and f."""
        return chain_shape(self.after, self.joined_shape(shape))

    def joined_shape(self, shape: Shape) -> Shape:
        """Return the shape of branch and skip joined, before the steps after them."""
        shape = chain_shape(self.before, shape)
        inner, carried = chain_shape(self.branch, shape), chain_shape(self.skip.path, shape)
        if self.skip.kind == "concat":
            if inner[:-1] != carried[:-1]:
                raise PlanError(f"A concat skip joins {carried} and {inner}: all axes but the last must agree.")
            inner = (*inner[:-1], carried[-1] + inner[-1])
        elif self.skip.kind != "none" and inner != carried:
            raise PlanError(f"A skip of kind {self.skip.kind!r} joins {carried} and {inner}: the shapes must agree.")
        return inner

    def appends(self) -> bool:
        """Return whether y is [x, f(x)] and no more."""
        return self.skip == Skip("concat") and not self.before and not self.after

    def cost(self, shape: Shape) -> Cost:
        """Return what the block costs on samples of `shape`."""
        joined, shared = self.joined_shape(shape), chain_shape(self.before, shape)
        total = chain_cost(self.before, shape) + chain_cost(self.branch, shared) + chain_cost(self.after, joined)
        if self.skip.kind == "none":
            return total
        carried = chain_shape(self.skip.path, shared)
        return total + chain_cost(self.skip.path, shared) + self.skip.cost(carried, joined)

    def parameters(self, shape: Shape) -> int:
        """Return how many numbers the block trains on samples of `shape`."""
        return self.cost(shape).parameters

    def text(self) -> str:
        """Return the block as a formula."""
        f = " · ".join(step.text() for step in self.branch)
        after = "".join(f" · {step.text()}" for step in self.after)
        before = "   x = " + " · ".join(step.text() for step in self.before) if self.before else ""
        return f"{self.skip.text()}{after}   f = {f}{before}"


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
class Head:
    """One more output: steps from the last stage to it, under a name."""

    name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Backbone:
    """A network of keras-hub, which builds it, by the sizes that it has there.

    Attributes:
        kind: `"bert"` or `"gpt2"`.
        vocabulary: how many token numbers there are.
        depth: its Transformer layers.
        heads: attention heads of each.
        width: size of each token.
        units: units of the feed-forward part.
        dropout: dropout everywhere.
        positions: longest sequence, in tokens.
        weights: the path of weights to begin with; None for random ones.
    """

    kind: str
    vocabulary: int
    depth: int
    heads: int
    width: int
    units: int
    dropout: float
    positions: int
    weights: str | None = None


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
        further_heads: more outputs, each from the last stage too.
        encoder: the network of the second input, whose output every CrossAttention step reads.
        backbone: what keras-hub builds the network around; the steps say what that comes to. None for a network of this
            package.
    """

    name: str
    input_shape: Shape
    classes: int
    stem: tuple[Step, ...]
    stages: tuple[Stage, ...]
    head: tuple[Step, ...]
    further_heads: tuple[Head, ...] = ()
    encoder: Plan | None = None
    backbone: Backbone | None = None

    def takes_tokens(self) -> bool:
        """Return whether a sample is a sequence of token numbers, of words perhaps with those of their characters."""
        return bool(self.stem) and isinstance(self.stem[0], (Embedding, SpelledEmbedding))

    def passes_over_padding(self) -> bool:
        """Return whether a sample is a sequence of token numbers that padding behind it makes no other."""
        return self.takes_tokens() and self.stem[0].masked

    def takes_segments(self) -> bool:
        """Return whether a second input says which segment each token is of."""
        return any(isinstance(step, Segments) for step in self.stem)

    def has_stacks(self) -> bool:
        """Return whether equal blocks that keep their shape follow one another anywhere, the encoder included."""
        if self.backbone is not None:
            return False
        shape = chain_shape(self.stem, self.input_shape)
        for stage in self.stages:
            if any(times > 1 for _, times, _ in stackable(stage.blocks, shape)):
                return True
            shape = chain_shape(stage.blocks, shape)
        return self.encoder is not None and self.encoder.has_stacks()

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

    def outputs(self) -> dict[str, Shape]:
        """Return the shape of each output for one sample by its name; `"output"` is the head's."""
        shape = self.shapes()[-2][1]
        heads = (Head("output", self.head), *self.further_heads)
        return {head.name: chain_shape(head.steps, shape) for head in heads}

    def cost(self) -> Cost:
        """Return what the whole network costs, its encoder included."""
        shapes = self.shapes()
        total = chain_cost(self.stem, self.input_shape)
        for (_, block), (_, shape) in zip(self.blocks(), shapes, strict=False):
            total += block.cost(shape)
        for steps in (self.head, *(head.steps for head in self.further_heads)):
            total += chain_cost(steps, shapes[-2][1])
        return total + self.encoder.cost() if self.encoder else total

    def parameters(self) -> int:
        """Return how many numbers the network trains."""
        return self.cost().parameters

    def text(self) -> str:
        """Return the plan as lines, equal blocks in a row written once; those of an encoder stand first."""
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
        for head in self.further_heads:
            shape = self.outputs()[head.name]
            rows.append((head.name, _shape_text(shape), " · ".join(step.text() for step in head.steps)))
        wide = [max(len(row[i]) for row in rows) for i in range(2)]
        lines = [f"{name:<{wide[0]}}  {shape:<{wide[1]}}  {what}".rstrip() for name, shape, what in rows]
        encoder = [f"encoder: {line}" for line in self.encoder.text().splitlines()] if self.encoder else []
        return "\n".join([*encoder, *lines])

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain lists and dictionaries."""
        return _plain(self)


def _shape_text(shape: Shape) -> str:
    return "x".join(str(size) for size in shape)


def _plain(value: Any) -> Any:
    if isinstance(value, Step):
        arguments = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        return {"step": type(value).__name__.lower(), **arguments}
    if isinstance(value, Initializer):
        return {"initializer": value.name, **dict(value.arguments)}
    if isinstance(value, (Plan, Stage, Block, Skip, Head, Backbone)):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def repeats(blocks: tuple[Block, ...]) -> list[tuple[int, int, int]]:
    """Return the runs of equal blocks as (start, times, period): `times` repetitions of `period` blocks from `start`.

    Periods of 2 and 3 find the layers of a Transformer's encoder and decoder.
    """
    found, start = [], 0
    while start < len(blocks):
        # The most blocks at once, by the shortest period.
        runs = [(_times(blocks, start, period), period) for period in PERIODS if start + period <= len(blocks)]
        times, period = max((run for run in runs if run[0] > 1 or run[1] == 1), key=lambda run: run[0] * run[1])
        found.append((start, times, period))
        start += times * period
    return found


PERIODS = (1, 2, 3)


def stackable(blocks: Sequence[Block], shape: Shape) -> Iterator[tuple[int, int, int]]:
    """Yield the runs of blocks as `repeats` does, where only blocks that keep the shape of a sample are one run.

    Args:
        blocks: the blocks; such as differ in their rate of stochastic depth alone are equal here.
        shape: shape of one sample before the first.
    """
    for start, times, period in repeats(tuple(map(without_rate, blocks))):
        end = start + times * period
        while start < end:
            inside = chain_shape(blocks[start : start + period], shape)
            count = (end - start) // period if inside == shape else 1
            yield start, count, period
            start, shape = start + count * period, inside


def drop_rate(block: Block) -> float | None:
    """Return the rate of stochastic depth of a block's branch, None where it has none."""
    return next((step.rate for step in block.branch if isinstance(step, DropPath)), None)


def without_rate(block: Block) -> Block:
    """Return a block with the same rate of stochastic depth whatever its own is: blocks that differ in it alone are one
    block of a stack."""
    branch = tuple(replace(step, rate=0.5) if isinstance(step, DropPath) else step for step in block.branch)
    return replace(block, branch=branch)


def _times(blocks: tuple[Block, ...], start: int, period: int) -> int:
    unit, times = blocks[start : start + period], 1
    while blocks[start + times * period : start + (times + 1) * period] == unit:
        times += 1
    return times
