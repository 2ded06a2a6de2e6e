"""The rows of the map and of the table: layers, or blocks that open, many of them in groups, and groups of groups, that
open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

MOST_BLOCKS = 48
"""Of more blocks, neighbours are joined to groups."""

GROUPS = 24
"""Groups that many blocks are joined to, about, and blocks or smaller groups in one of them: a map of 12 lines shows
them all."""

MOST_LAYERS = 256
"""A network of more layers is shown in blocks unless somebody asks for layers."""


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        name: of the layer, the block, or the group.
        kind: `"layer"`, `"block"` or `"group"`.
        level: how many rows it lies inside of.
        open: whether its members follow it; None where it has none.
        first, last: its columns, of layers or of blocks, `last` not among them.
        shuts: names of the open groups for which it stands aside, all groups beside them in one; none of others.
    """

    name: str
    kind: str
    level: int
    open: bool | None
    first: int
    last: int
    shuts: frozenset[str] = frozenset()

    @property
    def changes(self) -> frozenset[str]:
        """Names of the rows that open, or close, when somebody opens or closes this one."""
        return self.shuts or frozenset({self.name})

    @property
    def unit(self) -> str:
        """What its columns are of: `"layer"` or `"block"`."""
        return "layer" if self.kind == "layer" else "block"


def of_layers(layers: tuple[str, ...]) -> tuple[Row, ...]:
    """Return a row for each layer."""
    return tuple(Row(name, "layer", 0, None, place, place + 1) for place, name in enumerate(layers))


def of_blocks(
    blocks: tuple[str, ...], members: Callable[[str], list[tuple[str, int]]], opened: frozenset[str]
) -> tuple[Row, ...]:
    """Return a row for each block, or for each group of many, and what lies inside of those that are open: blocks, or
    smaller groups.

    Where an open group leaves no room for those beside it, they are joined to one row before it and one behind it.

    Args:
        blocks: all blocks, shallow first.
        members: gives the layers of a block, name and column each; a block without any does not open. Asked of blocks
            that have a row of their own.
        opened: names of the rows that are open.
    """
    return tuple(_inside(blocks, members, opened, (0, len(blocks)), 0))


def _inside(blocks, members, opened: frozenset[str], span: tuple[int, int], level: int) -> list[Row]:
    """Return the rows of the blocks of a span, which lie inside of so many others."""
    first, last = span
    if last - first <= (GROUPS if level else MOST_BLOCKS):
        places = range(first, last)
        return [row for at in places for row in _block(blocks[at], at, level, members(blocks[at]), opened)]
    size = -(-(last - first) // GROUPS)
    parts = [_group(blocks, begin, min(begin + size, last), level, opened) for begin in range(first, last, size)]
    open_parts = [each for each in parts if each.open]
    taken = len(parts) + sum(min(each.last - each.first, GROUPS) for each in open_parts)
    shut = frozenset(each.name for each in open_parts) if taken > GROUPS else frozenset()
    rows: list[Row] = []
    for is_open, beside in groupby(parts, key=lambda each: each.open):
        together = list(beside)
        if shut and not is_open and len(together) > 1:
            joined = _group(blocks, together[0].first, together[-1].last, level, frozenset())
            rows.append(replace(joined, shuts=shut))
            continue
        for part in together:
            if part.last - part.first == 1:
                name = blocks[part.first]
                rows += _block(name, part.first, level, members(name), opened)
            else:
                rows.append(part)
                rows += _inside(blocks, members, opened, (part.first, part.last), level + 1) if is_open else []
    return rows


def _group(blocks: tuple[str, ...], first: int, last: int, level: int, opened: frozenset[str]) -> Row:
    name = f"{blocks[first]} to {blocks[last - 1]}"
    return Row(name, "group", level, name in opened, first, last)


def _block(name: str, place: int, level: int, layers: list[tuple[str, int]], opened: frozenset[str]) -> list[Row]:
    row = Row(name, "block", level, name in opened if layers else None, place, place + 1)
    if not row.open:
        return [row]
    return [row, *(Row(layer, "layer", level + 1, None, column, column + 1) for layer, column in layers)]


def values_of(rows: tuple[Row, ...], values: dict[str, np.ndarray]) -> np.ndarray:
    """Return the values of rows, the largest of a group's members, not-a-number above all: (..., rows).

    Args:
        rows: the rows.
        values: unit -> values of all layers or blocks, (..., columns).
    """
    found = []
    for row in rows:
        members = values[row.unit][..., row.first : row.last]
        found.append(members.max(-1) if row.last - row.first > 1 else members[..., 0])
    return np.stack(found, axis=-1)
