"""The rows of the map and of the table: layers, or blocks that open, many of them in groups that open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_BLOCKS = 48
"""Of more blocks, neighbours are joined to groups."""

GROUPS = 24
"""Groups that many blocks are joined to, about: a map of 12 lines shows them all."""

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
    """

    name: str
    kind: str
    level: int
    open: bool | None
    first: int
    last: int

    @property
    def unit(self) -> str:
        """What its columns are of: `"layer"` or `"block"`."""
        return "layer" if self.kind == "layer" else "block"


def of_layers(layers: tuple[str, ...]) -> tuple[Row, ...]:
    """Return a row for each layer."""
    return tuple(Row(name, "layer", 0, None, place, place + 1) for place, name in enumerate(layers))


def of_blocks(
    blocks: tuple[str, ...], members: dict[str, list[tuple[str, int]]], opened: frozenset[str]
) -> tuple[Row, ...]:
    """Return a row for each block, or for each group of many, and what lies inside of those that are open.

    Args:
        blocks: all blocks, shallow first.
        members: block -> its layers, name and column each; a block without any does not open.
        opened: names of the rows that are open.
    """
    rows: list[Row] = []
    size = -(-len(blocks) // GROUPS) if len(blocks) > MOST_BLOCKS else 1
    for first in range(0, len(blocks), size):
        last = min(first + size, len(blocks))
        grouped = last - first > 1
        if grouped:
            rows.append(Row(name := f"{blocks[first]} to {blocks[last - 1]}", "group", 0, name in opened, first, last))
            if name not in opened:
                continue
        for place in range(first, last):
            rows += _block(blocks[place], place, int(grouped), members.get(blocks[place], []), opened)
    return tuple(rows)


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
