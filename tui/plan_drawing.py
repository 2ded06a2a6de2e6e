"""A plan drawn with box characters: the stream runs down, each skip is a line at its side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from reskeras.plan import Block, Head, Plan, repeats
from reskeras.steps import (
    Activation,
    Change,
    Dropout,
    DropPath,
    FirstToken,
    Flatten,
    GlobalPool,
    Norm,
    Shape,
    Standardize,
    Step,
    chain_parameters,
    chain_shape,
)

from .words import count

JOINS = {"add": "⊕", "scaled": "⊕", "gate": "⊗", "concat": "⊞"}
"""The sign where a skip meets the stream, by the skip's kind."""

WIDEST_BOX, NARROWEST_BOX = 78, 28
"""Cells of a box at most, for wider ones are hard to read, and at least."""

ROOMY_BOX = 34
"""Where boxes would be narrower, the steps of a skip are written below it instead of at its side."""

BARE_SIDE = 5
"""Cells at the side for a skip with nothing written across it."""

_PLAIN = str.maketrans("│─┌┐└┘├┤┬┴╭╮╰╯⊕⊗⊞○▼×·", "|-++++++++++++***ovx-")

_QUIET_STEPS = (Norm, Activation, Change, Dropout, DropPath, Flatten, GlobalPool, FirstToken, Standardize)


class Span(NamedTuple):
    """A piece of a line, and the role that gives it its style: a component class without its prefix."""

    text: str
    role: str


Line = list[Span]


def plain_glyphs(text: str) -> str:
    """Return a drawing's text in ASCII, for terminals without box characters."""
    return text.translate(_PLAIN)


def line_text(line: Iterable[Span]) -> str:
    """Return a line without its roles."""
    return "".join(span.text for span in line)


@dataclass(frozen=True)
class Layout:
    """The columns of a drawing, in cells from the left.

    Attributes:
        gutter: cells left of the boxes, for the brackets of repeated blocks.
        box: width of a box.
        side: cells right of the boxes, for skips; the skip's line is in their middle.
    """

    gutter: int
    box: int
    side: int

    @property
    def inner(self) -> int:
        """Cells for text inside a box."""
        return self.box - 4


@dataclass
class Drawing:
    """Lines under construction, with the stream in the third column of the boxes."""

    layout: Layout
    lines: list[Line] = field(default_factory=list)

    def add(self, *spans: tuple[str, str]) -> None:
        """Append a line, indented by the gutter."""
        self.lines.append([Span(" " * self.layout.gutter, "space"), *(Span(*span) for span in spans)])

    def stream(self, note: str = "", shape: str = "", role: str = "quiet") -> None:
        """Append a stretch of the stream, with a note beside it and a shape below the right edge of boxes."""
        if len(note) + 1 + len(shape) > self.layout.box - 4 and shape:
            self.stream(note, role=role)
            note = ""
        room = self.layout.box - 4 - len(note) - len(shape) if shape else 0
        self.add(("  │ ", "stream"), (note, role), (" " * room, "space"), (shape, "shape"))

    def box(self, steps: Sequence[Step], title: str = "", side: Sequence[Line] | None = None) -> None:
        """Append a box with steps inside; `side` gives what is written across the skip, None for no skip."""
        rows = wrap_steps(steps, self.layout.inner)
        rule = f" {title} " if title else ""
        top = "┌─┴─" + rule + "─" * (self.layout.box - 5 - len(rule)) + "┐"
        bottom = "└─┬" + "─" * (self.layout.box - 4) + "┘"
        beside = skip_side(side or [], len(rows) + 2, self.layout.side) if side is not None else [[]] * (len(rows) + 2)
        self.add((top[:4], "box"), (rule, "title"), (top[4 + len(rule) :], "box"), *beside[0])
        for row, line in zip(rows, beside[1:], strict=False):
            padding = " " * (self.layout.inner - len(line_text(row)))
            self.add(("│ ", "box"), *row, (padding, "space"), (" │", "box"), *line)
        self.add((bottom, "box"), *beside[-1])

    def block(self, block: Block, shape: Shape) -> None:
        """Append a block: its branch in a box, its skip at the side, and what follows the joint."""
        title = "" if block.label == Block.label else block.label
        formula = "y = " + replace(block.skip, path=()).text()
        if block.before:
            self.stream("x = " + _steps_text(block.before), role="path")
        if block.skip.kind == "none":
            self.box(block.branch, title)
            self.stream(formula + after_text(block), shape_text(shape), "formula")
            return
        half = self.layout.side // 2
        reach = self.layout.box - 3 + half
        self.add(("  ", "space"), ("├" + "─" * reach + "╮", "skip"))
        across = [[Span(step.text(), "path")] for step in block.skip.path] if self.layout.side > BARE_SIDE else []
        self.box(block.branch, title, across)
        joint = f"─ {formula} "
        self.add(
            ("  ", "space"),
            (JOINS[block.skip.kind] + "─", "skip"),
            (joint[1:], "formula"),
            ("─" * (reach - len(joint)) + "╯", "skip"),
        )
        if block.skip.path and not across:
            self.stream("x by " + _steps_text(block.skip.path), role="path")
        self.stream(after_text(block).removeprefix(", "), shape_text(shape))

    def bracket(self, start: int, times: int) -> None:
        """Mark the lines from `start` to the last but one as repeated `times` times, in the gutter."""
        if times < 2:
            return
        last = len(self.lines) - 2
        middle = (start + last) // 2
        for index in range(start, last + 1):
            sign = "╭" if index == start else "╰" if index == last else "┤" if index == middle else "│"
            text = f"{times} × {sign} " if index == middle else f"{sign} "
            self.lines[index][0] = Span(text.rjust(self.layout.gutter), "repeat")


def draw_plan(plan: Plan, width: int) -> list[Line]:
    """Return a plan as lines of at most `width` cells, as far as 40 or more are given.

    Equal blocks in a row are drawn once with a bracket and their number, pairs of blocks likewise. An encoder stands
    above the network that reads it, and further heads below the first.
    """
    drawing = Drawing(plan_layout(plan, width))
    if plan.encoder:
        _draw_features(drawing, plan.encoder, "encoder input", width)
        drawing.add(("  ▼ ", "stream"), ("to the attention below", "title"))
    _draw_features(drawing, plan, "input", width)
    last = plan.shapes()[-2][1]
    _draw_head(drawing, Head("head", plan.head), last, f"{plan.classes} classes")
    for head in plan.further_heads:
        drawing.stream("further head", role="stage")
        _draw_head(drawing, head, last, shape_text(chain_shape(head.steps, last)))
    return drawing.lines


def _draw_features(drawing: Drawing, plan: Plan, source: str, width: int) -> None:
    """Append a plan's stem and stages."""
    shapes = [shape for _, shape in plan.shapes()]
    drawing.add(("  ○ ", "stream"), (f"{source} ", "title"), (shape_text(plan.input_shape), "shape"))
    drawing.box(plan.stem, "stem")
    drawing.stream(shape=shape_text(shapes[0]))
    position = 0
    for index, stage in enumerate(plan.stages, 1):
        amount = _stage_parameters(stage.blocks, shapes[position:])
        room = width - drawing.layout.gutter - 4
        drawing.stream(_stage_note(index, len(plan.stages), len(stage.blocks), amount, room), role="stage")
        for start, times, period in repeats(stage.blocks):
            first_line = len(drawing.lines)
            for offset in range(period):
                # Of equal blocks the shape after the last is shown: a concat skip widens it block by block.
                deepest = position + start + offset + (times - 1) * period
                drawing.block(stage.blocks[start + offset], shapes[deepest + 1])
            drawing.bracket(first_line, times)
        position += len(stage.blocks)


def _draw_head(drawing: Drawing, head: Head, shape: Shape, gives: str) -> None:
    """Append a head on a last stage that gives `shape`."""
    drawing.box(head.steps, head.name)
    amount = count(chain_parameters(head.steps, shape), "parameter")
    drawing.add(("  ▼ ", "stream"), (gives, "title"), (f" · {amount}", "stage"))


def plan_layout(plan: Plan, width: int) -> Layout:
    """Return the columns for a plan in `width` cells."""
    parts = [plan, plan.encoder] if plan.encoder else [plan]
    stages = [stage for part in parts for stage in part.stages]
    blocks = [block for stage in stages for block in stage.blocks]
    most = max((times for stage in stages for _, times, _ in repeats(stage.blocks)), default=1)
    gutter = len(f"{most} × ┤ ") if most > 1 else 1
    labels = [len(step.text()) for block in blocks for step in block.skip.path]
    side = BARE_SIDE if any(block.skip.kind != "none" for block in blocks) else 0
    # Odd, so that the line of the skip has a middle to run in.
    wide_side = (max(labels, default=0) + 3) // 2 * 2 + 1
    if labels and width - gutter - wide_side >= ROOMY_BOX:
        side = wide_side
    heads = [head.steps for head in plan.further_heads]
    chains = (*(part.stem for part in parts), plan.head, *heads, *(block.branch for block in blocks))
    natural = max(len(_steps_text(steps)) for steps in chains) + 4
    box = max(min(natural, WIDEST_BOX, width - gutter - side), NARROWEST_BOX)
    return Layout(gutter, box, side)


def skip_side(path: Sequence[Line], height: int, width: int) -> list[Line]:
    """Return the skip beside a box: its line, with the steps of its path written across it."""
    first = (height - len(path)) // 2
    lines = []
    for row in range(height):
        if first <= row < first + len(path):
            text = line_text(path[row - first])
            left = (width - len(text)) // 2
            lines.append([Span(" " * left, "space"), Span(text, "path")])
        else:
            lines.append([Span(" " * (width // 2), "space"), Span("│", "skip")])
    return lines


def wrap_steps(steps: Sequence[Step], width: int) -> list[Line]:
    """Return steps as lines of at most `width` cells, broken between steps only."""
    lines: list[Line] = [[]]
    used = 0
    for step in steps:
        text = step.text()[:width]
        if lines[-1] and used + 3 + len(text) > width:
            lines.append([])
            used = 0
        if lines[-1]:
            lines[-1].append(Span(" · ", "quiet"))
            used += 3
        lines[-1].append(Span(text, "quiet" if isinstance(step, _QUIET_STEPS) else "step"))
        used += len(text)
    return lines


def after_text(block: Block) -> str:
    """Return what a block does with the joined stream, such as `", then relu"`, or nothing."""
    return ", then " + _steps_text(block.after) if block.after else ""


def shape_text(shape: Shape) -> str:
    """Return the shape of one sample: `"8x8x16"`."""
    return "x".join(str(size) for size in shape)


def _steps_text(steps: Sequence[Step]) -> str:
    return " · ".join(step.text() for step in steps)


def _stage_note(number: int, stages: int, blocks: int, parameters: int, room: int) -> str:
    parts = [count(blocks, "block"), count(parameters, "parameter")]
    if stages > 1:
        parts.insert(0, f"stage {number}")
    note = " · ".join(parts)
    # The brackets tell the number of blocks too, so that is what a narrow drawing leaves out.
    return note if len(note) <= room or stages == 1 else " · ".join(parts[::2])


def _stage_parameters(blocks: Sequence[Block], shapes: Sequence[Shape]) -> int:
    return sum(block.parameters(shape) for block, shape in zip(blocks, shapes, strict=False))
