"""The columns of the table of weights, and what each step puts into them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from itertools import takewhile

import keras
import numpy as np

from reskeras.layers.slices import rows_of, slices_of
from reskeras.runs.folder import Weight
from reskeras.runs.statistics import OF_WEIGHTS
from reskeras.runs.tables import Header, header

MEASURED = (
    "gradient_norm",
    "clipped_norm",
    "weight_norm",
    "update_norm",
    "nan_count",
    "inf_count",
    "zero_count",
)
"""What a step measures of each weight, in this order."""

_NORMS = 4
"""The first so many are norms; the others are counts."""


@dataclass(frozen=True)
class WeightLayout:
    """Which weight's numbers come in which place, and which are put together.

    Attributes:
        header: of the table.
        order: (weights,) the place of each column's weight among the measured ones.
        groups: for layers, for blocks and for all: where each begins, which have columns of their own, and these.
        sizes: how many numbers each column stands for.
    """

    header: Header
    order: np.ndarray
    groups: tuple[tuple[np.ndarray, np.ndarray, slice], ...]
    sizes: np.ndarray

    @property
    def whole(self) -> int:
        """The column of all weights together."""
        return self.header.columns["run"][0]

    def rows(self, measured: np.ndarray) -> np.ndarray:
        """Return rows of the table, (T, statistics, columns).

        Args:
            measured: (T, `MEASURED`, weights) as the steps measured them.
        """
        found = measured[:, :, self.order]
        norms, counts = found[:, :_NORMS], found[:, _NORMS:]
        wide = np.empty((len(found), len(MEASURED), self.header.width), np.float32)
        wide[:, :, : found.shape[2]] = found
        ratio = np.empty((len(found), self.header.width), np.float32)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio[:, : found.shape[2]] = _ratio(norms)
            # In float64, since the square of a large norm leaves the range of float32.
            squares = np.square(norms, dtype=np.float64)
            for starts, groups, columns in self.groups:
                if len(groups):
                    roots = np.sqrt(np.add.reduceat(squares, starts, axis=-1)[:, :, groups])
                    wide[:, :_NORMS, columns], ratio[:, columns] = roots, _ratio(roots)
                    sums = np.add.reduceat(counts, starts, axis=-1, dtype=np.float64)
                    wide[:, _NORMS:, columns] = sums[:, :, groups]
        each = dict(zip(MEASURED, wide.swapaxes(0, 1), strict=True))
        each["update_ratio"] = ratio
        each["zero_share"] = np.divide(each["zero_count"], self.sizes, dtype=np.float32)
        return np.stack([each[name] for name in self.header.statistics], axis=1)


def _ratio(norms: np.ndarray) -> np.ndarray:
    """Return update over weight, (T, columns), from norms as measured; not a number where the weight is 0."""
    weight, update = (norms[:, MEASURED.index(each)] for each in ("weight_norm", "update_norm"))
    return np.where(weight > 0, update / weight, np.nan)


def weight_layout(variables: list[keras.Variable]) -> WeightLayout:
    """Return the layout for the trained variables, in the order in which they are measured."""
    measured = _addressed([row for variable in variables for row in weights_of(variable)])
    # Weights of one layer side by side, layers in the order of the forward pass.
    order = forward_order(variables)
    weights = [measured[place] for place in order]
    groups, columns = {"weight": tuple(each.path for each in weights)}, {"weight": tuple(range(len(weights)))}
    spans: dict[tuple[int, int], int] = {}
    parts, width = [], len(weights)
    for by in ("layer", "block", "run"):
        named = ["all" if by == "run" else getattr(each, by) for each in weights]
        starts = [i for i, name in enumerate(named) if not i or named[i - 1] != name]
        places, first, own = [], width, []
        for number, (begin, end) in enumerate(zip(starts, [*starts[1:], len(named)], strict=True)):
            if end - begin > 1 and (begin, end) not in spans:
                spans[begin, end], width = width, width + 1
                own.append(number)
            places.append(spans.get((begin, end), begin))
        parts.append((np.array(starts), np.array(own, int), slice(first, width)))
        groups[by], columns[by] = tuple(named[start] for start in starts), tuple(places)
    sizes = [math.prod(each.shape) for each in weights]
    sizes += [sum(sizes[begin:end]) for begin, end in spans]
    table = [{**asdict(each), "shape": list(each.shape)} for each in weights]
    made = header([each.name for each in OF_WEIGHTS], groups, columns, weights=table, sizes=sizes)
    return WeightLayout(made, np.array(order, int), tuple(parts), np.array(sizes, float))


def weight_of(path: str, shape: tuple[int, ...]) -> Weight:
    """Return the row of the layer table for a Keras weight path: `stage1_block2/conv1/kernel` is a weight of the layer
    `stage1_block2_conv1` in the block `stage1_block2`."""
    *address, _ = path.split("/")
    return Weight(path, "_".join(address) or path, address[0] if address else path, shape)


def _addressed(weights: list[Weight]) -> list[Weight]:
    """Return weights with layers and blocks named without what all names begin with, such as a subclassed model's."""
    parts = [each.path.split("/") for each in weights]
    # The last two say which layer and which weight of it.
    owners = zip(*(path[:-2] for path in parts), strict=False)
    common = sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, owners))
    shorter = ["/".join(path[common:]) for path in parts]
    return [replace(weight_of(short, each.shape), path=each.path) for short, each in zip(shorter, weights, strict=True)]


def weights_of(variable: keras.Variable) -> list[Weight]:
    """Return the rows of the layer table for a variable: one, or for a weight of a `Stack` one for each slice."""
    slices, shape = slices_of(variable), tuple(variable.shape)
    if slices is None:
        return [weight_of(variable.path, shape)]
    return [weight_of(path, shape[1:]) for path in slices.paths]


def forward_order(variables: list[keras.Variable]) -> list[int]:
    """Return the columns of the variables' norms in the order of the forward pass, those of one layer side by side."""
    first: dict[str, int] = {}
    keys = []
    for index, variable in enumerate(variables):
        slices = slices_of(variable)
        # The slices of a stack come one after another, each with all of its weights.
        owner = slices.stack if slices else weight_of(variable.path, ()).layer
        begin = first.setdefault(owner, index)
        keys += [(begin, number, index) for number in range(rows_of(variable))]
    return sorted(range(len(keys)), key=keys.__getitem__)
